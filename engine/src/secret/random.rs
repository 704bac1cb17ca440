//! Was this made by a random generator rather than by a person?

/// Shannon entropy in bits a byte.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len().max(1) as f64;
    let bits = |&count: &u32| {
        let share = f64::from(count) / total;
        -share * share.log2()
    };
    counts.iter().filter(|&&count| count > 0).map(bits).sum()
}

/// Whether the body of a token that already has the right shape can be a real one: varied, and no stand-in.
pub(super) fn is_plausible(body: &str) -> bool {
    entropy(body.as_bytes()) >= 2.8 && !is_stand_in(body)
}

/// Words and runs that people write where a secret will go.
const STAND_INS: &[&str] = &[
    "example",
    "sample",
    "dummy",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "redacted",
    "xxxx",
    "fake",
    "00000",
    "11111",
    "aaaaa",
    "12345",
    "abcde",
    "deadbeef",
    "foobar",
    "insert",
    "replace",
    "mytoken",
    "mysecret",
    "mykey",
    "yourtoken",
    "yoursecret",
    "your-",
    "your_",
    "-here",
    "_here",
    "...",
    "****",
    "test",
    "demo",
    "qwerty",
    "01234",
    "hello",
    "secret",
    "password",
    "token",
    "lorem",
    "todo",
];

/// Whether a value is one of the things people write where a secret will go.
pub(super) fn is_stand_in(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    STAND_INS.iter().any(|word| lower.contains(word))
}

/// Whether a value looks drawn from an alphabet of letters and digits: no words, no counting, few repeats.
pub(super) fn is_random(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    if digits < 2 || letters < 2 || is_stand_in(value) || is_uuid(value) {
        return false;
    }
    if bytes.iter().all(u8::is_ascii_hexdigit) {
        return bytes.len() >= 32 && entropy(bytes) >= 3.0;
    }
    let mixed_case = bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase);
    let (longest_word, least_turns) = if mixed_case { (7, 0.34) } else { (9, 0.2) };
    entropy(bytes) >= 3.4
        && !(mixed_case && is_wordy(bytes))
        && turns(bytes) as f64 >= least_turns * bytes.len() as f64
        && longest_run(bytes, u8::is_ascii_lowercase) <= longest_word
        && longest_run(bytes, u8::is_ascii_uppercase) <= longest_word
}

/// How often a byte's class (lower, upper, digit, other) differs from that of the byte before.
fn turns(bytes: &[u8]) -> usize {
    let class = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    bytes.windows(2).filter(|pair| class(&pair[0]) != class(&pair[1])).count()
}

fn longest_run(bytes: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    bytes.split(|byte| !is(byte)).map(<[u8]>::len).max().unwrap_or(0)
}

/// Whether words of four and more lower-case letters make up much of it.
fn is_wordy(bytes: &[u8]) -> bool {
    let words = bytes.split(|byte| !byte.is_ascii_lowercase()).map(<[u8]>::len).filter(|&len| len >= 4);
    words.sum::<usize>() * 20 > bytes.len() * 9
}

fn is_uuid(value: &str) -> bool {
    let parts: Vec<usize> = value.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_values_are_random_and_names_are_not() {
        for value in ["q7Rk2vX9mB4tL8wZ", "9f86d081884c7d659a2feaa0c55ad015", "k3j2h4kj9v8x7c6b5n4m"] {
            assert!(is_random(value), "{value}");
        }
        for value in [
            "getAccessTokenV2ForUser1",
            "com.acme.Service42Handler9",
            "550e8400-e29b-41d4-a716-446655440000",
            "my-super-secret-value-1234",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "2024-01-02T03:04:05Z",
        ] {
            assert!(!is_random(value), "{value}");
        }
    }

    #[test]
    fn entropy_is_that_of_the_letters() {
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
        assert!(entropy(b"aaaa").abs() < 1e-9 && entropy(b"").abs() < 1e-9);
    }
}
