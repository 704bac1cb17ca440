//! Is a signature judged as GitHub documents it?

use super::*;

/// "Validating webhook deliveries", the values to test with.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn is_right(secret: &str, signature: &str, body: &[u8]) -> bool {
    verify(&Secret::new(secret.into()), signature, body).is_ok()
}

#[test]
fn githubs_own_example_is_right_and_everything_near_it_wrong() {
    assert!(is_right(SECRET, SIGNATURE, BODY));
    let digits = &SIGNATURE["sha256=".len()..];
    for wrong in [
        String::new(),
        "sha256=".into(),
        digits.into(),
        format!("sha1={digits}"),
        format!("SHA256={digits}"),
        format!("sha256= {digits}"),
        format!("sha256={}", &digits[..62]),
        format!("sha256={digits}00"),
        format!("sha256={}8", &digits[..63]),
        format!("sha256={}", "z".repeat(64)),
        format!("sha256={}", "0".repeat(64)),
    ] {
        assert!(!is_right(SECRET, &wrong, BODY), "{wrong}");
    }
    assert!(!is_right("it's a secret to everybody", SIGNATURE, BODY));
    assert!(!is_right(SECRET, SIGNATURE, b"Hello, World"));
    assert!(!is_right("", SIGNATURE, BODY));
}

#[test]
fn every_bit_of_body_and_signature_counts() {
    let bytes = hex::decode(&SIGNATURE["sha256=".len()..]).expect("hex");
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_right(SECRET, &format!("sha256={}", hex::encode(other)), BODY));
    }
    for bit in 0..BODY.len() * 8 {
        let mut other = BODY.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_right(SECRET, SIGNATURE, &other));
    }
}

#[test]
fn names_in_headers_are_plain() {
    assert!(is_plain("pull_request") && is_plain("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    for hostile in ["", "a b", "a\"b", "../x", "é", "a\tb", "x'; DROP TABLE task", &"a".repeat(81)] {
        assert!(!is_plain(hostile), "{hostile}");
    }
}

#[test]
fn every_refusal_has_its_status() {
    let closed = Arc::new(QueueError::Database(rusqlite::Error::InvalidQuery));
    for (refusal, status) in [
        (Refusal::Signature, 401),
        (Refusal::Body, 413),
        (Refusal::Header("X-GitHub-Event"), 400),
        (Refusal::Event(EventError::Json("x".into())), 400),
        (Refusal::Queue(closed), 503),
        (Refusal::Closing, 503),
    ] {
        assert_eq!(refusal.into_response().status().as_u16(), status);
    }
}
