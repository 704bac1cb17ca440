//! What does publishing do to a server, and what does a server that goes away do to it?

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use candle_core::quantized::gguf_file::Value;
use serde_json::json;
use sha2::Digest as _;

use super::*;

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                      {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// A vocabulary that is just enough for a chat template.
pub(super) fn metadata(template: &str) -> Metadata {
    let text = |text: &str| Value::String(text.into());
    let tokens = ["a", "<|im_start|>", "<|im_end|>", "<s>", "</s>"].map(text).to_vec();
    let kinds = [1, 3, 3, 3, 3].map(Value::I32).to_vec();
    Metadata::from([
        ("general.architecture".into(), text("llama")),
        ("llama.context_length".into(), Value::U32(4096)),
        ("tokenizer.ggml.model".into(), text("gpt2")),
        ("tokenizer.ggml.pre".into(), text("gpt-2")),
        ("tokenizer.ggml.tokens".into(), Value::Array(tokens)),
        ("tokenizer.ggml.merges".into(), Value::Array(vec![text("a a")])),
        ("tokenizer.ggml.token_type".into(), Value::Array(kinds)),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(3)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(2)),
        ("tokenizer.ggml.add_bos_token".into(), Value::Bool(true)),
        ("tokenizer.chat_template".into(), text(template)),
    ])
}

/// A GGUF file without tensors (ggml's docs/gguf.md, version 3).
fn gguf(metadata: &Metadata) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter().collect::<BTreeMap<_, _>>() {
        put_text(&mut bytes, key);
        bytes.extend(kind(value).to_le_bytes());
        put(&mut bytes, value);
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes
}

fn kind(value: &Value) -> u32 {
    match value {
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        _ => panic!("not used here"),
    }
}

fn put(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U32(n) => bytes.extend(n.to_le_bytes()),
        Value::I32(n) => bytes.extend(n.to_le_bytes()),
        Value::Bool(is) => bytes.push(u8::from(*is)),
        Value::String(text) => put_text(bytes, text),
        Value::Array(values) => {
            bytes.extend(kind(&values[0]).to_le_bytes());
            bytes.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| put(bytes, value));
        }
        _ => panic!("not used here"),
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// How a server goes away at one of the requests.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Death {
    /// Without a word.
    Silent,
    /// In the middle of the head of its answer.
    Head,
    /// In the middle of its answer, half of which it sent.
    Half,
    /// Having read a part of what it was sent.
    Reading,
}

/// A server with models that have names, as Ollama's, and that goes away at its `dies`-th request for good.
#[derive(Default)]
struct Fake {
    tags: BTreeMap<String, String>,
    blobs: BTreeMap<String, Vec<u8>>,
    made: BTreeMap<String, serde_json::Value>,
    asked: Vec<String>,
    version: String,
    /// What is said line by line while a model is made; what it says by itself where this is empty.
    creating: String,
    answer: String,
    dies: Option<(usize, Death)>,
}

type Shared = Arc<Mutex<Fake>>;

fn serve(fake: Fake) -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let shared = Arc::new(Mutex::new(fake));
    let own = Arc::clone(&shared);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let fake = Arc::clone(&own);
            thread::spawn(move || while once(&stream, &fake).is_some() {});
        }
    });
    (address, shared)
}

/// Answers one request; none when the connection is over.
fn once(stream: &TcpStream, fake: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (head, length) = read_head(&mut reader)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let death = {
        let mut fake = fake.lock().unwrap();
        fake.asked.push(format!("{method} {path}"));
        let count = fake.asked.len();
        fake.dies.filter(|(at, _)| count > *at).map(|(_, death)| death)
    };
    if death == Some(Death::Silent) {
        return None;
    }
    if death == Some(Death::Reading) {
        let _ = reader.read_exact(&mut vec![0; length / 2]);
        return None;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if death == Some(Death::Half) && method == "POST" {
        // What it was told, it has done; that nobody hears of.
        respond(fake, &method, &path, &body);
    }
    let answer = if death.is_some() { "{\"models\":[]}".into() } else { respond(fake, &method, &path, &body) };
    let answer = if answer.starts_with("HTTP") { answer } else { ok(&answer) };
    let end = match death {
        Some(Death::Head) => 9,
        Some(_) => answer.len() - 4,
        None => answer.len(),
    };
    let mut out = stream;
    // In pieces, so that lines are cut anywhere.
    for piece in answer.as_bytes()[..end].chunks(7) {
        out.write_all(piece).ok()?;
    }
    out.flush().ok()?;
    death.is_none().then_some(())
}

fn read_head(reader: &mut impl std::io::BufRead) -> Option<(String, usize)> {
    let (mut head, mut length) = (String::new(), 0);
    reader.read_line(&mut head).ok().filter(|&read| read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", count)) => length = count.parse().ok()?,
            Some(_) => {}
            None => return Some((head, length)),
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn status(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn respond(fake: &Shared, method: &str, path: &str, body: &[u8]) -> String {
    let mut fake = fake.lock().unwrap();
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    match (method, path) {
        ("GET", "/api/version") => json!({ "version": fake.version }).to_string(),
        ("GET", "/api/tags") => {
            let tags = fake.tags.iter().map(|(name, digest)| json!({ "name": name, "digest": digest }));
            json!({ "models": tags.collect::<Vec<_>>() }).to_string()
        }
        ("HEAD", path) if fake.blobs.contains_key(path) => ok(""),
        ("HEAD", _) => status("404 Not Found", ""),
        ("POST", path) if path.starts_with("/api/blobs/") => {
            let digest = format!("/api/blobs/sha256:{}", hex::encode(sha2::Sha256::digest(body)));
            if digest != path {
                return status("400 Bad Request", "{\"error\":\"digest mismatch\"}");
            }
            fake.blobs.insert(digest, body.to_vec());
            status("201 Created", "")
        }
        ("POST", "/api/create") => create(&mut fake, &value),
        ("POST", "/api/show") => match fake.made.get(&text("model")) {
            Some(made) => json!({ "template": made["template"], "system": made["system"],
                "parameters": "stop  \"<|im_end|>\"\ntemperature 0.5" })
            .to_string(),
            None => status("404 Not Found", "{\"error\":\"model not found\"}"),
        },
        ("POST", "/api/chat") => {
            json!({ "message": { "role": "assistant", "content": fake.answer }, "done": true }).to_string()
        }
        ("POST", "/api/copy") => match fake.tags.get(&text("source")).cloned() {
            Some(digest) => {
                fake.tags.insert(text("destination"), digest);
                ok("")
            }
            None => status("404 Not Found", "{\"error\":\"no such \\u001b[31m model\"}"),
        },
        ("DELETE", "/api/delete") => {
            fake.tags.remove(&text("model"));
            ok("")
        }
        _ => status("404 Not Found", "404 page not found"),
    }
}

fn create(fake: &mut Fake, value: &serde_json::Value) -> String {
    if !fake.creating.is_empty() {
        return ok(&fake.creating);
    }
    let blob = format!("/api/blobs/{}", value["files"]["model.gguf"].as_str().unwrap_or_default());
    if !fake.blobs.contains_key(&blob) {
        return ok("{\"status\":\"parsing GGUF\"}\n{\"error\":\"blob not found\"}\n");
    }
    let name = value["model"].as_str().unwrap().to_owned();
    fake.tags.insert(name.clone(), hex::encode(sha2::Sha256::digest(value.to_string())));
    fake.made.insert(name, value.clone());
    ok("{\"status\":\"parsing GGUF\"}\n\n{\"status\":\"writing manifest\"}\r\n{\"status\":\"success\"}")
}

/// A server that has a reviewer already.
fn fake() -> Fake {
    Fake {
        tags: BTreeMap::from([("reviewer:latest".into(), "old".into()), ("other:latest".into(), "other".into())]),
        version: "0.12.11".into(),
        answer: "A comparison was meant.".into(),
        ..Fake::default()
    }
}

fn nobody() -> Told {
    Arc::new(|_: Stage<'_>| {})
}

struct Case {
    folder: tempfile::TempDir,
    plan: Plan,
    server: Shared,
}

fn case(fake: Fake) -> Case {
    let (server, shared) = serve(fake);
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        name: "reviewer".parse().unwrap(),
        server,
        allow_remote: false,
        base: None,
        template: None,
        system: None,
        window: 0,
        check: Check::Answers,
    };
    let bytes = gguf(&metadata(CHATML));
    files::replace(&folder.path().join("model.gguf"), |out| out.write_all(&bytes)).unwrap();
    Case { folder, plan, server: shared }
}

impl Case {
    fn file(&self) -> PathBuf {
        self.folder.path().join("model.gguf")
    }

    fn publish(&self) -> Result<Published, String> {
        publish(&self.file(), &self.plan, &nobody()).map_err(|error| self.said(&error))
    }

    fn rollback(&self) -> Result<String, String> {
        rollback(&self.plan.name, &self.plan.server, false).map_err(|error| self.said(&error))
    }

    fn said(&self, error: &PublishError) -> String {
        error.to_string().replace(&self.plan.server, "SERVER").replace(&*self.folder.path().to_string_lossy(), "FOLDER")
    }

    fn digest(&self, name: &str) -> Option<String> {
        self.server.lock().unwrap().tags.get(name).cloned()
    }
}

use crate::files;

#[test]
fn a_model_is_tried_before_it_gets_the_name() {
    let case = case(fake());
    let published = case.publish().unwrap();
    let new = case.digest(&published.candidate);
    assert!(new.is_some() && published.candidate.starts_with("reviewer:candidate-"), "{published:?}");
    assert_eq!((case.digest("reviewer:latest"), case.digest("reviewer:previous")), (new, Some("old".into())));
    let asked = case.server.lock().unwrap().asked.iter().fold(String::new(), |mut all, one| {
        writeln!(all, "{}", one.split("sha256").next().unwrap()).unwrap();
        all
    });
    insta::assert_snapshot!(asked, @r"
    GET /api/version
    HEAD /api/blobs/
    POST /api/blobs/
    POST /api/create
    POST /api/show
    POST /api/chat
    GET /api/tags
    POST /api/copy
    GET /api/tags
    POST /api/copy
    GET /api/tags
    GET /api/tags
    ");
    let made = case.server.lock().unwrap().made.values().next().unwrap().clone();
    insta::assert_snapshot!(format!("{} {}", made["parameters"], made["template"]), @r#"{"temperature":0,"stop":["<|im_end|>","</s>","<|im_start|>"],"num_ctx":4096} "{{ range .Messages }}{{ if eq .Role \"system\" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n{{ else if eq .Role \"user\" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n{{ else if eq .Role \"assistant\" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n""#);
    let modelfile = files::text(&published.modelfile, 9999).unwrap().unwrap();
    assert!(modelfile.starts_with("FROM ./model.gguf\nTEMPLATE \"\"\"{{ range .Messages }}"), "{modelfile}");
    let card = Card::beside(&case.file()).unwrap().unwrap();
    assert_eq!(card.served_as.as_deref(), Some("reviewer:latest"));
}

#[test]
fn a_model_that_is_published_twice_keeps_what_was_before_it() {
    let case = case(fake());
    case.publish().unwrap();
    let uploads = |case: &Case| {
        let asked = &case.server.lock().unwrap().asked;
        asked.iter().filter(|asked| asked.starts_with("POST /api/blobs")).count()
    };
    let published = case.publish().unwrap();
    assert_eq!((uploads(&case), published.previous.as_deref()), (1, Some("reviewer:previous")));
    assert_eq!(case.digest("reviewer:previous"), Some("old".into()));
    assert_eq!(case.rollback().unwrap(), "reviewer:previous");
    assert_eq!(case.digest("reviewer:latest"), Some("old".into()));
    assert_eq!(case.digest("reviewer:rolled-back"), case.digest(&published.candidate));
}

#[test]
fn old_candidates_go_when_a_new_one_is_served() {
    let mut fake = fake();
    fake.tags.insert("reviewer:candidate-1".into(), "one".into());
    fake.tags.insert("reviewer:candidate-2".into(), "old".into());
    let case = case(fake);
    assert_eq!(case.publish().unwrap().removed, ["reviewer:candidate-1"]);
    assert!(case.digest("reviewer:candidate-2").is_some() && case.digest("other:latest").is_some());
}

#[test]
fn the_first_model_has_nothing_before_it() {
    let case = case(Fake { tags: BTreeMap::new(), ..fake() });
    assert_eq!(case.publish().unwrap().previous, None);
    insta::assert_snapshot!(case.rollback().unwrap_err(), @"`reviewer:previous` is not there: nothing to go back to");
}

fn candidate(case: &Case) -> String {
    let tags = &case.server.lock().unwrap().tags;
    tags.keys().find(|name| name.contains("candidate")).cloned().unwrap_or_default()
}

#[test]
fn a_server_may_go_away_at_any_request() {
    for death in [Death::Silent, Death::Head, Death::Half, Death::Reading] {
        let mut at = 0;
        loop {
            let case = case(Fake { dies: Some((at, death)), ..fake() });
            let done = case.publish();
            let asked = case.server.lock().unwrap().asked.clone();
            let last = asked.get(at).cloned().unwrap_or_default();
            let whole = case.digest("reviewer:latest").unwrap();
            assert!(whole == "old" || Some(&whole) == case.digest(&candidate(&case)).as_ref(), "{death:?} at {at}");
            match done {
                // It died after all that counts: what is removed does not.
                Ok(_) => break assert!(at >= 11 && whole != "old", "{death:?} at {at} {last}"),
                // The last request was carried out, and nobody heard of it.
                Err(why) if whole != "old" => assert!(at >= 9 && why.contains("not known which"), "{at} {last} {why}"),
                Err(why) => assert!(why.starts_with("cannot ") || why.contains("not known which"), "{at} {last} {why}"),
            }
            at += 1;
        }
    }
}

#[test]
fn what_a_server_says_while_it_makes_a_model_is_heard() {
    let why = |creating: &str| {
        let case = case(Fake { creating: creating.into(), ..fake() });
        let why = case.publish().unwrap_err();
        assert_eq!(case.digest("reviewer:latest"), Some("old".into()));
        why
    };
    let told = [
        why("{\"status\":\"parsing GGUF\"}\n{\"error\":\"invalid \\u001b[31mfile magic\"}\n{\"status\":\"success\"}"),
        why("{\"status\":\"parsing GGUF\"}\n"),
        why("{\"status\":\"success\"}\n{\"status\":\"more\"}"),
        why("<html>"),
        why("\n"),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    cannot make a model of the file at `SERVER`: invalid  [31mfile magic; what was served there before is still served
    cannot make a model of the file at `SERVER`: it hung up before it said that it had succeeded; what was served there before is still served
    cannot make a model of the file at `SERVER`: it hung up before it said that it had succeeded; what was served there before is still served
    cannot make a model of the file at `SERVER`: a line of its answer makes no sense: expected value at line 1 column 1; what was served there before is still served
    cannot make a model of the file at `SERVER`: it hung up before it said that it had succeeded; what was served there before is still served
    ");
}

#[test]
fn what_cannot_be_served_is_told_before_anything_is_sent() {
    let old = case(Fake { version: "0.4.9".into(), ..fake() });
    let qwen = case(Fake { version: "0.6.5".into(), ..fake() });
    let mut of_qwen = metadata(CHATML);
    of_qwen.insert("general.architecture".into(), Value::String("qwen3".into()));
    files::replace(&qwen.file(), |out| out.write_all(&gguf(&of_qwen))).unwrap();
    let odd = case(fake());
    let counted = "{% for m in messages %}{{ loop.index }}{{ m.content }}{% endfor %}";
    files::replace(&odd.file(), |out| out.write_all(&gguf(&metadata(counted)))).unwrap();
    let mut remote = case(fake());
    remote.plan.server = "http://192.0.2.1:11434".into();
    let mut gone = case(fake());
    gone.plan.base = Some("not-there".into());
    let torn = case(fake());
    files::replace(&torn.file(), |out| out.write_all(b"GGUF")).unwrap();
    let mute = case(Fake { answer: "\n".into(), ..fake() });
    let told: Vec<String> =
        [&old, &qwen, &odd, &remote, &gone, &torn, &mute].map(|case| case.publish().unwrap_err()).to_vec();
    insta::assert_snapshot!(told.join("\n"), @r"
    `SERVER` runs Ollama 0.4.9, and a JSON schema needs 0.5.0 or later: update it
    `SERVER` runs Ollama 0.6.5, and qwen3 needs 0.6.6 or later: update it
    it is not known how to ask `FOLDER/model.gguf`: what its template writes around a turn depends on the other turns; give the template in Go's form with `--template FILE`
    `SERVER` is not this machine, and `model.allow_remote` is not set: nothing was sent
    cannot look at `not-there` at `SERVER`: it answered 404 Not Found: model not found; what was served there before is still served
    `FOLDER/model.gguf` cannot be published: it ends in its header
    `reviewer:candidate-3f92c5ae5595` was made and is not served: it answers nothing
    ");
    for case in [&old, &qwen, &odd, &gone, &torn] {
        assert!(case.server.lock().unwrap().blobs.is_empty(), "nothing was sent");
    }
    assert_eq!(mute.digest("reviewer:latest"), Some("old".into()));
}

#[test]
fn a_template_may_be_given_or_taken_from_an_installed_model() {
    let mut fake = fake();
    fake.made.insert("llama3".into(), json!({ "template": "<{{ .Prompt }}>", "system": "Be kind." }));
    let mut case = case(fake);
    case.plan.base = Some("llama3".into());
    let made = |case: &Case| {
        let published = case.publish().unwrap();
        case.server.lock().unwrap().made[&published.candidate].clone()
    };
    let taken = made(&case);
    assert_eq!(
        (&taken["template"], &taken["system"], &taken["parameters"]["temperature"]),
        (&json!("<{{ .Prompt }}>"), &json!("Be kind."), &json!(0.5))
    );
    case.plan.template = Some("[{{ .Prompt }}]".into());
    case.plan.system = Some("Be brief.".into());
    case.plan.window = 100_000;
    let given = made(&case);
    assert_eq!(
        (&given["template"], &given["system"], &given["parameters"]["num_ctx"]),
        (&json!("[{{ .Prompt }}]"), &json!("Be brief."), &json!(4096))
    );
}

#[test]
fn names_are_what_a_server_takes() {
    for good in ["reviewer", "me/reviewer", "a.b-c_1"] {
        assert!(good.parse::<Name>().is_ok(), "{good}");
    }
    for bad in ["", "a:b", "A", "a b", "/a", "a/", "a/b/c", "../a", "-a", &"x".repeat(81)] {
        assert!(bad.parse::<Name>().is_err(), "{bad}");
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    assert_eq!(
        (number("0.12.11"), number("v0.34.1-rc2"), number("1.0")),
        (Some((0, 12, 11)), Some((0, 34, 1)), Some((1, 0, 0)))
    );
    assert_eq!((number("soon"), number("")), (None, None));
}
