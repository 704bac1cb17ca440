//! Do models on servers answer, and does nothing that a server does harm whoever asks? Against what real ones were heard
//! to say (Ollama 0.12.11, llama-cpp-python 0.3.36), against servers made up here that speak like them and do worse, and
//! against real ones where there are any.

mod hostile;
mod ollama;
mod openai;
mod pull;
mod real;

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use engine::model::chat::{Answer, Model, ModelError, Request, Role, Turn};
use serde_json::{Value, json};

/// A shape for answers that a small model can keep.
fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "good": { "type": "boolean" } },
        "required": ["good"],
        "additionalProperties": false,
    })
}

/// What a test changes of a question.
struct Question<'a> {
    text: &'a str,
    schema: Option<Value>,
    most: usize,
    within: Duration,
}

impl Default for Question<'_> {
    fn default() -> Self {
        Self { text: "Is this good?", schema: None, most: 50, within: Duration::from_secs(60) }
    }
}

/// Asks; also gives what was told piece by piece.
fn ask(model: &dyn Model, question: &Question<'_>, stop: &AtomicBool) -> (Result<Answer, ModelError>, Vec<String>) {
    let turns = [Turn::new(Role::System, "Be brief."), Turn::new(Role::User, question.text)];
    let request = Request {
        turns: &turns,
        schema: question.schema.as_ref(),
        most: question.most,
        temperature: 0.0,
        seed: 7,
        until: Instant::now() + question.within,
        stop,
    };
    let mut told = Vec::new();
    let answer = model.answer(&request, &mut |piece| told.push(piece.to_owned()));
    if let Ok(answer) = &answer {
        assert_eq!(told.concat(), answer.text);
    }
    (answer, told)
}

/// What the real servers were asked when they were recorded.
fn recorded() -> Question<'static> {
    Question {
        text: "Is water wet? Answer in JSON with the key good.",
        schema: Some(schema()),
        most: 24,
        within: Duration::from_secs(120),
    }
}

fn answer(model: &dyn Model) -> Result<Answer, ModelError> {
    ask(model, &Question::default(), &AtomicBool::new(false)).0
}

/// Asks a server that says nothing, and sets `stop` after a moment. How long it took from then to the answer.
fn stopped_after(model: &dyn Model) -> Duration {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let long = Question { text: "Write a long story about a dragon.", most: 500, ..Question::default() };
            let result = ask(model, &long, &stop).0;
            (result, Instant::now())
        });
        std::thread::sleep(Duration::from_millis(300));
        let set = Instant::now();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (result, end) = asking.join().expect("no panic");
        assert_eq!(result, Err(ModelError::Stopped));
        let took = end.saturating_duration_since(set);
        eprintln!("stopped after {} ms", took.as_millis());
        took
    })
}

/// A generous bound for what is meant to take 200 ms: the machine may be busy with other tests.
const SOON: Duration = Duration::from_secs(5);
