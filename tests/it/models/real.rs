//! Real servers with a real, small model.
//!
//! `APPRENTICE_TEST_OLLAMA` is the address of an Ollama server that has `smollm2:135m`; `APPRENTICE_TEST_LLAMA_SERVER` the
//! address of a llama.cpp or llama-cpp-python server with it. Both on this machine. Left out, loudly, where not set.
//! scripts/test-servers.sh builds and starts both, and records what they say.
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment where servers are")]

use std::{sync::atomic::AtomicBool, time::Duration};

use engine::model::{
    Access,
    chat::{Model, ModelError},
    ollama::Chat,
    openai::OpenAi,
};

use super::{Question, SOON, ask, recorded, stopped_after};

fn address(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok().filter(|address| !address.is_empty());
    if address.is_none() {
        eprintln!("LEFT OUT: {variable} names no server");
    }
    address
}

fn answers(model: &dyn Model) {
    let (answer, told) = ask(model, &recorded(), &AtomicBool::new(false));
    let answer = answer.expect("an answer");
    let value: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
    assert!(value["good"].is_boolean() && answer.is_whole && told.len() > 1, "{answer:?}");
    assert!(answer.usage.prompt > 10 && answer.usage.answer > 3, "{answer:?}");
    let few = Question { text: "Write a long story about a dragon.", most: 5, ..Question::default() };
    let answer = ask(model, &few, &AtomicBool::new(false)).0.expect("an answer");
    assert!(!answer.is_whole && !answer.text.is_empty() && answer.usage.answer <= 6, "{answer:?}");
    let late =
        Question { text: "Tell a long story.", most: 400, within: Duration::from_millis(700), ..Question::default() };
    assert_eq!(ask(model, &late, &AtomicBool::new(false)).0, Err(ModelError::Late));
    let text = include_str!("real.rs").split_at(600).0;
    let code = Question { text, most: 1, within: Duration::from_secs(120), ..Question::default() };
    let read = ask(model, &code, &AtomicBool::new(false)).0.expect("an answer").usage.prompt;
    eprintln!("{}: {read} tokens read, {} estimated", model.name(), model.count(code.text));
    assert!(read <= model.count(code.text) + 100, "the estimate is too low");
    assert!(stopped_after(model) < SOON);
}

#[test]
fn a_real_ollama_answers() {
    let Some(ollama) = address("APPRENTICE_TEST_OLLAMA") else { return };
    let access = Access { ollama, window: 1_024, ..Access::default() };
    let model = Chat::connect("smollm2:135m", &access).expect("the model");
    assert_eq!(model.window(), 1_024);
    answers(&model);
    let missing = Chat::connect("not-there", &access).expect_err("not there");
    assert!(matches!(missing, ModelError::Missing { .. }), "{missing}");
}

#[test]
fn a_real_server_of_openais_protocol_answers() {
    let Some(address) = address("APPRENTICE_TEST_LLAMA_SERVER") else { return };
    let access = Access { window: 1_024, ..Access::default() };
    answers(&OpenAi::connect(&address, None, &access).expect("the model"));
}
