//! Which secrets have a shape that their provider gave them?

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Certainty, Secret, connection, random};

/// Every secret of the text that has a known shape, in order of its anchor; they may overlap.
pub(super) fn find(text: &str) -> Vec<Secret> {
    let Some(anchors) = &*ANCHORS else { return Vec::new() };
    anchors
        .find_overlapping_iter(text)
        .filter_map(|found| match OWNERS.get(found.pattern().as_usize())? {
            Owner::Token(token, anchor) => token.at(text, found.start(), anchor),
            Owner::Reader(read) => read(text, found.start()),
        })
        .collect()
}

/// A shape that is a fixed text with drawn letters after it, and sometimes before it.
struct Token {
    kind: &'static str,
    anchors: &'static [&'static str],
    /// Letters before the anchor, their least and greatest number.
    before: (Letters, usize, usize),
    /// The same after it.
    after: (Letters, usize, usize),
    /// A word that must stand somewhere in the text, in lower case, for shapes that are not telling by themselves.
    near: Option<&'static str>,
    /// What else must be true of the letters after the anchor.
    proof: fn(&str) -> bool,
}

/// An alphabet.
type Letters = fn(u8) -> bool;

fn none(_: u8) -> bool {
    false
}

fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn base32(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'2'..=b'7')
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn url64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn dotted(byte: u8) -> bool {
    url64(byte) || byte == b'.'
}

fn path(byte: u8) -> bool {
    url64(byte) || byte == b'/'
}

fn tilde(byte: u8) -> bool {
    dotted(byte) || byte == b'~'
}

const fn token(
    kind: &'static str,
    anchors: &'static [&'static str],
    letters: Letters,
    min: usize,
    max: usize,
) -> Token {
    Token { kind, anchors, before: (none, 0, 0), after: (letters, min, max), near: None, proof: |_| true }
}

const fn near(word: &'static str, mut token: Token) -> Token {
    token.near = Some(word);
    token
}

const fn with(proof: fn(&str) -> bool, mut token: Token) -> Token {
    token.proof = proof;
    token
}

const fn after(letters: Letters, min: usize, max: usize, mut token: Token) -> Token {
    token.before = (letters, min, max);
    token
}

static TOKENS: &[Token] = &[
    token("AWS access key id", &["AKIA", "ASIA", "ABIA", "ACCA"], base32, 16, 16),
    token("Alibaba Cloud access key id", &["LTAI5t"], alnum, 18, 18),
    token("Anthropic key", &["sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-"], url64, 80, 120),
    token("Atlassian token", &["ATATT3xFfGF0"], base64_url, 150, 260),
    token("Azure storage key", &["AccountKey="], base64, 86, 88),
    token("Azure shared access key", &["SharedAccessKey="], base64, 43, 44),
    after(tilde, 3, 3, with(|body| body.len() >= 31, token("Azure client secret", &["8Q~", "7Q~"], tilde, 31, 34))),
    token("Databricks token", &["dapi"], hex, 32, 32),
    token("DigitalOcean token", &["dop_v1_", "doo_v1_", "dor_v1_"], hex, 64, 64),
    token("Discord webhook", &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"], path, 78, 95),
    token("Docker Hub token", &["dckr_pat_", "dckr_oat_"], url64, 27, 40),
    token("Doppler token", &["dp.pt.", "dp.st.prd.", "dp.sa."], alnum, 40, 44),
    token("Fly.io token", &["fo1_"], url64, 43, 43),
    with(checksum, token("GitHub token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], alnum, 36, 36)),
    with(fine_grained, token("GitHub token", &["github_pat_"], url64, 82, 82)),
    token(
        "GitLab token",
        &["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glsoat-", "glft-", "glimt-", "glagent-"],
        dotted,
        20,
        64,
    ),
    token("Google API key", &["AIza"], url64, 35, 35),
    token("Google OAuth client secret", &["GOCSPX-"], url64, 28, 28),
    token("Grafana token", &["glsa_"], url64, 41, 41),
    token("Groq key", &["gsk_"], alnum, 52, 52),
    token("Hashicorp Vault token", &["hvs.", "hvb.", "hvr."], url64, 24, 200),
    token("Hugging Face token", &["hf_"], alnum, 34, 40),
    token("Linear key", &["lin_api_", "lin_oauth_"], alnum, 40, 64),
    near("mailgun", token("Mailgun key", &["key-"], hex, 32, 32)),
    token("New Relic key", &["NRAK-"], upper, 27, 27),
    token("Notion token", &["ntn_"], alnum, 46, 46),
    token("npm token", &["npm_"], alnum, 36, 36),
    token("OpenAI key", &["sk-proj-", "sk-svcacct-", "sk-admin-"], url64, 40, 220),
    after(openai_head, 23, 23, token("OpenAI key", &["T3BlbkFJ"], alnum, 20, 20)),
    token("PlanetScale token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], dotted, 32, 64),
    token("Postman key", &["PMAK-"], url64, 59, 59),
    token("PyPI token", &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"], url64, 50, 1_000),
    token("Pulumi token", &["pul-"], hex, 40, 40),
    token("Replicate token", &["r8_"], alnum, 37, 37),
    token("RubyGems key", &["rubygems_"], hex, 48, 48),
    token("SendGrid key", &["SG."], dotted, 66, 66),
    token("Sentry token", &["sntryu_"], hex, 64, 64),
    token("Shopify token", &["shpat_", "shpca_", "shppa_", "shpss_"], any_hex, 32, 32),
    with(slack_parts, token("Slack token", &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"], url64, 40, 200)),
    token("Slack webhook", &["hooks.slack.com/services/T", "hooks.slack.com/workflows/T"], path, 40, 80),
    token("Square token", &["sq0csp-"], url64, 43, 43),
    token("Square token", &["sq0atp-"], url64, 22, 22),
    token("Stripe key", &["sk_live_", "rk_live_"], alnum, 24, 200),
    token("Stripe webhook secret", &["whsec_"], alnum, 32, 64),
    token("Supabase token", &["sbp_"], hex, 40, 40),
    after(digit, 8, 10, token("Telegram bot token", &[":AA"], url64, 33, 33)),
    after(alnum, 14, 14, token("Terraform Cloud token", &[".atlasv1."], url64, 60, 70)),
    near("twilio", token("Twilio key", &["SK"], hex, 32, 32)),
    token("age secret key", &["AGE-SECRET-KEY-1"], upper, 58, 58),
    token("crates.io token", &["cio"], alnum, 32, 32),
    token("xAI key", &["xai-"], alnum, 80, 80),
];

fn base64_url(byte: u8) -> bool {
    url64(byte) || byte == b'='
}

fn any_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn openai_head(byte: u8) -> bool {
    alnum(byte) || byte == b'-'
}

/// Shapes that are more than letters around an anchor.
static READERS: &[(&str, Reader)] = &[("-----BEGIN ", key_block), ("eyJ", signed_token), ("://", connection::password)];

type Reader = fn(&str, usize) -> Option<Secret>;

enum Owner {
    Token(&'static Token, &'static str),
    Reader(Reader),
}

static OWNERS: LazyLock<Vec<Owner>> = LazyLock::new(|| {
    let tokens = TOKENS.iter().flat_map(|token| token.anchors.iter().map(move |anchor| Owner::Token(token, anchor)));
    tokens.chain(READERS.iter().map(|&(_, read)| Owner::Reader(read))).collect()
});

static ANCHORS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let anchors = TOKENS.iter().flat_map(|token| token.anchors).chain(READERS.iter().map(|(anchor, _)| anchor));
    AhoCorasick::builder().match_kind(MatchKind::Standard).build(anchors).ok()
});

impl Token {
    /// The token whose anchor stands at byte `at`.
    fn at(&self, text: &str, at: usize, anchor: &str) -> Option<Secret> {
        let bytes = text.as_bytes();
        let head = bytes[..at].iter().rev().take_while(|&&byte| (self.before.0)(byte)).count();
        let start = at.checked_sub(if self.before.1 == self.before.2 { self.before.1.min(head) } else { head })?;
        let body = at + anchor.len();
        let end = body + bytes[body..].iter().take_while(|&&byte| (self.after.0)(byte)).count();
        let lengths_fit = (self.before.1..=self.before.2).contains(&(at - start))
            && (self.after.1..=self.after.2).contains(&(end - body));
        let stands_alone = !start.checked_sub(1).is_some_and(|before| continues(bytes[before]))
            && !bytes.get(end).is_some_and(|&byte| byte.is_ascii_alphanumeric());
        if !lengths_fit || !stands_alone {
            return None;
        }
        let drawn = &text[body..end];
        let holds = random::is_plausible(drawn)
            && drawn.bytes().any(|byte| byte.is_ascii_digit())
            && (self.proof)(drawn)
            && self.near.is_none_or(|word| text.to_ascii_lowercase().contains(word));
        let public_prefix = if self.before.2 == 0 { anchor.len() } else { 0 };
        holds.then_some(Secret { kind: self.kind, certainty: Certainty::Shape, bytes: start..end, public_prefix })
    }
}

fn continues(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+')
}

/// The last six letters of a GitHub token are the CRC-32 of the thirty before them, in base 62
/// (github.blog/2021-04-05-behind-githubs-new-authentication-token-formats).
fn checksum(body: &str) -> bool {
    let Some((drawn, sum)) = body.split_at_checked(30) else { return false };
    base62(crc32(drawn.as_bytes())) == sum
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

fn base62(mut number: u32) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = ['0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(DIGITS[(number % 62) as usize]);
        number /= 62;
    }
    digits.iter().collect()
}

fn fine_grained(body: &str) -> bool {
    body.as_bytes().get(22) == Some(&b'_') && body.matches('_').count() == 1
}

/// Slack's tokens are numbers and one drawn part, joined by hyphens.
fn slack_parts(body: &str) -> bool {
    let mut parts = body.split('-');
    let numbered = body.split('-').any(|part| part.len() >= 9 && part.bytes().all(|byte| byte.is_ascii_digit()));
    numbered && parts.next_back().is_some_and(|part| part.len() >= 20 && random::entropy(part.as_bytes()) >= 3.0)
}

/// A private key in PEM armor, from `-----BEGIN` to `-----END …-----`, raw or inside a string.
fn key_block(text: &str, at: usize) -> Option<Secret> {
    let rest = &text[at..];
    let header = rest.find("-----\n").into_iter().chain(rest.find("-----\\n")).chain(rest.find("-----\r")).min()? + 5;
    let label = rest.get("-----BEGIN ".len()..header - 5)?;
    let is_private = (label.ends_with("PRIVATE KEY") || label == "PGP PRIVATE KEY BLOCK")
        && !label.contains("ENCRYPTED")
        && label.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ');
    let after = &rest[header..];
    let end = after.find("-----END ")?;
    let body: String = after[..end].split("\\n").flat_map(str::chars).filter(char::is_ascii_alphanumeric).collect();
    if !is_private || body.len() < 60 || random::entropy(body.as_bytes()) < 4.5 {
        return None;
    }
    let tail = after[end + 9..].find("-----").map_or(after.len(), |close| end + 9 + close + 5);
    let bytes = at..at + header + tail.min(after.len());
    Some(Secret { kind: "private key", certainty: Certainty::Form, bytes, public_prefix: header })
}

/// A JSON Web Token whose header names an algorithm that signs, and whose payload is an object.
fn signed_token(text: &str, at: usize) -> Option<Secret> {
    let bytes = text.as_bytes();
    if at.checked_sub(1).is_some_and(|before| dotted(bytes[before])) {
        return None;
    }
    let end = at + bytes[at..].iter().take_while(|&&byte| dotted(byte)).count();
    let mut parts = text[at..end].split('.');
    let (header, payload, signature) = (decoded(parts.next()?)?, decoded(parts.next()?)?, parts.next()?);
    let algorithm = header.get("alg")?.as_str()?;
    let holds = parts.next().is_none()
        && algorithm != "none"
        && signature.len() >= 32
        && random::entropy(signature.as_bytes()) >= 3.5
        && payload.as_object().is_some_and(|claims| !claims.is_empty())
        && !is_stand_in(&payload);
    holds.then_some(Secret {
        kind: "JSON Web Token",
        certainty: Certainty::Form,
        bytes: at..end,
        public_prefix: "eyJ".len(),
    })
}

/// The token that documents of JWT show, and its kin.
fn is_stand_in(payload: &serde_json::Value) -> bool {
    let text = payload.to_string();
    ["1234567890", "John Doe", "example", "Example"].iter().any(|word| text.contains(word))
}

fn decoded(part: &str) -> Option<serde_json::Value> {
    let mut bytes = Vec::with_capacity(part.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in part.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    serde_json::from_slice(&bytes).ok()
}

// apprentice: allow-file any/secret -- the values in these tests were drawn for them and open nothing
#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        find(text).into_iter().map(|secret| secret.kind).collect()
    }

    #[test]
    fn shapes_are_known_where_they_stand_alone() {
        for (kind, head, tail) in [
            ("AWS access key id", "AKIA", "QX7V2MZTN4RLW6BD"),
            ("Slack token", "xoxb-", "283749182736-918273645546-qR8tYw2Zx5Lm9Nb4Kc7Vd3Pf"),
            ("Stripe key", "sk_live_", "9qLw8Zr3Tn6Vb2Xc7Mk4Pd5H"),
            ("Google API key", "AIza", "SyD9qLw8Zr3Tn6Vb2Xc7Mk4Pd5Hj2Gf8Ks1"),
            ("SendGrid key", "SG.", "q8Lw3Zr6Tn9Vb2Xc5Mk7Pd.4Hj2Gf8Ks1Aq9Lw3Zr6Tn8Vb2Xc5Mk7Pd4Hj2Gf6Ks1"),
            ("Telegram bot token", "718293645", ":AAq9Lw8Zr3Tn6Vb2Xc7Mk4Pd5Hj2Gf8Ks1w"),
            ("age secret key", "AGE-SECRET-KEY-1", "QZ8GF2TVDW9S3JN54KHCE6MUA7LPRYX2QZ8GF2TVDW9S3JN54KHCE6MUA7"),
        ] {
            assert_eq!(kinds(&format!("x = \"{head}{tail}\"")), [kind], "{kind}");
            assert_eq!(kinds(&format!("x = \"A{head}{tail}9\"")), [""; 0], "{kind} inside another word");
        }
    }

    #[test]
    fn a_github_token_must_have_its_checksum() {
        let drawn = "wZ7qT4nB9kLm2Rx6Vc8Yp3Hs5Jd1Fg";
        let sum = base62(crc32(drawn.as_bytes()));
        assert_eq!(kinds(&format!("{}{drawn}{sum}", "ghp_")), ["GitHub token"]);
        assert_eq!(kinds(&format!("{}{drawn}000000", "ghp_")), [""; 0]);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn what_documents_show_is_not_a_secret() {
        assert_eq!(kinds(concat!("AKIA", "IOSFODNN7EXAMPLE")), [""; 0]);
        assert_eq!(kinds(concat!("AKIA", "AAAAAAAAAAAAAAAA")), [""; 0]);
        assert_eq!(kinds("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"), [""; 0]);
    }

    #[test]
    fn a_key_block_is_found_raw_and_in_a_string() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        for text in [
            format!("-----BEGIN {} KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n", "RSA PRIVATE"),
            format!("k = \"-----BEGIN {} KEY-----\\n{body}\\n-----END PRIVATE KEY-----\\n\"", "PRIVATE"),
        ] {
            assert_eq!(kinds(&text), ["private key"]);
        }
        let public = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        assert_eq!(kinds(&public), [""; 0]);
    }

    #[test]
    fn a_signed_token_needs_header_payload_and_signature() {
        let head = "eyJhbGciOiJIUzI1NiJ9";
        let signature = "q8Lw3Zr6Tn9Vb2Xc5Mk7Pd4Hj2Gf8Ks1Aq9Lw3Zr6Tn";
        assert_eq!(kinds(&format!("'{head}.eyJ1c2VyIjo0Mn0.{signature}'")), ["JSON Web Token"]);
        assert_eq!(kinds(&format!("'{head}.eyJ1c2VyIjo0Mn0.'")), [""; 0]);
    }
}
