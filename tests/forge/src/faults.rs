//! What goes wrong on purpose?

use regex::Regex;
use std::time::Duration;

/// What a fault does to the exchange it meets.
#[derive(Clone, Debug)]
pub enum What {
    /// Answers this status with these headers, and does nothing.
    Status(u16, Vec<(String, String)>),
    /// Does what was asked, then cuts the connection: the trap of posting twice.
    DropAfterWrite,
    /// Cuts the connection before anything is done.
    DropBefore,
    /// Waits this long, then goes on.
    Slow(Duration),
    /// Lets the request's token expire first.
    ExpireToken,
    /// Suspends the app's installations first.
    SuspendInstallation,
    /// Sends a webhook twice under one `X-GitHub-Delivery`.
    HookDuplicate,
    /// Holds a webhook back until after the next one.
    HookReorder,
    /// Does not send a webhook; it stands in the list of deliveries as failed.
    HookLost,
}

impl What {
    fn is_hook(&self) -> bool {
        matches!(self, What::HookDuplicate | What::HookReorder | What::HookLost)
    }

    fn is_slow(&self) -> bool {
        matches!(self, What::Slow(_))
    }
}

/// A fault, met by the next `times` exchanges it fits.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The HTTP method, empty for any.
    pub method: String,
    /// A regular expression on the path; on `event.action` for what befalls webhooks.
    pub path: String,
    /// How often.
    pub times: usize,
    /// What.
    pub what: What,
}

impl Fault {
    /// A fault that happens once.
    pub fn once(method: &str, path: &str, what: What) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), times: 1, what }
    }

    /// The same, this often.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        let method = self.what.is_hook() || self.method.is_empty() || self.method == method;
        method && self.times > 0 && Regex::new(&self.path).is_ok_and(|r| r.is_match(path))
    }
}

/// The fault a request meets, used up by one.
pub(crate) fn of_request(faults: &mut [Fault], method: &str, path: &str) -> Option<What> {
    take(faults.iter_mut().filter(|f| !f.what.is_hook() && !f.what.is_slow()), method, path)
}

/// How long a request is to wait, used up by one.
pub(crate) fn slowness(faults: &mut [Fault], method: &str, path: &str) -> Option<What> {
    take(faults.iter_mut().filter(|f| f.what.is_slow()), method, path)
}

/// The fault a webhook meets, used up by one.
pub(crate) fn of_hook(faults: &mut [Fault], name: &str) -> Option<What> {
    take(faults.iter_mut().filter(|f| f.what.is_hook()), "", name)
}

fn take<'a>(mut faults: impl Iterator<Item = &'a mut Fault>, method: &str, path: &str) -> Option<What> {
    let fault = faults.find(|f| f.fits(method, path))?;
    fault.times -= 1;
    Some(fault.what.clone())
}
