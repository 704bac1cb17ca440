//! A server of our own on this machine that says what a test wants, piece by piece, or what a real one was heard to say,
//! and remembers what it was told.
#![expect(clippy::disallowed_methods, reason = "reads what was recorded of real servers")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, where it is JSON.
    pub body: Value,
    /// How often this path was asked for before.
    pub before: usize,
}

/// One thing the server does after the head of its answer.
#[derive(Debug, Clone)]
enum Step {
    Say(Vec<u8>),
    Wait(Duration),
    /// Says nothing until whoever asked has gone.
    Hang,
    /// Closes the connection in the middle.
    Drop,
    /// Says this again and again until whoever asked has gone.
    Repeat(Vec<u8>),
}

/// What is answered: a status, headers, and a body in pieces, each of which is sent by itself.
#[derive(Debug, Clone)]
pub struct Speech {
    status: u16,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
    /// The length that the head claims; without it the pieces are sent as chunks.
    length: Option<usize>,
    /// What is sent instead of all this: a whole answer with its head.
    raw: Option<Vec<u8>>,
}

impl Speech {
    /// An answer without a body so far.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), steps: Vec::new(), length: None, raw: None }
    }

    /// Every byte of an answer that was recorded.
    pub fn recorded(exchange: &Exchange) -> Self {
        Self { raw: Some(exchange.answer.clone()), ..Self::status(200) }
    }

    /// A JSON value.
    pub fn json(value: &Value) -> Self {
        Self::status(200).say(value.to_string())
    }

    /// An error of this status whose body is a JSON value.
    pub fn refusal(status: u16, value: &Value) -> Self {
        Self::status(status).say(value.to_string())
    }

    /// A stream of JSON lines.
    pub fn lines(values: &[Value]) -> Self {
        values.iter().fold(Self::status(200), |speech, value| speech.say(format!("{value}\n")))
    }

    /// A stream of server-sent events.
    pub fn events(values: &[Value]) -> Self {
        values.iter().fold(Self::status(200), |speech, value| speech.say(format!("data: {value}\n\n")))
    }

    /// Bytes of a file, with their length told in the head.
    pub fn file(bytes: &[u8]) -> Self {
        Self { length: Some(bytes.len()), ..Self::status(200).say(bytes) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with another length in its head than it has.
    #[must_use]
    pub fn with_length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Then this.
    #[must_use]
    pub fn say(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Say(bytes.into()));
        self
    }

    /// Then nothing for a while.
    #[must_use]
    pub fn wait(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Wait(pause));
        self
    }

    /// Then nothing until whoever asked has gone.
    #[must_use]
    pub fn hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }

    /// Then the connection is closed in the middle.
    #[must_use]
    pub fn drop(mut self) -> Self {
        self.steps.push(Step::Drop);
        self
    }

    /// Then this without end.
    #[must_use]
    pub fn repeat(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Repeat(bytes.into()));
        self
    }

    /// The same body in pieces of so many bytes, wherever that cuts it.
    #[must_use]
    pub fn in_pieces(mut self, size: usize) -> Self {
        let steps = self.steps.into_iter().flat_map(|step| match step {
            Step::Say(bytes) => bytes.chunks(size).map(|piece| Step::Say(piece.to_vec())).collect(),
            other => vec![other],
        });
        self.steps = steps.collect();
        self
    }
}

/// What a client asked a real server and what that answered: a file of `tests/data/servers`.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// `GET`, `POST`.
    pub method: String,
    /// The path that was asked.
    pub path: String,
    /// The body of the request, where it is JSON.
    pub body: Value,
    /// The answer as it came, its head included.
    pub answer: Vec<u8>,
}

impl Exchange {
    /// The exchange of this name.
    ///
    /// # Panics
    /// When there is none, or it is no exchange.
    pub fn read(name: &str) -> Self {
        let file = recordings().join(format!("{name}.http"));
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let find = |from: usize, what: &[u8]| {
            let at = bytes[from..].windows(what.len()).position(|window| window == what);
            from + at.unwrap_or_else(|| panic!("{name}: no {what:?}"))
        };
        let head = find(0, b"\r\n\r\n") + 4;
        let answer = find(head, b"HTTP/1.1 ");
        let first = String::from_utf8_lossy(&bytes[..find(0, b"\r\n")]).into_owned();
        let mut words = first.split(' ').map(str::to_owned);
        Self {
            method: words.next().expect("a method"),
            path: words.next().expect("a path"),
            body: serde_json::from_slice(&bytes[head..answer]).unwrap_or(Value::Null),
            answer: bytes[answer..].to_vec(),
        }
    }

    /// Every exchange with a server, by the beginning of their names.
    ///
    /// # Panics
    /// When there is none.
    pub fn all(server: &str) -> Vec<Self> {
        let files = fs::read_dir(recordings()).expect("tests/data/servers").flatten();
        let names = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".http")?.to_owned()));
        let mut names: Vec<String> = names.filter(|name| name.starts_with(server)).collect();
        names.sort_unstable();
        assert!(!names.is_empty(), "nothing was recorded of {server}");
        names.iter().map(|name| Self::read(name)).collect()
    }

    fn answers(&self, heard: &Heard) -> bool {
        (&self.method, &self.path, &self.body) == (&heard.method, &heard.path, &heard.body)
    }
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/servers")
}

/// A server that answers every byte as a real one did, and only what that was asked, word for word.
pub fn replay(server: &str) -> Speaker {
    let exchanges = Exchange::all(server);
    Speaker::new(move |heard| match exchanges.iter().find(|exchange| exchange.answers(heard)) {
        Some(exchange) => Speech::recorded(exchange),
        None => Speech::refusal(501, &serde_json::json!({ "error": "this was not recorded" })),
    })
}

/// A server that answers until it is dropped.
pub struct Speaker {
    address: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    gone: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Speaker {
    /// A server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn new(answer: impl Fn(&Heard) -> Speech + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("our own address"));
        let (heard, gone, over): (Arc<Mutex<Vec<Heard>>>, Arc<AtomicUsize>, Arc<AtomicBool>) = Default::default();
        let (kept, left, ended, answer) = (Arc::clone(&heard), Arc::clone(&gone), Arc::clone(&over), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let (kept, left, answer) = (Arc::clone(&kept), Arc::clone(&left), Arc::clone(&answer));
                thread::spawn(move || {
                    while let Some(heard) = hear(&stream, &kept) {
                        match speak(&stream, &answer(&heard)) {
                            Ok(Then::Listen) => {}
                            Ok(Then::Close) => return,
                            Err(_) => {
                                left.fetch_add(1, Ordering::Relaxed);
                                return;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heard, gone, over }
    }

    /// The full address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Everything that was asked so far.
    ///
    /// # Panics
    /// When a thread of the server panicked.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no test thread panics with it").clone()
    }

    /// The paths that were asked for, in order.
    pub fn paths(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.path).collect()
    }

    /// The last thing that was asked under this path.
    ///
    /// # Panics
    /// When nothing was.
    pub fn last(&self, path: &str) -> Heard {
        let heard = self.heard().into_iter().rfind(|heard| heard.path == path);
        heard.unwrap_or_else(|| panic!("`{path}` was not asked: {:?}", self.paths()))
    }

    /// Whether somebody goes away, within some seconds, before he was told everything.
    pub fn is_left(&self) -> bool {
        let start = Instant::now();
        while self.gone.load(Ordering::Relaxed) == 0 && start.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(5));
        }
        self.gone.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

fn hear(stream: &TcpStream, kept: &Mutex<Vec<Heard>>) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(Ok(0), |length| length.parse()).ok()?];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut kept = kept.lock().ok()?;
    let before = kept.iter().filter(|heard| heard.path == path).count();
    kept.push(Heard { method, path, headers, body, before });
    kept.last().cloned()
}

/// What becomes of a connection after an answer: what was recorded keeps it open, as the real server did.
enum Then {
    Listen,
    Close,
}

/// An error means that whoever asked has gone.
fn speak(mut stream: &TcpStream, speech: &Speech) -> std::io::Result<Then> {
    if let Some(bytes) = &speech.raw {
        return stream.write_all(bytes).map(|()| Then::Listen);
    }
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", speech.status);
    head += &match speech.length {
        Some(length) => format!("Content-Length: {length}\r\n"),
        None => "Transfer-Encoding: chunked\r\n".to_owned(),
    };
    for (name, value) in &speech.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let say = |mut stream: &TcpStream, bytes: &[u8]| match speech.length {
        Some(_) => stream.write_all(bytes),
        None => stream.write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()),
    };
    for step in &speech.steps {
        match step {
            Step::Say(bytes) if bytes.is_empty() => {}
            Step::Say(bytes) => say(stream, bytes)?,
            Step::Wait(pause) => thread::sleep(*pause),
            Step::Drop => return Ok(Then::Close),
            Step::Hang => {
                // Reading ends when whoever asked closes his side.
                let _ = stream.read(&mut [0]);
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            Step::Repeat(bytes) => loop {
                say(stream, bytes)?;
            },
        }
    }
    if speech.length.is_none() {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(Then::Close)
}
