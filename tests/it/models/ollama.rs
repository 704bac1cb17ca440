//! Ollama's own protocol: as a real server was recorded, and as servers made up here speak it.

use std::{sync::atomic::AtomicBool, time::Duration};

use engine::{
    config::ModelSpec,
    model::{
        Access,
        chat::{Model as _, ModelError},
        ollama::Chat,
    },
};
use kit::speaker::{Exchange, Heard, Speaker, Speech, replay};
use serde_json::{Value, json};

use super::{Question, SOON, answer, ask, recorded, schema, stopped_after};

/// What a real server told of SmolLM2, without its tensors and vocabulary.
fn shown() -> Value {
    json!({
        "template": "{{- range .Messages }}…", "details": { "format": "gguf", "family": "llama" },
        "model_info": { "general.architecture": "llama", "llama.context_length": 8192, "tokenizer.ggml.tokens": null },
        "capabilities": ["completion"],
    })
}

fn tags() -> Value {
    json!({ "models": [{
        "name": "tiny:latest", "model": "tiny:latest", "modified_at": "2026-11-21T10:13:31.807200576Z", "size": 98_363_007,
        "digest": "7456a7bdcec0e2cfc6fdec81dae580ea7ed0805b35d32ed5735381d8afdd8bed",
        "details": { "format": "gguf", "family": "llama", "quantization_level": "Q4_1" },
    }] })
}

fn piece(text: &str) -> Value {
    let message = json!({ "role": "assistant", "content": text });
    json!({ "model": "tiny", "created_at": "2026-11-21T10:33:12Z", "message": message, "done": false })
}

fn end(reason: &str, prompt: usize, answer: usize) -> Value {
    json!({
        "model": "tiny", "created_at": "2026-11-21T10:33:12Z", "message": { "role": "assistant", "content": "" },
        "done": true, "done_reason": reason, "total_duration": 6_469_348_254_u64, "load_duration": 515_202_595,
        "prompt_eval_count": prompt, "prompt_eval_duration": 3_141_738_181_u64, "eval_count": answer,
    })
}

/// A server that has `tiny`, and answers questions so.
fn serve(chat: impl Fn(&Heard) -> Speech + Send + Sync + 'static) -> (Speaker, Access) {
    serve_with(shown(), "0.12.11", chat)
}

fn serve_with(
    shown: Value,
    version: &'static str,
    chat: impl Fn(&Heard) -> Speech + Send + Sync + 'static,
) -> (Speaker, Access) {
    let speaker = Speaker::new(move |heard| match heard.path.as_str() {
        "/api/version" => Speech::json(&json!({ "version": version })),
        "/api/tags" => Speech::json(&tags()),
        "/api/show" => Speech::json(&shown),
        "/api/chat" => chat(heard),
        _ => Speech::status(404),
    });
    let access = Access { ollama: speaker.url(""), ..Access::default() };
    (speaker, access)
}

fn connect(access: &Access) -> Chat {
    Chat::connect("tiny", access).expect("a model")
}

fn said() -> Vec<Value> {
    vec![piece("{\"good\":"), piece(" true"), piece("}"), end("stop", 30, 4)]
}

#[test]
fn an_answer_comes_piece_by_piece_with_everything_that_was_asked_for() {
    let (speaker, access) = serve(|_| Speech::lines(&said()));
    let model = connect(&access);
    assert_eq!((model.name(), model.window()), ("ollama:tiny@7456a7bdcec0", 8_192));
    let question = Question { schema: Some(schema()), ..Question::default() };
    let (answer, told) = ask(&model, &question, &AtomicBool::new(false));
    let answer = answer.expect("an answer");
    assert_eq!((answer.text.as_str(), answer.is_whole, told.len()), ("{\"good\": true}", true, 3));
    assert_eq!((answer.usage.prompt, answer.usage.answer, answer.notices.len()), (30, 4, 0));
    let body = speaker.last("/api/chat").body;
    let expected = json!({
        "model": "tiny", "stream": true, "truncate": false, "shift": false, "keep_alive": "10m", "format": schema(),
        "options": { "num_ctx": 8192, "num_predict": 50, "temperature": 0.0, "seed": 7 },
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&body[key], value, "{key}");
    }
    assert_eq!(body["messages"][1]["role"], "user");
    assert_eq!(body["messages"][1]["content"], "Is this good?");
    assert!(body.get("think").is_none(), "a model that cannot think is not told not to");
}

#[test]
fn what_a_real_server_said_is_understood() {
    let speaker = replay("ollama-0.12.11");
    let access = Access { ollama: speaker.url(""), window: 1_024, ..Access::default() };
    let model = Chat::connect("smollm2:135m", &access).expect("the model");
    assert_eq!((model.name(), model.window()), ("ollama:smollm2:135m@184234c982d1", 1_024));
    let (answer, told) = ask(&model, &recorded(), &AtomicBool::new(false));
    let answer = answer.expect("an answer");
    assert_eq!(told, ["{", "\n ", " \"", "good", "\":", " ", "true", "\n", "}"]);
    assert_eq!((answer.is_whole, answer.usage.prompt, answer.usage.answer), (true, 29, 10));
    assert_eq!(answer.notices, []);
    // The window of the model itself, from the server's description of it.
    let own = Chat::connect("smollm2:135m", &Access { window: 0, ..access.clone() }).expect("the model");
    assert_eq!(own.window(), 8_192);
    // A model that the server does not list, and one that is dropped after it was listed.
    let missing = Chat::connect("not-there", &access).expect_err("not there");
    assert!(matches!(&missing, ModelError::Missing { model, .. } if model == "not-there"), "{missing}");
    let (_speaker, access) = serve(|_| Speech::recorded(&Exchange::read("ollama-0.12.11-chat-404")));
    assert!(matches!(super::answer(&connect(&access)), Err(ModelError::Missing { .. })));
}

#[test]
fn what_a_real_server_said_while_it_fetched_a_model_is_understood() {
    let pull = |exchange: Exchange| {
        let speaker = Speaker::new(move |_| Speech::recorded(&exchange));
        let access = Access { ollama: speaker.url(""), ..Access::default() };
        let mut told = Vec::new();
        let ended =
            engine::model::ollama::pull("smollm2:135m", &access, &AtomicBool::new(false), &mut |what, have, all| {
                told.push((what.to_owned(), have, all));
            });
        (ended, told)
    };
    let whole = Exchange::read("ollama-0.12.11-pull-200");
    let (ended, told) = pull(whole.clone());
    assert_eq!(ended, Ok(()));
    assert_eq!(told[0], ("pulling manifest".to_owned(), 0, 0));
    let weights: Vec<u64> = told
        .iter()
        .filter(|(what, _, all)| what == "pulling b179c9523d0e" && *all == 98_362_432)
        .map(|it| it.1)
        .collect();
    assert!(weights.len() > 1 && weights.is_sorted() && weights.last() == Some(&98_362_432), "{weights:?}");
    assert_eq!(told.last(), Some(&("success".to_owned(), 0, 0)));
    // The same without its end.
    let text = String::from_utf8_lossy(&whole.answer);
    let cut = text.find("15\r\n{\"status\":\"success\"}").expect("the last line");
    let (ended, _) = pull(Exchange { answer: format!("{}0\r\n\r\n", &text[..cut]).into_bytes(), ..whole });
    assert!(ended.expect_err("not there yet").to_string().contains("hung up before it had the model"));
}

#[test]
fn the_pieces_may_be_cut_anywhere() {
    let lines = vec![piece("grö"), piece("ße 😀"), end("stop", 30, 2)];
    for size in [1, 2, 3, 7, 64, 10_000] {
        let lines = lines.clone();
        let (_speaker, access) = serve(move |_| Speech::lines(&lines).in_pieces(size));
        assert_eq!(answer(&connect(&access)).expect("an answer").text, "größe 😀", "{size}");
    }
    // The last line may lack its end.
    let (_speaker, access) = serve(|_| Speech::status(200).say(end("stop", 30, 0).to_string()));
    assert_eq!(answer(&connect(&access)).expect("an answer").text, "");
}

#[test]
fn an_answer_that_was_cut_off_at_its_most_says_so() {
    let (_speaker, access) = serve(|_| Speech::lines(&[piece("a"), end("length", 30, 50)]));
    assert!(!answer(&connect(&access)).expect("an answer").is_whole);
}

#[test]
fn an_answer_without_end_is_left_at_what_was_asked_for() {
    let (speaker, access) = serve(|_| Speech::status(200).repeat(format!("{}\n", piece("x "))));
    let answer = answer(&connect(&access)).expect("an answer");
    assert_eq!((answer.text, answer.is_whole), ("x ".repeat(50), false));
    assert!(speaker.is_left());
    // So are thoughts, and pieces longer than tokens are.
    let thought = json!({ "message": { "content": "", "thinking": "hm" }, "done": false });
    let (_speaker, access) = serve(move |_| Speech::status(200).repeat(format!("{thought}\n")));
    assert_eq!(super::answer(&connect(&access)).expect("an answer").text, "");
    let (_speaker, access) = serve(|_| Speech::status(200).repeat(format!("{}\n", piece(&"x".repeat(500_000)))));
    assert!(super::answer(&connect(&access)).expect("an answer").text.len() <= 50 * 512);
}

#[test]
fn what_breaks_off_is_told_with_what_had_come() {
    let broken = |speech: Speech| {
        let (_speaker, access) = serve(move |_| speech.clone());
        let error = answer(&connect(&access)).expect_err("no answer").to_string();
        error.replace(&access.ollama, "ADDRESS")
    };
    let two = || Speech::lines(&[piece("a"), piece("b")]);
    let told = [
        broken(two().drop()),
        broken(two()),
        broken(two().say("{\"error\":\"llama runner process has terminated: \\u001b[31mkilled\"}\n")),
        broken(two().say("<html>\n")),
        broken(two().say(b"{\"message\":{\"content\":\"\xff\xfe\"},\"done\":false}\n".to_vec())),
        broken(two().say("x".repeat(2 << 20))),
        broken(Speech::status(200).drop()),
        broken(Speech::lines(&[piece("a"), json!({ "error": "something" })])),
    ];
    let expected = [
        "broke off after 2 tokens: the connection broke",
        "broke off after 2 tokens: the server hung up before the end of the answer",
        "broke off after 2 tokens: llama runner process has terminated:  [31mkilled",
        "broke off after 2 tokens: a line makes no sense",
        "broke off after 2 tokens: a line makes no sense",
        "broke off after 2 tokens: its answer makes no sense: a line of more than 1 MiB",
        "no answer from `ADDRESS`: the connection broke",
        "broke off after 1 tokens: something",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}\nis not\n{expected}");
    }
}

#[test]
fn what_a_server_refuses_with_is_understood() {
    let refused = |status: u16, error: &str| {
        let body = json!({ "error": error });
        let (_speaker, access) = serve(move |_| Speech::refusal(status, &body));
        let question = Question { schema: Some(schema()), ..Question::default() };
        ask(&connect(&access), &question, &AtomicBool::new(false)).0.expect_err("no answer")
    };
    let memory = "model requires more system memory (5.6 GiB) than is available (3.1 GiB)";
    assert!(matches!(refused(500, memory), ModelError::Memory { why, .. } if why.contains("5.6 GiB")));
    assert!(matches!(refused(404, "model 'tiny' not found"), ModelError::Missing { .. }));
    assert!(matches!(refused(500, "invalid JSON schema in format"), ModelError::Schema(_)));
    let long = refused(400, "the input length exceeds the context length");
    assert!(matches!(long, ModelError::TooLong { tokens, window: 8_192 } if tokens > 8_192));
    let other = refused(500, "boom").to_string();
    assert!(other.contains("500 Internal Server Error: boom"), "{other}");
    let (_speaker, access) = serve(|_| Speech::status(302).with("Location", "http://192.0.2.1/api/chat"));
    let elsewhere = answer(&connect(&access)).expect_err("no answer").to_string();
    assert!(elsewhere.contains("points elsewhere: nothing is sent there"), "{elsewhere}");
}

#[test]
fn a_busy_server_is_asked_again_for_a_while() {
    let busy = || Speech::refusal(503, &json!({ "error": "server busy, please try again" }));
    let (_speaker, access) = serve(move |heard| if heard.before < 2 { busy() } else { Speech::lines(&said()) });
    assert!(answer(&connect(&access)).is_ok());
}

#[test]
fn a_question_is_never_cut_silently() {
    // Too long by our own estimate: nothing is sent.
    let (speaker, access) = serve(|_| Speech::lines(&[piece("a"), end("stop", 100, 1)]));
    let access = Access { window: 300, ..access };
    let model = connect(&access);
    let text = "one two three ".repeat(200);
    let long = Question { text: &text, ..Question::default() };
    let error = ask(&model, &long, &AtomicBool::new(false)).0.expect_err("too long");
    assert!(matches!(error, ModelError::TooLong { window: 300, .. }), "{error}");
    assert!(!speaker.paths().contains(&"/api/chat".to_owned()));
    // The server read less than was sent, or more than it may hold.
    let access = Access { window: 0, ..access };
    let error = ask(&connect(&access), &long, &AtomicBool::new(false)).0.expect_err("cut");
    assert!(error.to_string().contains("it cut it"), "{error}");
    let (_speaker, access) = serve(|_| Speech::lines(&[piece("a"), end("stop", 8_190, 9)]));
    assert!(matches!(answer(&connect(&access)), Err(ModelError::TooLong { tokens: 8_199, window: 8_192 })));
}

#[test]
fn what_the_server_counts_raises_the_estimate() {
    let (_speaker, access) = serve(|_| Speech::lines(&[piece("a"), end("stop", 4_000, 1)]));
    let model = connect(&access);
    let before = model.count("some words to be counted");
    let text = "one two three ".repeat(200);
    let question = Question { text: &text, ..Question::default() };
    ask(&model, &question, &AtomicBool::new(false)).0.expect("an answer");
    assert!(model.count("some words to be counted") > before);
}

#[test]
fn a_silent_server_is_left_when_nobody_wants_its_answer_any_more() {
    let (speaker, access) = serve(|_| Speech::status(200).hang());
    let model = connect(&access);
    assert!(stopped_after(&model) < SOON);
    assert!(speaker.is_left());
    let late = Question { within: Duration::from_millis(200), ..Question::default() };
    assert_eq!(ask(&model, &late, &AtomicBool::new(false)).0, Err(ModelError::Late));
    // Not even a head.
    let (_speaker, access) = serve(|_| {
        std::thread::sleep(Duration::from_secs(30));
        Speech::status(200)
    });
    assert!(stopped_after(&connect(&access)) < SOON);
    assert_eq!(ask(&connect(&access), &late, &AtomicBool::new(false)).0, Err(ModelError::Late));
}

#[test]
fn a_server_and_a_model_that_cannot_do_it_are_refused_at_once() {
    let refused = |shown: Value, version| {
        let (speaker, access) = serve_with(shown, version, |_| Speech::status(500));
        let error = Chat::connect("tiny", &access).expect_err("refused").to_string();
        assert!(!speaker.paths().contains(&"/api/chat".to_owned()));
        error.replace(&access.ollama, "ADDRESS")
    };
    let old = refused(shown(), "0.4.7");
    assert!(old.contains("version 0.4.7") && old.contains("0.5.0 or later"), "{old}");
    let embeds = refused(json!({ "capabilities": ["embedding"] }), "0.12.11");
    assert!(embeds.contains("answers no questions: it is a model for embedding"), "{embeds}");
    let cloud = refused(json!({ "remote_host": "https://ollama.com:443", "capabilities": ["completion"] }), "0.12.11");
    assert!(cloud.contains("ollama.com") && cloud.contains("not this machine"), "{cloud}");
    let (_speaker, access) = serve(|_| Speech::status(500));
    let missing = Chat::connect("other", &access).expect_err("not there").to_string();
    assert!(missing.contains("run `apprentice model pull ollama:other`"), "{missing}");
    let access = Access { ollama: "http://127.0.0.1:1".into(), ..Access::default() };
    let closed = Chat::connect("tiny", &access).expect_err("nobody there").to_string();
    assert!(closed.contains("start it with `ollama serve`"), "{closed}");
    let remote = Access { ollama: "http://192.0.2.1".into(), ..Access::default() };
    assert!(matches!(Chat::connect("tiny", &remote), Err(ModelError::Remote { .. })));
    // A server without a version is none that keeps a schema; a build from source calls itself 0.0.0.
    let speaker = Speaker::new(|_| Speech::status(404));
    let access = Access { ollama: speaker.url(""), ..Access::default() };
    assert!(Chat::connect("tiny", &access).expect_err("no version").to_string().contains("it tells no version"));
    let (_speaker, access) = serve_with(shown(), "0.0.0", |_| Speech::status(500));
    assert!(Chat::connect("tiny", &access).is_ok());
}

#[test]
fn secrets_do_not_leave_this_machine_and_what_leaves_is_told() {
    let cloud = json!({
        "remote_host": "https://ollama.com:443", "capabilities": ["completion", "thinking"],
        "model_info": { "gptoss.context_length": 131_072 },
    });
    let (speaker, access) = serve_with(cloud, "0.12.11", |_| Speech::lines(&[piece("a"), end("stop", 30, 1)]));
    let model = connect(&Access { allow_remote: true, ..access });
    assert_eq!(model.window(), engine::model::MOST_WINDOW);
    let token = ["ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa34bvNH"].concat();
    let question = Question { text: &token, ..Question::default() };
    let answer = ask(&model, &question, &AtomicBool::new(false)).0.expect("an answer");
    let [notice] = &answer.notices[..] else { panic!("one notice: {:?}", answer.notices) };
    assert!(notice.about.contains("ollama.com") && notice.what.contains("tokens were sent"), "{notice:?}");
    let body = speaker.last("/api/chat").body;
    assert!(!body.to_string().contains(&token) && body.to_string().contains("[redacted: GitHub token]"));
    assert_eq!(body["think"], false);
}

#[test]
fn what_left_without_an_answer_is_told_too() {
    let cloud = || json!({ "remote_host": "https://ollama.com:443", "capabilities": ["completion"] });
    let told = |speech: Speech, is_remote: bool| {
        let shown = if is_remote { cloud() } else { shown() };
        let (_speaker, access) = serve_with(shown, "0.12.11", move |_| speech.clone());
        let model = connect(&Access { allow_remote: true, ..access });
        answer(&model).expect_err("no answer");
        let notices = model.unanswered();
        assert_eq!(model.unanswered(), [], "each is told once");
        notices.into_iter().map(|notice| notice.what).collect::<Vec<_>>()
    };
    let half = || Speech::lines(&[piece("a")]).drop();
    for speech in [half(), Speech::refusal(500, &json!({ "error": "boom" })), Speech::status(200).drop()] {
        let told = told(speech, true);
        assert!(matches!(&told[..], [one] if one.contains("were sent") && one.contains("no answer came")), "{told:?}");
    }
    assert!(told(half(), false).is_empty(), "nothing left");
    // A server that is gone was sent nothing.
    let (speaker, access) = serve_with(cloud(), "0.12.11", |_| Speech::status(500));
    let model = connect(&Access { allow_remote: true, ..access });
    let address = speaker.url("").replace("http://", "");
    drop(speaker);
    while std::net::TcpStream::connect(&address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(answer(&model).expect_err("no answer").to_string().contains("nothing listens there"));
    assert_eq!(model.unanswered(), []);
    // An answer tells by itself what left for it.
    let (_speaker, access) = serve_with(cloud(), "0.12.11", |_| Speech::lines(&said()));
    let model = connect(&Access { allow_remote: true, ..access });
    assert_eq!((answer(&model).expect("an answer").notices.len(), model.unanswered().len()), (1, 0));
}

#[test]
fn a_review_says_what_left_though_the_model_failed() {
    let cloud = json!({ "remote_host": "https://ollama.com:443", "capabilities": ["completion"] });
    let (_speaker, access) = serve_with(cloud, "0.12.11", |_| Speech::refusal(500, &json!({ "error": "boom" })));
    let repo = kit::TempRepo::with(&[("a.py", "x = 1\n")]);
    repo.stage("a.py", "x = 2\n");
    let ollama = format!("model.ollama={}", access.ollama);
    let set = ["--set", &ollama, "--set", "model.allow_remote=true", "--model", "ollama:tiny"];
    let ran = repo.apprentice(&[&set[..], &["review"]].concat()).expect_code(2);
    ran.expect_said("boom").expect_said("though no answer came of it");
    let ran = repo.apprentice(&[&set[..], &["summarize"]].concat()).expect_code(2);
    ran.expect_said("boom").expect_said("though no answer came of it");
}

#[test]
fn auto_takes_what_is_there_and_says_what() {
    let (_speaker, access) = serve(|_| Speech::lines(&said()));
    let opened = engine::model::open(&ModelSpec::Auto, &access).expect("no error").expect("a model");
    assert_eq!(opened.model.name(), "ollama:tiny@7456a7bdcec0");
    assert_eq!(opened.notices[0].what, "auto took `ollama:tiny:latest`");
    let folder = tempfile::tempdir().expect("a folder");
    let nobody =
        Access { ollama: "http://127.0.0.1:1".into(), models: folder.path().join("none"), ..Access::default() };
    assert!(engine::model::open(&ModelSpec::Auto, &nobody).expect("no error").is_none());
    // One that does not answer at once counts as not there.
    let slow = Speaker::new(|_| Speech::status(200).hang());
    let slow = Access { ollama: slow.url(""), models: folder.path().join("none"), ..Access::default() };
    assert!(engine::model::open(&ModelSpec::Auto, &slow).expect("no error").is_none());
}
