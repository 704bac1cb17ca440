//! Which random values stand beside a name that says they are secret?

use std::{ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Certainty, Secret, random};

/// Parts of names that say so.
const TELLING: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
    "privatekey",
    "private_key",
    "authkey",
    "auth_key",
    "signingkey",
    "signing_key",
    "encryptionkey",
    "encryption_key",
    "credential",
];

/// Parts of names whose values are known to everybody, or are not the secret itself.
const HARMLESS: &[&str] = &[
    "public",
    "pubkey",
    "hash",
    "digest",
    "checksum",
    "sha",
    "md5",
    "path",
    "file",
    "dir",
    "url",
    "uri",
    "name",
    "length",
    "type",
    "regex",
    "pattern",
    "format",
    "prefix",
    "label",
    "field",
    "placeholder",
    "csrf",
    "xsrf",
    "tokenize",
    "tokenise",
    "page",
    "next",
    "cursor",
    "continuation",
    "version",
    "site_key",
    "sitekey",
    "arn",
    "encrypted",
    "sealed",
    "salt",
    "nonce",
    "integrity",
    "address",
    "contract",
    "mint",
    "fixture",
    "mock",
    "example",
    "test",
    "expected",
    "invalid",
    "wrong",
    "bad",
    "fake",
    "dummy",
    "sample",
    "cache",
    "sync",
    "keyid",
    "key_id",
];

/// Longer lines are data, not code.
const LONGEST_LINE: usize = 500;

static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest).build(TELLING).ok()
});

/// Every random value that is given to a telling name on the same line.
pub(super) fn find(text: &str) -> Vec<Secret> {
    let Some(names) = &*NAMES else { return Vec::new() };
    names.find_iter(text).filter_map(|found| beside(text, found.range())).collect()
}

fn beside(text: &str, word: Range<usize>) -> Option<Secret> {
    let line_start = text[..word.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[word.end..].find('\n').map_or(text.len(), |at| word.end + at);
    if line_end - line_start > LONGEST_LINE {
        return None;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let bytes = text.as_bytes();
    let name_start = word.start - bytes[line_start..word.start].iter().rev().take_while(|byte| is_name(byte)).count();
    let name_end = word.end + bytes[word.end..line_end].iter().take_while(|byte| is_name(byte)).count();
    let name = text[name_start..name_end].to_ascii_lowercase();
    if HARMLESS.iter().any(|part| name.contains(part)) || name.ends_with("id") || name.ends_with("tokens") {
        return None;
    }
    let value = given(text, name_end..line_end)?;
    is_secret(&text[value.clone()]).then_some(Secret {
        kind: "secret",
        certainty: Certainty::Name,
        bytes: value,
        public_prefix: 0,
    })
}

/// The value that the rest of a line gives to the name before it: a string after `=`, `:`, `=>`, `,` or `(`, or the
/// bare rest of the line after `=` or `:`, as in settings files.
fn given(text: &str, rest: Range<usize>) -> Option<Range<usize>> {
    let line = &text[rest.clone()];
    let after_name = line.trim_start_matches(['"', '\'', ']', ')', ' ', '\t']);
    let operator = after_name.chars().next().filter(|c| "=:,(".contains(*c))?;
    let after_operator = after_name.trim_start_matches(['=', ':', '>', ',', '(', ' ', '\t']);
    let literal = match after_operator.find(['"', '\'', '`']) {
        // A type between the name and its value: `token: &str = "…"`, or a string's prefix: `b"…"`.
        Some(quote) if quote == 0 || is_between(&after_operator[..quote]) => &after_operator[quote..],
        _ if matches!(operator, '=' | ':') => return bare(after_operator, rest.end),
        _ => return None,
    };
    let quote = literal.chars().next()?;
    let start = rest.end - literal.len() + 1;
    let value = literal[1..].split(quote).next()?;
    (value.len() + 2 <= literal.len()).then_some(start..start + value.len())
}

fn is_between(words: &str) -> bool {
    let is_prefix = words.len() <= 2 && words.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_type = words.trim_end().ends_with('=')
        && words.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"&_:<>[]*'= .?".contains(&byte));
    is_prefix || is_type
}

fn bare(rest: &str, line_end: usize) -> Option<Range<usize>> {
    let value = rest.trim_end();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-~".contains(&byte);
    let start = line_end - rest.len();
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    (value.len() >= 20 && digits >= 3 && value.bytes().all(is_plain)).then_some(start..start + value.len())
}

fn is_secret(value: &str) -> bool {
    const HARMLESS_STARTS: &[&str] = &[
        "sha1", "sha256", "sha384", "sha512", "$2", "$argon", "$pbkdf", "arn:", "http", "MII", "ssh-", "ENC[", "data:",
        "/", "./", "pk_", "pk-",
    ];
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-.~!@#%^&*".contains(&byte);
    (16..=180).contains(&value.len())
        && value.bytes().all(allowed)
        && !HARMLESS_STARTS.iter().any(|start| value.starts_with(start))
        && random::is_random(value)
}

// apprentice: allow-file any/secret -- the values in these tests were drawn for them and open nothing
#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|secret| &text[secret.bytes]).collect()
    }

    #[test]
    fn a_random_value_beside_a_telling_name_is_found() {
        for text in [
            "SECRET_KEY = \"q7Rk2vX9mB4tL8wZ\"",
            "const apiKey: &str = \"q7Rk2vX9mB4tL8wZ\";",
            "\"client_secret\": \"q7Rk2vX9mB4tL8wZ\",",
            "client.setPassword('q7Rk2vX9mB4tL8wZ')",
            "os.environ.get('TOKEN', b'q7Rk2vX9mB4tL8wZ')",
        ] {
            assert_eq!(values(text), ["q7Rk2vX9mB4tL8wZ"], "{text}");
        }
        assert_eq!(values("AUTH_TOKEN=q7Rk2vX9mB4tL8wZ5nC3\r\n"), ["q7Rk2vX9mB4tL8wZ5nC3"]);
    }

    #[test]
    fn names_references_and_public_values_are_not() {
        for text in [
            "token = get_token_from_vault(key9, key8)",
            "public_key = \"q7Rk2vX9mB4tL8wZ\"",
            "password_hash = \"q7Rk2vX9mB4tL8wZ\"",
            "secret: ${{ secrets.DEPLOY_TOKEN_2_PRODUCTION }}",
            "token_id = \"q7Rk2vX9mB4tL8wZ\"",
            "secretName: my-service-credentials-v2",
            "password = \"correct horse battery\"",
            "api_key = \"YOUR_API_KEY_GOES_HERE_1234\"",
            "TOKEN = \"550e8400-e29b-41d4-a716-446655440000\"",
        ] {
            assert_eq!(values(text), [""; 0], "{text}");
        }
    }
}
