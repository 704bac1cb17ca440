//! `apprentice model`

use std::{
    io::IsTerminal as _,
    path::Path,
    process::ExitCode,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use engine::{
    config::ModelSpec,
    model::{
        Access, choice,
        library::{self, Entry, Limits, Source},
        ollama,
    },
    notice::{Gravity, Notice},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::{
    args::{self, Args, ModelCommand},
    env, review,
    setup::{self, Setup, Topic},
};

/// How long an Ollama server has to list its models.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args, given: &args::Model) -> Result<ExitCode> {
    let access = setup::read(args)?.access(Topic::Other);
    match &given.command {
        ModelCommand::List { json } => list(&access, *json)?,
        ModelCommand::Pull { name, json } => pull(&access, name.as_deref(), *json)?,
        ModelCommand::Import { file, json } => import(&access, file, *json)?,
        ModelCommand::Show { name, json } => show(&access, name, *json)?,
        ModelCommand::Rm { name } => remove(&access, name)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What `doctor` says of the model: whether it can be asked, and which it is.
pub(crate) fn look(setup: &Setup) -> (bool, String) {
    let access = setup.access(Topic::Project);
    let spec = &setup.config.model.name;
    match spec {
        ModelSpec::None => {
            (true, "none is asked for; `model.name` names one, `apprentice model pull` fetches one".into())
        }
        // Its header says enough; reading its weights takes a while.
        ModelSpec::File(file) => match library::find(&access.models, file) {
            Ok(entry) => (entry.wrong.is_none(), row(&entry).join("  ").trim_end().to_owned()),
            Err(error) => (false, format!("{error}; {}", error.advice().unwrap_or_default())),
        },
        ModelSpec::Auto => (true, format!("auto: {}", choice::told(&access))),
        spec => match engine::model::open(spec, &access) {
            Ok(Some(opened)) => (true, format!("{}, takes in {} tokens", opened.model.name(), opened.model.window())),
            Ok(None) => (true, "none".into()),
            Err(error) => (false, error.to_string()),
        },
    }
}

/// What `doctor` says of the adapters of this project: which would be laid over the model, and which would not.
pub(crate) fn adapters(setup: &Setup) -> Vec<(bool, String)> {
    let ModelSpec::File(file) = &setup.config.model.name else { return Vec::new() };
    let chosen = engine::model::adapter_of(file, &setup.access(Topic::Project));
    let told = |notice: Notice| (notice.gravity == Gravity::Note, format!("{}: {}", notice.about, notice.what));
    chosen.notices.into_iter().map(told).collect()
}

fn list(access: &Access, json: bool) -> Result<()> {
    let files = library::list(&access.models)?;
    let served = ollama::list(access, PATIENCE);
    if json {
        let served: Vec<_> = served.iter().flatten().map(in_json).collect();
        return print_json(&json!({ "folder": access.models, "files": files, "ollama": served }));
    }
    let mut rows: Vec<[String; 5]> = files.iter().map(row).collect();
    rows.extend(served.iter().flatten().map(|one| {
        [
            format!("ollama:{}", one.name),
            megabytes(one.bytes),
            one.family.clone(),
            one.quantization.clone(),
            String::new(),
        ]
    }));
    let mut text = table(&rows);
    if rows.is_empty() {
        text = format!("no models in `{}`; `apprentice model pull` fetches one\n", access.models.display());
    }
    review::print(&text)?;
    if let Err(error) = served {
        anstream::eprintln!("{error}");
    }
    Ok(())
}

fn in_json(one: &ollama::Listed) -> serde_json::Value {
    json!({ "name": one.name, "bytes": one.bytes, "architecture": one.family, "quantization": one.quantization })
}

/// Name, size, architecture, quantization and context.
fn row(entry: &Entry) -> [String; 5] {
    let (kind, quantization, context) = match (&entry.about, &entry.wrong) {
        (Some(about), _) => {
            let kind = match about.kind.as_deref() {
                None | Some("model") => about.architecture.clone(),
                Some(other) => format!("{} ({other})", about.architecture),
            };
            let context = about.context.map_or_else(String::new, |context| format!("{context} tokens"));
            (kind, about.quantization.clone(), context)
        }
        (None, wrong) => (format!("no model: {}", wrong.as_deref().unwrap_or("")), String::new(), String::new()),
    };
    [entry.file.clone(), megabytes(entry.bytes), kind, quantization, context]
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Rows in columns as wide as their widest cell; sizes to the right.
fn table(rows: &[[String; 5]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let [name, size, kind, quantization, context] = row;
        let [a, b, c, d, _] = widths;
        let line = format!("{name:a$}  {size:>b$}  {kind:c$}  {quantization:d$}  {context}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn pull(access: &Access, name: Option<&str>, json: bool) -> Result<()> {
    let source = match name {
        Some(name) => Source::parse(name)?,
        None => {
            let (chosen, why) = choice::recommended().map_err(anyhow::Error::msg)?;
            anstream::eprintln!("{}: {why}", chosen.name);
            Source::parse(&chosen.source)?
        }
    };
    let (bar, stop) = (Bar::new(), AtomicBool::new(false));
    if let Source::Ollama(name) = &source {
        ollama::pull(name, access, &stop, &mut |what, done, all| bar.tell(what, done, all))?;
        drop(bar);
        return review::print(&format!("ollama:{name} is there\n"));
    }
    let limits = Limits { hub: env::hub().unwrap_or(Limits::default().hub), ..Limits::default() };
    let pulled =
        library::pull(&access.models, &source, &limits, &stop, &mut |what, done, all| bar.tell(what, done, all))?;
    drop(bar);
    if json {
        return print_json(&json!(pulled));
    }
    let checked = if pulled.is_checked { "as its source says" } else { "its source names none to hold it against" };
    let was = if pulled.was_there { "was there already" } else { "is there" };
    review::print(&format!(
        "{} {was} ({})\nSHA-256 {} ({checked})\nmodel.name = \"{}\" uses it\n",
        pulled.entry.path.display(),
        megabytes(pulled.entry.bytes),
        pulled.sha256,
        pulled.entry.file
    ))
}

fn import(access: &Access, file: &Path, json: bool) -> Result<()> {
    let (bar, stop) = (Bar::new(), AtomicBool::new(false));
    let imported = library::import(&access.models, file, &stop, &mut |what, done, all| bar.tell(what, done, all))?;
    drop(bar);
    if json {
        return print_json(&json!(imported));
    }
    let how = if imported.is_linked { ", sharing its bytes with the file it was made from" } else { "" };
    review::print(&format!(
        "{} is there ({}{how})\nSHA-256 {}\nmodel.name = \"{}\" uses it\n",
        imported.entry.path.display(),
        megabytes(imported.entry.bytes),
        imported.sha256,
        imported.entry.file
    ))
}

fn show(access: &Access, name: &str, json: bool) -> Result<()> {
    if let Some(name) = name.strip_prefix("ollama:") {
        let listed = ollama::list(access, PATIENCE)?;
        let full = if name.contains(':') { name.to_owned() } else { format!("{name}:latest") };
        let Some(one) = listed.iter().find(|one| one.name == full) else {
            bail!("the Ollama server does not have `{name}`; `apprentice model pull ollama:{name}` fetches it");
        };
        let text = format!("ollama:{}\n{}\n{} {}\n", one.name, megabytes(one.bytes), one.family, one.quantization);
        return if json { print_json(&in_json(one)) } else { review::print(&text) };
    }
    let entry = library::show(&access.models, name)?;
    if json {
        return print_json(&json!(entry));
    }
    let [file, size, kind, quantization, context] = row(&entry);
    let mut text = format!("{}\n", entry.path.display());
    let about = entry.about.as_ref();
    let fields = [
        ("file", file),
        ("name", about.and_then(|about| about.name.clone()).unwrap_or_default()),
        ("size", size),
        ("parameters", about.and_then(|about| about.size.clone()).unwrap_or_default()),
        ("architecture", kind),
        ("quantization", quantization),
        ("context", context),
        ("tensors", about.map(|about| about.tensors.to_string()).unwrap_or_default()),
    ];
    for (field, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("{field:<12}  {value}\n");
    }
    review::print(&text)
}

fn remove(access: &Access, name: &str) -> Result<()> {
    if let Some(name) = name.strip_prefix("ollama:") {
        ollama::remove(name, access)?;
        return review::print(&format!("the Ollama server dropped `{name}`\n"));
    }
    let entry = library::remove(&access.models, name)?;
    review::print(&format!("removed {} ({})\n", entry.path.display(), megabytes(entry.bytes)))
}

fn print_json(value: &serde_json::Value) -> Result<()> {
    review::print(&format!("{value:#}\n"))
}

/// A bar on a terminal, once it takes a while; nothing elsewhere.
struct Bar {
    bar: ProgressBar,
    begun: Instant,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now() }
    }

    fn tell(&self, what: &str, done: u64, all: u64) {
        let is_due = self.begun.elapsed() > Duration::from_millis(300);
        if self.bar.is_hidden() && is_due && std::io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_length(all);
        self.bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
