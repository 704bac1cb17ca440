//! Which model is the one for this machine? Of those that are there for `auto`, and of those that can be fetched.
#![expect(clippy::disallowed_methods, reason = "asks the system how much memory is free")]

use std::{cmp::Reverse, fs, path::Path, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    Access, Opened,
    chat::ModelError,
    library::{self, Entry},
    ollama, open_file,
};
use crate::notice::Notice;

/// How long an Ollama server has to answer before it counts as not there.
const QUICK: Duration = Duration::from_millis(300);

/// How many models of a server are tried, best first.
const TRIED: usize = 5;

/// A model of an Ollama server that has fewer bytes only names one that is elsewhere.
const LEAST_BYTES: u64 = 10_000_000;

/// A model that can be fetched when none is named.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recommended {
    /// What its makers call it.
    pub name: String,
    /// What fetches it: see [`library::Source::parse`].
    pub source: String,
    /// Billions of bytes of memory that must be free for it.
    pub memory_gb: u64,
    /// How many threads the machine should have.
    pub cores: usize,
}

/// The model to fetch when none is named, and why that one.
///
/// # Errors
/// Words that say so when the table that is compiled in is damaged, which a test rules out.
pub fn recommended() -> Result<(Recommended, String), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    choose(&table()?, free_memory(), cores).ok_or_else(|| "config/models.toml names no model".to_owned())
}

/// The last of the table that suits so much memory and so many cores, else the first; and why.
fn choose(table: &[Recommended], free: Option<u64>, cores: usize) -> Option<(Recommended, String)> {
    let smallest = table.first()?.clone();
    let Some(free) = free else {
        return Some((smallest, "how much memory is free is not known here, so the smallest".to_owned()));
    };
    let suits = |one: &&Recommended| one.memory_gb * 1_000_000_000 <= free && one.cores <= cores;
    let here = format!("{:.1} GB of memory are free on {cores} cores", free as f64 / 1e9);
    Some(match table.iter().rfind(suits).cloned() {
        Some(best) => {
            let why = format!("{here}, and it wants {} GB and {}; name another to have it", best.memory_gb, best.cores);
            (best, why)
        }
        None => (smallest, format!("{here}, so the smallest; it may be too much")),
    })
}

fn table() -> Result<Vec<Recommended>, String> {
    #[derive(Deserialize)]
    struct Table {
        model: Vec<Recommended>,
    }
    let text = include_str!("../../../config/models.toml");
    toml::from_str(text).map(|Table { model }| model).map_err(|error| error.to_string())
}

/// Bytes of memory that programs may still take; none where the system is not Linux or does not say.
fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What `auto` means here: a model of Ollama, else a file of the user's folder, else none. Nothing is ever fetched.
pub(super) fn open(access: &Access) -> Result<Option<Opened>, ModelError> {
    let free = free_memory();
    if let Some(opened) = of_ollama(access, free) {
        return Ok(Some(opened));
    }
    let Some(entry) = best_file(library::list(&access.models).unwrap_or_default(), free) else { return Ok(None) };
    let mut opened = open_file(&entry.path, access)?;
    let what = format!("auto took the model file `{}`", entry.file);
    opened.notices.insert(0, Notice::note("model", what).advise(SET));
    Ok(Some(opened))
}

const SET: &str = "set `model.name` to have another";

fn of_ollama(access: &Access, free: Option<u64>) -> Option<Opened> {
    let listed = ollama::list(access, QUICK).ok()?;
    let candidates = candidates(listed, free);
    candidates.iter().take(TRIED).find_map(|name| {
        let model = ollama::Chat::connect(name, access).ok()?;
        let what = format!("auto took `ollama:{name}`");
        Some(Opened { model: Arc::new(model), notices: vec![Notice::note("model", what).advise(SET)] })
    })
}

/// The names of models that may answer in words and fit into memory, best first.
fn candidates(listed: Vec<ollama::Listed>, free: Option<u64>) -> Vec<String> {
    let may_chat = |one: &ollama::Listed| {
        one.bytes >= LEAST_BYTES && fits(one.bytes, free) && !embeds(&one.name) && !embeds(&one.family)
    };
    let mut fitting: Vec<ollama::Listed> = listed.into_iter().filter(may_chat).collect();
    fitting.sort_by_key(|one| (Reverse(is_for_code(&one.name)), Reverse(one.bytes), one.name.clone()));
    fitting.into_iter().map(|one| one.name).collect()
}

/// The best of the files that may answer in words and fit into memory.
fn best_file(entries: Vec<Entry>, free: Option<u64>) -> Option<Entry> {
    let may_chat = |entry: &Entry| {
        let about = entry.about.as_ref()?;
        let is_model = about.kind.as_deref().is_none_or(|kind| kind == "model");
        let is_part = entry.file.contains("-of-0") || entry.file.contains("mmproj");
        (is_model && !is_part && fits(entry.bytes, free) && !embeds(&about.architecture) && !embeds(&entry.file))
            .then_some(())
    };
    let fitting = entries.into_iter().filter(|entry| may_chat(entry).is_some());
    fitting.max_by_key(|entry| (is_for_code(&entry.file), entry.bytes, Reverse(entry.file.clone())))
}

/// Whether weights fit into memory, with a quarter more for what they are worked on with.
fn fits(bytes: u64, free: Option<u64>) -> bool {
    free.is_none_or(|free| bytes.saturating_add(bytes / 4) <= free)
}

fn is_for_code(name: &str) -> bool {
    let name = name.to_lowercase();
    ["code", "coder", "codestral", "devstral", "starcoder"].iter().any(|word| name.contains(word))
}

fn embeds(name: &str) -> bool {
    let name = name.to_lowercase();
    ["embed", "bert", "minilm", "rerank", "bge-", "e5-"].iter().any(|word| name.contains(word))
}

/// What `auto` would take, in words for a person; asks the server and reads the folder, and opens nothing.
pub fn told(access: &Access) -> String {
    let free = free_memory();
    let of_ollama = ollama::list(access, QUICK).map(|listed| candidates(listed, free));
    if let Ok([best, ..]) = of_ollama.as_deref() {
        return format!("ollama:{best}");
    }
    match best_file(library::list(Path::new(&access.models)).unwrap_or_default(), free) {
        Some(entry) => entry.file,
        None if of_ollama.is_ok() => "none: Ollama has no model that fits, nor has the folder of models".to_owned(),
        None => "none: no Ollama server answers, and the folder of models has none that fits".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::library::{About, Source};

    #[test]
    fn what_is_recommended_can_be_fetched_and_grows_with_memory() {
        let table = table().unwrap();
        assert!(table.iter().all(|one| Source::parse(&one.source).is_ok()), "{table:?}");
        assert!(table.is_sorted_by_key(|one| one.memory_gb) && table.len() >= 3);
        assert!(recommended().is_ok());
        let chosen = |free, cores| choose(&table, free, cores).unwrap().0.memory_gb;
        assert_eq!((chosen(Some(21_000_000_000), 2), chosen(Some(21_000_000_000), 16)), (3, 16));
        assert_eq!((chosen(Some(500_000_000), 16), chosen(None, 16)), (1, 1));
    }

    #[test]
    fn a_model_for_code_goes_before_a_larger_one_that_fits_before_one_that_does_not() {
        let listed = |name: &str, bytes: u64, family: &str| ollama::Listed {
            name: name.into(),
            bytes,
            family: family.into(),
            quantization: String::new(),
        };
        let all = vec![
            listed("nomic-embed-text", 300_000_000, "nomic-bert"),
            listed("llama3:8b", 4_700_000_000, "llama"),
            listed("qwen2.5-coder:1.5b", 1_000_000_000, "qwen2"),
            listed("qwen2.5-coder:32b", 20_000_000_000, "qwen2"),
            listed("qwen3-coder:480b-cloud", 400, ""),
        ];
        assert_eq!(candidates(all.clone(), Some(8_000_000_000)), ["qwen2.5-coder:1.5b", "llama3:8b"]);
        assert_eq!(candidates(all, None)[0], "qwen2.5-coder:32b");
    }

    #[test]
    fn a_file_that_is_no_whole_model_is_not_taken() {
        let entry = |file: &str, bytes: u64, kind: Option<&str>, architecture: &str| Entry {
            file: file.into(),
            path: PathBuf::from(file),
            bytes,
            about: Some(About { kind: kind.map(str::to_owned), architecture: architecture.into(), ..About::default() }),
            wrong: None,
        };
        let all = vec![
            entry("a.gguf", 2_000, Some("model"), "llama"),
            entry("b-coder.gguf", 1_000, None, "qwen2"),
            entry("lora-coder.gguf", 9_000, Some("adapter"), "qwen2"),
            entry("bge.gguf", 9_000, None, "bert"),
            entry("c-coder-00001-of-00002.gguf", 9_000, None, "qwen2"),
            Entry { about: None, ..entry("damaged-code.gguf", 9_000, None, "") },
        ];
        assert_eq!(best_file(all.clone(), Some(1 << 30)).unwrap().file, "b-coder.gguf");
        assert_eq!(best_file(all[..1].to_vec(), None).unwrap().file, "a.gguf");
        assert_eq!(best_file(all, Some(1_000)), None);
    }
}
