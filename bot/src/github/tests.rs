//! Is an answer of GitHub's understood: limits, refusals, links?

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value"))).collect()
}

fn judged(status: u16, pairs: &[(&'static str, &str)], body: &str) -> ForgeError {
    let status = StatusCode::from_u16(status).expect("a status");
    judge("x", status, headers(pairs), body.as_bytes()).err().expect("an error")
}

#[test]
fn a_limit_is_told_from_a_refusal() {
    let limited = judged(403, &[("retry-after", "7")], "{}");
    assert!(matches!(limited, ForgeError::Limited { wait, .. } if wait.as_secs() == 7), "{limited}");
    let limited = judged(429, &[], "{}");
    assert!(matches!(limited, ForgeError::Limited { wait, .. } if wait.as_secs() == 60), "{limited}");
    let limited = judged(403, &[], r#"{"message": "You have exceeded a secondary rate limit"}"#);
    assert!(matches!(limited, ForgeError::Limited { .. }), "{limited}");
    let refused = judged(403, &[], r#"{"message": "Resource not accessible by integration"}"#);
    assert_eq!(refused.status(), Some(403), "{refused}");
    assert!(matches!(judged(502, &[], "<html>"), ForgeError::Unreachable { .. }));
}

#[test]
fn a_wrong_clock_is_named() {
    let refused = judged(401, &[("date", "Tue, 29 Feb 2000 00:00:00 GMT")], r#"{"message": "Bad credentials"}"#);
    assert!(refused.to_string().contains("seconds ahead of GitHub's"), "{refused}");
}

#[test]
fn a_link_to_another_host_is_followed_here() {
    let link = "<https://evil.example/api/v3/repositories/1/pulls?page=2>; rel=\"next\"";
    assert_eq!(next_page(&headers(&[("link", link)])).as_deref(), Some("/repositories/1/pulls?page=2"));
    let last = "<https://api.github.com/x?page=1>; rel=\"first\"";
    assert_eq!(next_page(&headers(&[("link", last)])), None);
}
