//! Does it say what is wrong with a server, and keep what must not leave? Against servers made up here, on loopback.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::{super::address::MOST_ANSWER, *};

/// What the server was asked: path and body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that lives as long as the test and answers what `reply` makes of a path and a body; `None` hangs up.
fn serve(reply: impl Fn(&str, &Value) -> Option<String> + Send + Sync + 'static) -> (Access, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let access = Access { ollama: format!("http://{}", listener.local_addr().unwrap()), ..Access::default() };
    let asked = Asked::default();
    let (heard, reply) = (Arc::clone(&asked), Arc::new(reply));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (heard, reply) = (Arc::clone(&heard), Arc::clone(&reply));
            thread::spawn(move || speak(&stream, &heard, &*reply));
        }
    });
    (access, asked)
}

/// Reads one request and answers it; nothing when the connection is over.
fn speak(stream: &TcpStream, asked: &Asked, reply: &dyn Fn(&str, &Value) -> Option<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", count)) => length = count.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = reply(&path, &body);
    asked.lock().unwrap().push((path, body));
    let mut stream = stream;
    stream.write_all(answer?.as_bytes()).ok()
}

fn http(status: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn ok(body: &Value) -> Option<String> {
    http("200 OK", &body.to_string())
}

fn tags() -> Option<String> {
    ok(
        &json!({ "models": [{ "name": "tiny:latest", "digest": "0123456789abcdef0123" }, { "name": "nomic-embed-text:v1.5" }] }),
    )
}

/// One vector a text: its length in bytes, then 4.
fn vectors(body: &Value) -> Value {
    let texts = body["input"].as_array().unwrap();
    json!({ "embeddings": texts.iter().map(|text| json!([text.as_str().unwrap().len(), 4.0])).collect::<Vec<_>>() })
}

/// A server whose first vector is right, and whose later answers are these.
fn then(reply: impl Fn(&Value) -> Option<String> + Send + Sync + 'static) -> Access {
    let access = serve(move |path, body| match path {
        "/api/tags" => tags(),
        _ if body["input"][0] == "dimensions" => ok(&vectors(body)),
        _ => reply(body),
    });
    access.0
}

fn connect(model: &str, access: &Access) -> Result<Ollama, String> {
    Ollama::connect(model, access).map_err(|error| error.to_string().replace(&access.ollama, "ADDRESS"))
}

fn query(access: &Access) -> Result<Vec<f32>, String> {
    let error = |error: EmbedError| error.to_string().replace(&access.ollama, "ADDRESS");
    connect("tiny", access).unwrap().query("question").map_err(error)
}

#[test]
fn passages_go_in_batches_and_come_back_in_order_with_length_one() {
    let (access, asked) = serve(|path, body| if path == "/api/tags" { tags() } else { ok(&vectors(body)) });
    let model = connect("tiny", &access).unwrap();
    assert_eq!((model.name(), model.dimensions()), ("ollama:tiny@0123456789ab", 2));
    let texts: Vec<String> = (0..40).map(|n| "x".repeat(n)).collect();
    let passages: Vec<Passage<'_>> = texts.iter().map(|text| Passage { body: text, ..Passage::default() }).collect();
    let found = model.passages(&passages).unwrap();
    let expected = (0..40).map(|n| n as f32 / (n as f32).hypot(4.0));
    assert!(found.iter().zip(expected).all(|(vector, first)| (vector[0] - first).abs() < 1e-6), "{found:?}");
    let asked = asked.lock().unwrap();
    let counts: Vec<usize> = asked[2..].iter().map(|(_, body)| body["input"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [16, 16, 8]);
    let (path, body) = &asked[1];
    insta::assert_snapshot!(format!("{path} {body}"), @r#"/api/embed {"model":"tiny","input":["dimensions"],"truncate":true,"keep_alive":"10m"}"#);
}

#[test]
fn a_model_gets_the_prefixes_it_was_trained_with() {
    let (access, asked) = serve(|path, body| if path == "/api/tags" { tags() } else { ok(&vectors(body)) });
    let model = connect("nomic-embed-text:v1.5", &access).unwrap();
    assert_eq!(model.name(), "ollama:nomic-embed-text:v1.5");
    model.query("what").unwrap();
    model.passages(&[Passage { title: "Client.send", doc: "Sends.", body: "fn send()" }]).unwrap();
    let texts: Vec<Value> = asked.lock().unwrap()[2..].iter().map(|(_, body)| body["input"][0].clone()).collect();
    assert_eq!(texts, ["search_query: what", "search_document: Client send\nSends.\nfn send()"]);
}

#[test]
fn several_threads_may_ask_at_once() {
    let (access, _) = serve(|path, body| if path == "/api/tags" { tags() } else { ok(&vectors(body)) });
    let model = connect("tiny", &access).unwrap();
    thread::scope(|scope| {
        for length in 1..8_usize {
            let model = &model;
            scope.spawn(move || {
                for _ in 0..5 {
                    let vector = model.query(&"x".repeat(length)).unwrap();
                    assert!((vector[0] / vector[1] - length as f32 / 4.0).abs() < 1e-5);
                }
            });
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_to_be_started() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let access = Access { ollama: format!("127.0.0.1:{port}"), ..Access::default() };
    let told = connect("tiny", &access).unwrap_err().replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(told, @"no vectors from `http://ADDRESS`: nothing listens there: start it with `ollama serve`, or set `model.ollama`");
}

#[test]
fn a_model_that_is_not_there_is_to_be_pulled() {
    let (access, asked) = serve(|_, _| tags());
    insta::assert_snapshot!(connect("other", &access).unwrap_err(), @"no vectors from `ADDRESS`: it does not have the model `other`: run `ollama pull other`");
    assert_eq!(asked.lock().unwrap().len(), 1, "nothing was sent to be embedded");
    // A server that lists no models still says it when it is asked for vectors.
    let (access, _) = serve(|_, _| http("404 Not Found", r#"{"error":"model \"other\" not found"}"#));
    assert!(connect("other", &access).unwrap_err().ends_with("run `ollama pull other`"));
}

#[test]
fn answers_that_make_no_sense_are_told_as_such() {
    let refused = |reply: fn(&Value) -> Option<String>| query(&then(reply)).unwrap_err();
    let told = [
        refused(|_| ok(&json!({ "embeddings": [] }))),
        refused(|_| ok(&json!({ "embeddings": [[1.0, 2.0], [1.0, 2.0]] }))),
        refused(|_| ok(&json!({ "embeddings": [[1.0, 2.0, 3.0]] }))),
        refused(|_| ok(&json!({ "embeddings": [[null, 2.0]] }))),
        refused(|_| http("200 OK", r#"{"embeddings":[[NaN,1]]}"#)),
        refused(|_| http("200 OK", "<html>")),
        refused(|_| ok(&json!({ "other": 1 }))),
        refused(|_| http("500 Internal Server Error", r#"{"error":"out of \u001b[31mmemory\n"}"#)),
        refused(|_| http("302 Found\r\nLocation: http://192.0.2.1/", "")),
        refused(|_| None),
        refused(|_| Some("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into())),
        refused(|_| Some("nonsense\r\n\r\n".into())),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    no vectors from `ADDRESS`: texts that were sent: 1, vectors that came back: 0
    no vectors from `ADDRESS`: texts that were sent: 1, vectors that came back: 2
    no vectors from `ADDRESS`: a vector of 3 components came back, not of 2
    no vectors from `ADDRESS`: its answer makes no sense: invalid type: null, expected f32 at line 1 column 20
    no vectors from `ADDRESS`: its answer makes no sense: expected value at line 1 column 17
    no vectors from `ADDRESS`: its answer makes no sense: expected value at line 1 column 1
    no vectors from `ADDRESS`: its answer makes no sense: missing field `embeddings` at line 1 column 11
    no vectors from `ADDRESS`: it answered 500 Internal Server Error: out of  [31mmemory
    no vectors from `ADDRESS`: it answered 302 Found, which points elsewhere: nothing is sent there
    no vectors from `ADDRESS`: the connection broke: connection closed before message completed
    no vectors from `ADDRESS`: the connection broke: end of file before message length reached
    no vectors from `ADDRESS`: the connection broke: invalid HTTP version parsed
    ");
}

#[test]
fn a_number_that_no_f32_holds_is_refused() {
    // What serde_json makes of it depends on its features, which other packages choose; that it is refused does not.
    let why = query(&then(|_| ok(&json!({ "embeddings": [[1e39, 2.0]] })))).unwrap_err();
    assert!(why.contains("holds no number") || why.contains("out of range"), "{why}");
}

#[test]
fn a_model_that_gives_no_vectors_is_refused_at_once() {
    let (access, _) = serve(|path, _| if path == "/api/tags" { tags() } else { ok(&json!({ "embeddings": [[]] })) });
    insta::assert_snapshot!(connect("tiny", &access).unwrap_err(), @"no vectors from `ADDRESS`: `tiny` gives vectors of 0 components: it is no embedding model");
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
    let (access, _) = serve(|_, _| {
        thread::sleep(Duration::from_secs(60));
        None
    });
    let server = Server::find(&access.ollama, false).unwrap();
    let request = server.client.get(server.place.at("api/tags").unwrap());
    let refusal = server.ask::<Value>(request, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(refusal, Refusal::Late(_)), "{refusal}");
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let access = then(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MOST_ANSWER + 1);
        Some(head + &" ".repeat(MOST_ANSWER + 1))
    });
    assert_eq!(query(&access).unwrap_err(), "no vectors from `ADDRESS`: it answered with more than 32 MiB");
}

#[test]
fn a_secret_is_redacted_only_where_it_would_leave() {
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
    let (access, _) = serve(|path, body| if path == "/api/tags" { tags() } else { ok(&vectors(body)) });
    let mut model = connect("tiny", &access).unwrap();
    assert_eq!(model.prepare("", token), token);
    model.server.place.is_remote = true;
    assert_eq!(model.prepare("query: ", token), "query: [redacted: GitHub token]");
}
