//! Who gets in at the door, and can anybody hold it?

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use super::super::{BEFORE, Serving, delivery, demo, signature, status};

const BODY: &[u8] = b"{\"zen\": \"Design for failure.\"}";

fn server(settings: &str) -> (forge::Forge, Serving) {
    let (forge, _) = demo(&[("load.py", BEFORE)]);
    let mut bot = Serving::prepare(&forge, "");
    bot.configure("");
    let file = bot.folder.path().join("bot.toml");
    let text = std::fs::read_to_string(&file).expect("the settings");
    std::fs::write(&file, text.replace("[server]\n", &format!("[server]\n{settings}"))).expect("the settings");
    bot.spawn();
    (forge, bot)
}

#[test]
fn only_the_right_signature_gets_in() {
    let (_forge, bot) = server("");
    let right = signature(BODY);
    let sent = |header: &str| bot.send(&delivery("star", "guid-1", header, BODY)).map_or(0, |answer| status(&answer));
    assert_eq!(sent(&format!("x-hub-signature-256: {right}")), 200);
    for header in [
        "x-nothing: 1".to_owned(),
        "x-hub-signature-256: ".to_owned(),
        format!("x-hub-signature-256: {}", signature(b"{}")),
        format!("x-hub-signature-256: {}", &right["sha256=".len()..]),
        format!("x-hub-signature-256: {}", &right[..right.len() - 2]),
        format!("x-hub-signature-256: sha1={}", &right["sha256=".len()..]),
        // The right SHA-1 of this body is still no SHA-256.
        "x-hub-signature: sha1=c1e8e4b0f5a7a2f8c4b7f7a0ff1fbb1a1a2f3c4d".to_owned(),
        "x-hub-signature-256: sha256=zz".to_owned(),
    ] {
        assert_eq!(sent(&header), 401, "{header}");
    }
    // An order in the wrong name is not even looked at.
    for (event, guid) in [("", "guid-2"), ("pull request", "guid-3"), ("ping", "../x"), ("ping", "")] {
        let header = format!("x-hub-signature-256: {right}");
        let answer = bot.send(&delivery(event, guid, &header, BODY)).expect("an answer");
        assert_eq!(status(&answer), 400, "{event:?} {guid:?}: {answer}");
    }
}

#[test]
fn a_replayed_delivery_is_known_and_another_body_under_its_signature_is_not() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, super::HASTY);
    let (pull, head) = super::opened(&repo);
    super::concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let hook = forge.deliveries().into_iter().find(|hook| hook.action.as_deref() == Some("opened")).expect("a hook");
    let body = hook.payload.to_string();
    for _ in 0..3 {
        let answer = bot.deliver("pull_request", &hook.guid, body.as_bytes());
        assert!(status(&answer) == 200 && answer.contains("known"), "{answer}");
    }
    let header = format!("x-hub-signature-256: {}", signature(body.as_bytes()));
    let other = body.replace("\"opened\"", "\"reopened\"");
    let answer = bot.send(&delivery("pull_request", "other", &header, other.as_bytes())).expect("an answer");
    assert_eq!(status(&answer), 401);
    bot.idle(&forge);
    super::assert_said_once(&repo, (pull, &head), 2);
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let (_forge, bot) = server("max_body_bytes = 1000\n");
    let large = vec![b' '; 1001];
    assert_eq!(status(&bot.deliver("ping", "large", &large)), 413);
    let fits = vec![b' '; 1000];
    assert_ne!(status(&bot.deliver("ping", "fits", &fits)), 413);
    // By its own word it is larger than anything; not a byte of it is sent.
    let head = "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n";
    assert_eq!(status(&bot.send(head.as_bytes()).expect("an answer")), 413);
    // It does not say how large it is.
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let head = "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let request = format!("{head}{}0\r\n\r\n", chunk.repeat(3));
    assert_eq!(status(&bot.send(request.as_bytes()).expect("an answer")), 413);
    // Both ways at once is how one smuggles a request past a proxy.
    let both = head.replace("transfer", "content-length: 5\r\ntransfer");
    let answer = bot.send(format!("{both}0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    assert_eq!(answer.unwrap_or_default().matches("HTTP/1.1").count(), 1, "one request, one answer");
    assert_eq!(status(&bot.get("/readyz").expect("an answer")), 200);
}

/// Whether the server has closed a connection, without waiting for long.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
    let mut rest = [0; 1024];
    match stream.read(&mut rest) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

#[test]
fn who_drips_bytes_is_sent_away_while_others_are_served() {
    let (_forge, bot) = server("request_seconds = 1\n");
    let connect = || TcpStream::connect(("127.0.0.1", bot.port)).expect("a connection");
    let head = "POST /webhook HTTP/1.1\r\nhost: x\r\n";
    let begins = [
        // Nothing at all; headers without an end; a body without an end; chunks without an end.
        (String::new(), &b""[..]),
        (format!("{head}x-slow: "), b"a"),
        (format!("{head}content-length: 100000\r\n\r\n"), b"a"),
        (format!("{head}transfer-encoding: chunked\r\n\r\n"), b"1\r\na\r\n"),
        // A second request on a connection that was well-behaved at first.
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n{head}x-slow: "), b"a"),
    ];
    let mut streams: Vec<(String, &[u8], TcpStream)> = Vec::new();
    for (begin, drip) in begins {
        for _ in 0..20 {
            let mut stream = connect();
            stream.write_all(begin.as_bytes()).expect("written");
            streams.push((begin.clone(), drip, stream));
        }
    }
    let started = std::time::Instant::now();
    while !streams.is_empty() {
        assert!(started.elapsed() < super::super::LONG, "still held: {:?}", streams[0].0);
        assert_eq!(status(&bot.get("/healthz").expect("others are served")), 200);
        streams.retain_mut(|(_, drip, stream)| stream.write_all(drip).is_ok() && !is_closed(stream));
    }
    assert_eq!(status(&bot.deliver("star", "after", BODY)), 200);
}
