//! Is there a password in this address?

use super::{Certainty, Secret, random};

/// The password of `scheme://user:password@host`, where `at` is the place of `://`. Hosts that only exist on one's
/// own machine or in documents do not count, nor do passwords that are words.
pub(super) fn password(text: &str, at: usize) -> Option<Secret> {
    let scheme = text[..at].bytes().rev().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'+').count();
    let start = at + 3;
    let rest = &text[start..];
    let authority =
        &rest[..rest.find(|c: char| c.is_whitespace() || "/?#\"'`<>,;(){}|\\".contains(c)).unwrap_or(rest.len())];
    let (login, host) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    if scheme == 0 || !is_public_host(host) || !is_own_password(user, password) {
        return None;
    }
    let from = start + user.len() + 1;
    Some(Secret {
        kind: "password in a URL",
        certainty: Certainty::Form,
        bytes: from..from + password.len(),
        public_prefix: 0,
    })
}

fn is_public_host(host: &str) -> bool {
    const PRIVATE: &[&str] = &["localhost", "local", "internal", "test", "example", "invalid", "lan", "localdomain"];
    let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_private_number =
        is_number && ["127.", "0.", "10.", "192.", "172.", "1.2.3."].iter().any(|start| name.starts_with(start));
    let suffix = name.rsplit('.').next().unwrap_or("");
    name.contains('.')
        && !name.ends_with('.')
        && !is_private_number
        && !PRIVATE.contains(&suffix)
        && !["example.", "host.", "hostname.", "domain.", "foo.", "bar.", "server.com", "my."]
            .iter()
            .any(|word| name.contains(word))
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn is_own_password(user: &str, password: &str) -> bool {
    let kinds = [u8::is_ascii_digit as fn(&u8) -> bool, u8::is_ascii_alphabetic];
    password.len() >= 8
        && password != user
        && password.bytes().all(|byte| byte.is_ascii_graphic() && !b"$*[]".contains(&byte))
        && kinds.iter().all(|is| password.bytes().any(|byte| is(&byte)))
        && random::entropy(password.as_bytes()) >= 2.5
        && !random::is_stand_in(password)
        && !password.to_ascii_lowercase().contains("pass")
        && !password.contains("%s")
}

// apprentice: allow-file any/secret -- the values in these tests were drawn for them and open nothing
#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        password(text, text.find("://")?).map(|secret| &text[secret.bytes])
    }

    #[test]
    fn a_password_of_a_real_host_is_found() {
        assert_eq!(found("postgres://app:vR4t8kQz2w@db.acme.io:5432/app"), Some("vR4t8kQz2w"));
        assert_eq!(found("URL=amqp://u:p9Xk2@Lm4Qz@mq.acme.io"), Some("p9Xk2@Lm4Qz"));
    }

    #[test]
    fn addresses_without_one_are_left_alone() {
        for text in [
            "postgres://postgres:postgres@localhost:5432/app",
            "redis://:vR4t8kQz2w@redis:6379",
            "https://user:password1@example.com/",
            "https://${USER}:${PASS9word}@db.acme.io",
            "https://acme.io/a:b8888888@c.io",
            "ssh://git@github.com/a/b",
            "mongodb://user:<password>@cluster0.mongodb.net",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
