//! Is a commit's id checked, and does a failure tell no secret? Fetching itself is tried against a forge in tests/it/bot.
#![expect(clippy::disallowed_methods, reason = "a test looks what is on disk")]

use super::*;

#[test]
fn only_forty_hex_digits_are_a_commit() {
    let id = "0123456789abcdef0123456789ABCDEF01234567";
    let parsed = CommitId::parse(id).expect("an id");
    assert_eq!((parsed.as_str(), parsed.to_string()), (&*id.to_lowercase(), id.to_lowercase()));
    let long = format!("{id}0");
    let option = format!("--upload-pack={}", "a".repeat(26));
    for other in ["", "HEAD", &id[1..], &long, &id.replace('0', "g"), &option, &id.replace('0', " "), "refs/heads/main"]
    {
        assert_eq!(CommitId::parse(other), None, "{other}");
    }
    // Forty characters that are not forty bytes.
    assert_eq!(CommitId::parse(&"é".repeat(40)), None);
    assert_eq!(CommitId::parse(&"é".repeat(20)), None);
}

/// An address on this machine at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}/acme/demo.git", listener.local_addr().expect("an address"))
}

fn failure(url: String) -> FetchError {
    let folder = tempfile::tempdir().expect("a folder");
    let remote = Remote {
        url,
        authorization: Some("basic c2VjcmV0LXRva2Vu".into()),
        most_bytes: 1 << 20,
        patience: Duration::from_secs(60),
    };
    let commit = CommitId::parse(&"a".repeat(40)).expect("an id");
    let error = mirror(&folder.path().join("acme/demo.git"), &remote, &[commit]).err().expect("a failure");
    // No file of the mirror holds it either.
    let mut left = vec![folder.path().to_owned()];
    while let Some(path) = left.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => left.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => {
                let bytes = std::fs::read(&path).expect("a file");
                assert!(!String::from_utf8_lossy(&bytes).contains("c2VjcmV0"), "{}", path.display());
            }
        }
    }
    error
}

#[test]
fn a_failure_says_what_git_said_and_not_the_token() {
    let error = failure(nobody());
    let told = crate::notice::chain(&error);
    assert!(matches!(error, FetchError::Git(_)), "{told}");
    assert!(told.contains("127.0.0.1"), "{told}");
    assert!(!told.contains("c2VjcmV0") && !format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
}

#[test]
fn nothing_but_http_is_spoken() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().display().to_string();
    for url in [format!("file://{file}"), file.clone(), "ext::sh -c touch% pwned".into(), "ssh://127.0.0.1:1/x".into()]
    {
        let error = failure(url.clone());
        let told = crate::notice::chain(&error);
        assert!(matches!(error, FetchError::Git(_)) && told.contains("not allowed"), "{url}: {told}");
    }
    // What looks like an option is an address.
    let told = crate::notice::chain(&failure("--upload-pack=touch pwned".into()));
    assert!(told.contains("git cannot fetch it"), "{told}");
}
