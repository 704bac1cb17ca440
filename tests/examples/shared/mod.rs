//! How is a bot started for a measurement, and what does it cost? One process on a port and a folder of its own.
#![expect(clippy::disallowed_methods, reason = "a measurement makes files, runs the bot and reads /proc")]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use forge::{Forge, Options};

/// The secret that webhooks are signed with here.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// A forge without a limit on requests: what is measured is the bot.
pub(crate) fn forge() -> Forge {
    let options = Options { secret: SECRET.into(), rate: u64::MAX / 2, ..Options::default() };
    Forge::start(options).expect("a forge")
}

/// A bot that serves a forge, without linters and without a model.
pub(crate) struct Serving {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Starts it, and returns when it is ready. The forge sends its webhooks there from now on.
    pub(crate) fn start(forge: &Forge) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::write(root.join("app.pem"), forge::TEST_KEY).expect("the key");
        fs::write(root.join("operator.toml"), "[linters]\nenable = false\n").expect("the operator's file");
        let settings = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nstate = \"state\"\n\n[github]\napi = \"{url}\"\nweb = \"{url}\"\n\
             app_id = 7\nprivate_key_file = \"app.pem\"\n\n[review]\nconfig = \"operator.toml\"\nmax_comments = 100\n",
            url = forge.url(),
        );
        fs::write(root.join("bot.toml"), settings).expect("the settings");
        let binary = std::env::var_os("APPRENTICE_BOT")
            .map_or_else(|| kit::binary().with_file_name("apprentice-bot"), PathBuf::from);
        let child = Command::new(binary)
            .args(["--config", "bot.toml", "serve"])
            .current_dir(root)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", root)
            .env("APPRENTICE_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(root.join("log")).expect("a log"))
            .spawn()
            .expect("apprentice-bot starts");
        let bot = Self { child, folder, port };
        let started = Instant::now();
        while !bot.is_ready() {
            assert!(started.elapsed() < Duration::from_secs(30), "not ready:\n{}", bot.log());
            thread::sleep(Duration::from_millis(20));
        }
        forge.webhooks_to(&bot.webhook());
        bot
    }

    /// Where deliveries go.
    pub(crate) fn webhook(&self) -> String {
        format!("http://127.0.0.1:{}/webhook", self.port)
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = String::new();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.contains("200 OK")
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// CPU seconds so far: of the process itself, and of the programs it waited for (git).
    pub(crate) fn cpu(&self) -> (f64, f64) {
        cpu(self.child.id())
    }

    /// Its resident memory in KiB, now and at most.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

/// CPU seconds of a process and of its children, from `/proc/PID/stat`: ticks of 10 ms.
pub(crate) fn cpu(pid: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
        .unwrap_or_default();
    let of = |at: usize| fields.get(at).copied().unwrap_or(0.0) / 100.0;
    (of(11) + of(12), of(13) + of(14))
}

/// The value below which this part of the sorted values lies.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = ((sorted.len() as f64 - 1.0) * part).ceil().max(0.0) as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The value of `--NAME` on the command line, or what holds without it.
pub(crate) fn given<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    let flag = format!("--{name}");
    let mut arguments = std::env::args().skip_while(|argument| *argument != flag).skip(1);
    arguments.next().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}
