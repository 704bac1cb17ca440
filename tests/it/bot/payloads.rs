//! Does the door understand, or at least survive, everything that GitHub sends?
//!
//! The payloads are those that `@octokit/webhooks-examples` collects (MIT); scripts/test-tools.sh installs them.

use serde_json::Value;

use super::{Serving, demo, status};

/// The collected payloads, each with its event's name; none where they are not installed.
fn payloads() -> Option<Vec<(String, Value)>> {
    let Some(file) = std::env::var_os("APPRENTICE_TEST_WEBHOOKS") else {
        let required = std::env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "APPRENTICE_TEST_WEBHOOKS names no file");
        eprintln!("LEFT OUT: APPRENTICE_TEST_WEBHOOKS names no file; scripts/test-tools.sh installs it");
        return None;
    };
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(file).expect("the payloads")).expect("JSON");
    let named = |event: &Value| -> Vec<(String, Value)> {
        let name = event["name"].as_str().expect("a name").to_owned();
        let examples = event["examples"].as_array().expect("examples").clone();
        examples.into_iter().map(|example| (name.clone(), example)).collect()
    };
    Some(all.iter().flat_map(named).collect())
}

#[test]
fn every_collected_payload_is_answered_with_words_and_harms_nothing() {
    let Some(payloads) = payloads() else { return };
    assert!(payloads.len() >= 329, "{} payloads", payloads.len());
    let (forge, _) = demo(&[("a.py", "x = 1\n")]);
    let bot = Serving::start(&forge, "[queue]\npause_seconds = 0.01\nattempts = 1\n");
    let mut queued = 0;
    for (at, (event, payload)) in payloads.iter().enumerate() {
        let answer = bot.deliver(event, &format!("payload-{at}"), payload.to_string().as_bytes());
        let words = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
        assert!(matches!(status(&answer), 200 | 202 | 400) && !words.is_empty(), "{event} {at}: {answer}");
        queued += usize::from(status(&answer) == 202);
    }
    assert!(queued > 10, "only {queued} of {} were acted on", payloads.len());
    // They speak of repositories that are not there; what that leads to ends, too.
    bot.idle(&forge);
    assert_eq!(status(&bot.get("/readyz").expect("an answer")), 200);
    assert!(!bot.log().contains("panicked"), "{}", bot.log());
}
