//! OpenAI's protocol: as llama-cpp-python was recorded, and as llama.cpp and vLLM speak it by their documents.

use std::{sync::atomic::AtomicBool, time::Duration};

use engine::model::{
    Access, Key,
    chat::{Model as _, ModelError},
    openai::OpenAi,
};
use kit::speaker::{Heard, Speaker, Speech, replay};
use serde_json::{Value, json};

use super::{Question, SOON, answer, ask, recorded, schema, stopped_after};

fn models(names: &[&str]) -> Value {
    let data: Vec<Value> =
        names.iter().map(|name| json!({ "id": name, "object": "model", "owned_by": "me" })).collect();
    json!({ "object": "list", "data": data })
}

fn piece(text: &str) -> Value {
    let choice = json!({ "index": 0, "delta": { "content": text }, "logprobs": null, "finish_reason": null });
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_800_000_000, "choices": [choice] })
}

fn end(reason: &str) -> Value {
    json!({ "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn usage(prompt: usize, answer: usize) -> Value {
    json!({ "object": "chat.completion.chunk", "choices": [],
        "usage": { "prompt_tokens": prompt, "completion_tokens": answer, "prompt_tokens_details": { "cached_tokens": 5 } } })
}

fn said() -> Speech {
    let role = json!({ "choices": [{ "index": 0, "delta": { "role": "assistant" }, "finish_reason": null }] });
    let all = [role, piece("{\"good\":"), piece(" true}"), end("stop"), usage(30, 4)];
    Speech::events(&all).say("data: [DONE]\n\n")
}

/// A server that has the model `tiny`, and answers questions so.
fn serve(chat: impl Fn(&Heard) -> Speech + Send + Sync + 'static) -> Speaker {
    Speaker::new(move |heard| match heard.path.as_str() {
        "/v1/models" => Speech::json(&models(&["tiny"])),
        "/props" => Speech::json(&json!({ "default_generation_settings": { "n_ctx": 4096 } })),
        "/v1/chat/completions" => chat(heard),
        _ => Speech::status(404),
    })
}

fn connect(speaker: &Speaker) -> OpenAi {
    OpenAi::connect(&speaker.url("/v1"), None, &Access::default()).expect("a model")
}

fn error(speaker: &Speaker, question: &Question<'_>) -> String {
    let model = connect(speaker);
    let error = ask(&model, question, &AtomicBool::new(false)).0.expect_err("no answer").to_string();
    error.replace(&speaker.url(""), "ADDRESS")
}

#[test]
fn an_answer_comes_piece_by_piece_with_everything_that_was_asked_for() {
    let speaker = serve(|_| said());
    let model = OpenAi::connect(&speaker.url(""), None, &Access::default()).expect("a model");
    assert_eq!((model.name(), model.window()), (format!("{}#tiny", speaker.url("/v1")).as_str(), 4_096));
    let question = Question { schema: Some(schema()), ..Question::default() };
    let (answer, told) = ask(&model, &question, &AtomicBool::new(false));
    let answer = answer.expect("an answer");
    assert_eq!((answer.text.as_str(), answer.is_whole, told.len()), ("{\"good\": true}", true, 2));
    assert_eq!((answer.usage.prompt, answer.usage.reused, answer.usage.answer), (30, 5, 4));
    assert_eq!(answer.notices, []);
    let heard = speaker.last("/v1/chat/completions");
    let expected = json!({
        "model": "tiny", "max_tokens": 50, "temperature": 0.0, "seed": 7, "stream": true,
        "stream_options": { "include_usage": true },
        "response_format": {
            "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": schema() },
        },
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&heard.body[key], value, "{key}");
    }
    assert_eq!(heard.body["messages"][0], json!({ "role": "system", "content": "Be brief." }));
    assert!(!heard.headers.contains_key("authorization"));
}

#[test]
fn what_a_real_server_said_is_understood() {
    let speaker = replay("llama-cpp-python-0.3.36");
    let access = Access { window: 1_024, ..Access::default() };
    let model = OpenAi::connect(&speaker.url("/v1"), None, &access).expect("the model");
    assert_eq!((model.name(), model.window()), (&*format!("{}#smollm2", speaker.url("/v1")), 1_024));
    let (answer, told) = ask(&model, &recorded(), &AtomicBool::new(false));
    let answer = answer.expect("an answer");
    assert_eq!(told, ["{", " \"", "good", "\":", " true", " }"]);
    // It refuses the first way to say the schema, and counts no tokens in a stream, whatever it is asked.
    assert!(answer.is_whole && answer.notices.len() == 1, "{answer:?}");
    assert!(answer.notices[0].what.contains("does not know `json_schema`"), "{:?}", answer.notices);
    assert_eq!(answer.usage.answer, 6);
    assert_eq!(speaker.paths(), ["/v1/models", "/props", "/v1/chat/completions", "/v1/chat/completions"]);
}

#[test]
fn the_pieces_may_be_cut_anywhere() {
    for size in [1, 2, 3, 7, 64, 10_000] {
        let speaker = serve(move |_| {
            let text = Speech::status(200).say(": hello\r\n\r\nevent: x\r\n");
            let text = text.say(format!("data: {}\r\n\r\ndata:{}\n\n", piece("grö"), piece("ße 😀")));
            text.say(format!("data: {}\n\ndata: [DONE]\n\n", end("stop"))).in_pieces(size)
        });
        assert_eq!(answer(&connect(&speaker)).expect("an answer").text, "größe 😀", "{size}");
    }
    // A server that does not stream at all.
    let whole = json!({ "choices": [{ "message": { "role": "assistant", "content": "all at once" },
        "finish_reason": "stop" }], "usage": { "prompt_tokens": 30, "completion_tokens": 3 } });
    let speaker = serve(move |_| Speech::json(&whole));
    assert_eq!(answer(&connect(&speaker)).expect("an answer").text, "all at once");
}

#[test]
fn which_model_is_found_out_or_asked_for() {
    let connect = |names: &'static [&'static str], named: Option<&str>| {
        let speaker = Speaker::new(move |heard| match heard.path.as_str() {
            "/v1/models" => Speech::json(&models(names)),
            _ => Speech::status(404),
        });
        let model = OpenAi::connect(&speaker.url("/v1/"), named, &Access::default());
        model.map(|model| model.name().replace(&speaker.url(""), "")).map_err(|error| error.to_string())
    };
    assert_eq!(connect(&["a"], None).as_deref(), Ok("/v1#a"));
    assert_eq!(connect(&["a", "b"], Some("b")).as_deref(), Ok("/v1#b"));
    assert!(connect(&["a", "b"], None).unwrap_err().contains("name one of these after `#`: `a`, `b`"));
    assert!(connect(&["a"], Some("c")).unwrap_err().contains("name one of these after `#`: `a`"));
    assert!(connect(&[], None).unwrap_err().contains("it lists none"));
    // A server without a list is asked for what was named.
    let speaker = Speaker::new(|_| Speech::status(404));
    let named = OpenAi::connect(&speaker.url("/v1"), Some("x"), &Access::default()).expect("a model");
    assert!(named.notices()[0].what.contains("4096 tokens are assumed"), "{:?}", named.notices());
    let unnamed = OpenAi::connect(&speaker.url("/v1"), None, &Access::default()).expect_err("no model").to_string();
    assert!(unnamed.contains("404 Not Found; the address should end as in"), "{unnamed}");
}

#[test]
fn the_window_is_what_the_server_says() {
    let window = |model: Value, wanted: usize| {
        let speaker = Speaker::new(move |heard| match heard.path.as_str() {
            "/v1/models" => Speech::json(&json!({ "data": [model] })),
            _ => Speech::status(404),
        });
        let access = Access { window: wanted, ..Access::default() };
        let model = OpenAi::connect(&speaker.url("/v1"), None, &access).expect("a model");
        (model.window(), model.notices().len())
    };
    let vllm = json!({ "id": "a", "max_model_len": 131_072 });
    assert_eq!(window(vllm.clone(), 0), (engine::model::MOST_WINDOW, 0));
    assert_eq!(window(vllm, 100_000), (100_000, 0));
    assert_eq!(window(json!({ "id": "a" }), 0), (4_096, 1));
    assert_eq!(window(json!({ "id": "a" }), 2_000), (2_000, 0));
}

#[test]
fn another_way_to_say_the_form_is_tried_and_told() {
    let refuses = |known: &'static str| {
        serve(move |heard| {
            let kind = heard.body["response_format"]["type"].as_str().unwrap_or("none");
            if heard.body.get("guided_json").is_some() && known == "guided_json" || kind == known {
                return said();
            }
            // What llama-cpp-python 0.3.36 says, without the path of its own source.
            let why = "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), \
                       'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}";
            Speech::refusal(500, &json!({ "error": { "message": why, "type": "internal_server_error", "code": null } }))
        })
    };
    for (known, asked) in [("json_schema", 1), ("json_object", 2), ("guided_json", 3)] {
        let speaker = refuses(known);
        let model = connect(&speaker);
        let question = Question { schema: Some(schema()), ..Question::default() };
        for again in 0..2 {
            let answer = ask(&model, &question, &AtomicBool::new(false)).0.expect("an answer");
            let told: Vec<&str> = answer.notices.iter().map(|notice| notice.what.as_str()).collect();
            assert_eq!(told.len(), usize::from(known != "json_schema"), "{told:?}");
            assert!(told.iter().all(|told| told.contains(known)), "{told:?}");
            let count = speaker.paths().iter().filter(|path| path.ends_with("completions")).count();
            assert_eq!(count, asked + again, "what a server refused it is not asked again");
        }
    }
    let speaker = refuses("nothing");
    let question = Question { schema: Some(schema()), ..Question::default() };
    assert!(error(&speaker, &question).starts_with("the form of the answer cannot be enforced"));
    // A schema that cannot be kept is not said in other words until somebody passes it over.
    let speaker =
        serve(|_| Speech::refusal(400, &json!({ "error": { "message": "JSON schema conversion failed: x" } })));
    assert!(error(&speaker, &question).contains("JSON schema conversion failed"));
    assert_eq!(speaker.paths().iter().filter(|path| path.ends_with("completions")).count(), 1);
    // Without a schema nothing else is tried.
    assert!(error(&refuses("nothing"), &Question::default()).contains("500 Internal"));
}

#[test]
fn what_breaks_off_is_told_with_what_had_come() {
    let two = || Speech::events(&[piece("a"), piece("b")]);
    let broken = |speech: Speech| error(&serve(move |_| speech.clone()), &Question::default());
    let told = [
        broken(two().drop()),
        broken(two()),
        broken(two().say("data: {\"error\":{\"message\":\"slot \\u001b[31mlost\",\"code\":500}}\n\n")),
        broken(two().say("data: <html>\n\n")),
        broken(two().say(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n".to_vec())),
        broken(two().say("x".repeat(2 << 20))),
        broken(Speech::status(200).drop()),
        broken(Speech::refusal(500, &json!({ "error": { "message": "boom" } }))),
        broken(Speech::status(302).with("Location", "http://192.0.2.1/")),
    ];
    let expected = [
        "broke off after 2 tokens: the connection broke",
        "broke off after 2 tokens: the server hung up before the end of the answer",
        "broke off after 2 tokens: slot  [31mlost",
        "broke off after 2 tokens: a line makes no sense",
        "broke off after 2 tokens: a line makes no sense",
        "broke off after 2 tokens: its answer makes no sense: a line of more than 1 MiB",
        "no answer from `ADDRESS/v1`: the connection broke",
        "no answer from `ADDRESS/v1`: it answered 500 Internal Server Error: boom",
        "points elsewhere: nothing is sent there",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}\nis not\n{expected}");
    }
}

#[test]
fn what_is_too_much_is_left_or_refused() {
    let speaker = serve(|_| Speech::status(200).repeat(format!("data: {}\n\n", piece("x "))));
    let endless = answer(&connect(&speaker)).expect("an answer");
    assert_eq!((endless.text, endless.is_whole), ("x ".repeat(50), false));
    assert!(speaker.is_left());
    let speaker = serve(|_| Speech::events(&[piece("a"), end("length"), usage(30, 50)]).say("data: [DONE]\n\n"));
    assert!(!answer(&connect(&speaker)).expect("an answer").is_whole);
    let speaker = serve(|_| {
        Speech::refusal(
            400,
            &json!({ "error": { "code": 400, "type": "exceed_context_size_error",
        "message": "the request exceeds the available context size, try increasing it" } }),
        )
    });
    assert!(matches!(answer(&connect(&speaker)), Err(ModelError::TooLong { window: 4_096, .. })));
    let speaker = serve(|_| said());
    let (few, many) = ("one two three ".repeat(100), "one two three ".repeat(1_000));
    let asked =
        |text: &str| ask(&connect(&speaker), &Question { text, ..Question::default() }, &AtomicBool::new(false)).0;
    assert!(matches!(asked(&many), Err(ModelError::TooLong { .. })));
    assert!(asked(&few).expect_err("cut").to_string().contains("it cut it"));
}

#[test]
fn a_silent_server_is_left_when_nobody_wants_its_answer_any_more() {
    let speaker = serve(|_| Speech::status(200).hang());
    let model = connect(&speaker);
    assert!(stopped_after(&model) < SOON);
    let late = Question { within: Duration::from_millis(200), ..Question::default() };
    assert_eq!(ask(&model, &late, &AtomicBool::new(false)).0, Err(ModelError::Late));
    assert!(speaker.is_left(), "the reader ends with the time for the answer");
    let speaker = serve(|_| {
        std::thread::sleep(Duration::from_secs(30));
        Speech::status(200)
    });
    assert!(stopped_after(&connect(&speaker)) < SOON);
}

#[test]
fn a_busy_server_is_asked_again_for_a_while() {
    let busy = || Speech::refusal(503, &json!({ "error": { "message": "Loading model", "code": 503 } }));
    let speaker = serve(move |heard| if heard.before < 2 { busy() } else { said() });
    assert!(answer(&connect(&speaker)).is_ok());
    let speaker = serve(move |_| busy());
    let model = connect(&speaker);
    let late = Question { within: Duration::from_millis(300), ..Question::default() };
    assert_eq!(ask(&model, &late, &AtomicBool::new(false)).0, Err(ModelError::Late));
    assert!(error(&speaker, &Question::default()).contains("503 Service Unavailable: Loading model"));
}

#[test]
fn the_command_shows_the_key_of_the_environment() {
    let speaker = serve(|_| said());
    let mut repo = kit::TempRepo::empty();
    repo.set("APPRENTICE_API_KEY", "my-key");
    let set = format!("model.name={}", speaker.url("/v1"));
    let ran = repo.apprentice(&["doctor", "--set", &set]);
    assert!(ran.out.contains("#tiny, takes in 4096 tokens") && !ran.said().contains("my-key"), "{}", ran.said());
    assert_eq!(speaker.last("/v1/models").headers["authorization"], "Bearer my-key");
}

#[test]
fn the_key_is_shown_to_the_server_and_to_nobody_else() {
    let secret = "sk-very-own-key-1234567890";
    let refuse = |status: u16| {
        Speaker::new(move |heard| match heard.path.as_str() {
            "/v1/models" if status == 200 => Speech::json(&models(&["tiny"])),
            "/v1/models" => Speech::refusal(status, &json!({ "error": { "message": format!("bad {secret}") } })),
            _ => Speech::refusal(500, &json!({ "error": { "message": format!("strange {secret}") } })),
        })
    };
    let access = Access { key: Some(Key::new(secret.into())), ..Access::default() };
    assert!(!format!("{access:?}").contains(secret));
    let speaker = refuse(401);
    let error = OpenAi::connect(&speaker.url("/v1"), None, &access).expect_err("refused").to_string();
    assert!(error.contains("does not accept the key in APPRENTICE_API_KEY") && !error.contains(secret), "{error}");
    let unset = OpenAi::connect(&speaker.url("/v1"), None, &Access::default()).expect_err("refused").to_string();
    assert!(unset.contains("set APPRENTICE_API_KEY"), "{unset}");
    let speaker = refuse(200);
    let model = OpenAi::connect(&speaker.url("/v1"), None, &access).expect("a model");
    let error = answer(&model).expect_err("refused").to_string();
    assert!(error.contains("strange [redacted: key]") && !format!("{model:?}").contains(secret), "{error}");
    assert_eq!(speaker.last("/v1/models").headers["authorization"], format!("Bearer {secret}"));
}

#[test]
fn what_left_without_an_answer_is_told_too() {
    // 0.0.0.0 is this machine, and not an address that is known to be it.
    let told = |speech: Speech| {
        let speaker = serve(move |_| speech.clone());
        let address = speaker.url("/v1").replace("127.0.0.1", "0.0.0.0");
        let access = Access { allow_remote: true, ..Access::default() };
        let model = OpenAi::connect(&address, None, &access).expect("a model");
        let answered = answer(&model);
        (answered.is_ok(), model.unanswered().into_iter().map(|notice| notice.what).collect::<Vec<_>>())
    };
    for speech in [Speech::events(&[piece("a")]).drop(), Speech::refusal(500, &json!({ "error": "boom" }))] {
        let (is_answered, told) = told(speech);
        assert!(!is_answered);
        assert!(matches!(&told[..], [one] if one.contains("unencrypted, though no answer came")), "{told:?}");
    }
    assert_eq!(told(said()), (true, vec![]));
}

#[test]
fn another_machine_is_asked_only_where_that_was_allowed() {
    for address in ["http://192.0.2.1/v1", "https://203.0.113.9/v1", "http://127.0.0.1@192.0.2.1/v1"] {
        let error = OpenAi::connect(address, Some("x"), &Access::default()).expect_err("remote");
        assert!(matches!(error, ModelError::Remote { .. }), "{address}: {error}");
    }
    let closed = OpenAi::connect("http://127.0.0.1:1/v1", None, &Access::default()).expect_err("closed").to_string();
    assert!(closed.contains("nothing listens there: start it with `llama-server"), "{closed}");
}
