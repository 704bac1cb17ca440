//! May this machine be fetched from? Decided on the addresses that are connected to, not on names.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Which addresses may be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// Any, this machine and private networks included.
    Any,
    /// These alone.
    Only(Vec<IpAddr>),
    /// Those of the public internet, and these.
    PublicAnd(Vec<IpAddr>),
}

/// An address that may not be spoken to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is at {address}, an address of this machine or of a private network")]
pub struct Unreachable {
    /// The host as it was written.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
}

impl Reach {
    fn permits(&self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Any => true,
            Self::Only(these) => these.contains(&address),
            Self::PublicAnd(these) => is_public(address) || these.contains(&address),
        }
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), Unreachable> {
        match self.permits(address) {
            true => Ok(()),
            false => Err(Unreachable { host: host.to_owned(), address }),
        }
    }

    /// Checks a URL whose host is an address itself: no name will be looked up for it.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), Unreachable> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(&address.to_string(), address.into()),
            Some(Host::Ipv6(address)) => self.check(&address.to_string(), address.into()),
            _ => Ok(()),
        }
    }
}

/// Looks names up and gives only addresses that were checked, to whoever connects to them: what a name means cannot
/// change between the check and the connection.
#[derive(Debug, Clone)]
pub(crate) struct Guarded(pub(crate) Arc<Reach>);

impl Guarded {
    /// One address that may not be reached makes the whole name suspect.
    fn lookup(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Unreachable> {
        found.map(|address| self.0.check(host, address.ip()).map(|()| address)).collect()
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.clone();
        // The only thread of the client looks names up; it has one request at a time.
        Box::pin(async move {
            let found = (name.as_str(), 0).to_socket_addrs()?;
            let checked = guarded.lookup(name.as_str(), found)?;
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet. Source: the IANA registries of special-purpose addresses.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [172, 16..=31, ..]
            | [198, 18 | 19, ..]
            | [169, 254, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Only 2000::/3 is global unicast, and addresses that carry another are what that one is.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let carried = |high: u16, low: u16| {
        let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b) {
        (0, 0) if [c, d, e] == [0; 3] && f == 0xffff => carried(g, h),
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => carried(g, h),
        (0x2002, _) => carried(b, c),
        // Teredo and other protocol assignments, documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        _ => (0x2000..=0x3fff).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_of_private_networks_are_known_in_every_dress() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:0:1:2::3",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["1.1.1.1", "100.63.0.1", "100.128.0.1", "172.32.0.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn literal_hosts_are_checked_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0/",
        ] {
            assert!(Reach::Public.check_literal(&Url::parse(url).unwrap()).is_err(), "{url}");
            assert!(Reach::Any.check_literal(&Url::parse(url).unwrap()).is_ok(), "{url}");
        }
        assert!(Reach::Public.check_literal(&Url::parse("https://example.com").unwrap()).is_ok());
    }

    #[test]
    fn a_name_with_one_private_address_is_refused_whole() {
        let guarded = Guarded(Arc::new(Reach::Public));
        let both = ["1.1.1.1:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
        assert!(guarded.lookup("rebind.example", both.into_iter()).is_err());
        assert_eq!(guarded.lookup("fine.example", both.into_iter().take(1)).unwrap().len(), 1);
        let named = Guarded(Arc::new(Reach::PublicAnd(vec![both[1].ip()])));
        assert_eq!(named.lookup("named.example", both.into_iter()).unwrap().len(), 2);
        assert!(named.lookup("other.example", ["127.0.0.2:0".parse().unwrap()].into_iter()).is_err());
    }
}
