//! How do time, memory and disk grow with the number of chunks, and what does the scan over bytes miss?
//!
//! `cargo run --release -p apprentice-engine --example recall_speed -- CHECKOUT CHUNKS…` cuts the source files below
//! CHECKOUT, repeats them under other names until there are as many chunks as asked for, and prints one line a size.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement, run by hand")]

use std::{
    error::Error,
    path::PathBuf,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use engine::{
    model::table::Table,
    notice::Notice,
    recall::{
        Chunked, IndexError, Place, Searcher, chunk,
        search::{Query, Weights},
        update::{self, Item, Library, Options, Wait},
    },
    source::{Content, Directory, RepoPath, SourceFile, Sources},
};

/// The files of a checkout, each as often as it takes.
struct Repeated {
    files: Vec<(RepoPath, Chunked)>,
    times: usize,
}

impl Library for Repeated {
    fn name(&self) -> &str {
        ""
    }

    fn items(&self) -> Result<Vec<Item>, IndexError> {
        let item = |time: usize, at: usize| {
            let path = RepoPath::new(format!("copy{time}/{}", self.files[at].0)).expect("a path below a folder");
            let content = [(time as u32).to_le_bytes(), (at as u32).to_le_bytes()].concat();
            Item { place: Place::File(path), content, title: String::new() }
        };
        Ok((0..self.times)
            .flat_map(|time| (0..self.files.len()).map(move |at| (time, at)))
            .map(|(t, a)| item(t, a))
            .collect())
    }

    fn chunks(&self, item: &Item) -> Result<Option<Chunked>, Notice> {
        let number = |from: usize| u32::from_le_bytes(item.content[from..from + 4].try_into().unwrap_or_default());
        let mut chunked = self.files[number(4) as usize].1.clone();
        // Each copy speaks of other things, or all copies would be one point.
        for chunk in &mut chunked.chunks {
            let word = WORDS[(number(0) as usize * 7 + chunk.lines.0 as usize) % WORDS.len()];
            chunk.doc.push_str(&format!("\n{word} {}", number(0)));
        }
        Ok(Some(chunked))
    }

    fn recent(&self, _: Option<&str>) -> Option<(String, Vec<(String, i64)>)> {
        None
    }
}

const WORDS: [&str; 12] = [
    "invoice", "planet", "queue", "violin", "tariff", "glacier", "packet", "harbor", "enzyme", "ledger", "pixel",
    "orchard",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().ok_or("usage: recall_speed CHECKOUT CHUNKS…")?);
    let files = cut(&root)?;
    let once: usize = files.iter().map(|(_, chunked)| chunked.chunks.len()).sum();
    println!("{once} chunks in {} files", files.len());
    println!("chunks\tbuild_s\tdisk_MB\topen_ms\tfirst_ms\tp50_ms\tp95_ms\trss_MB\trecall@10");
    let mut library = Repeated { files, times: 1 };
    for size in args {
        library.times = size.parse::<usize>()?.div_ceil(once).max(1);
        measure(&library, once * library.times)?;
    }
    Ok(())
}

fn cut(root: &std::path::Path) -> Result<Vec<(RepoPath, Chunked)>, Box<dyn Error>> {
    let directory = Directory::new(root);
    let mut files = Vec::new();
    for path in directory.list()? {
        let Some(Content::Bytes(bytes)) = directory.read(&path)? else { continue };
        if let Ok(file) = SourceFile::new(path.clone(), bytes, 1_000_000)
            && file.language.is_some_and(|language| language.name() == "python")
        {
            files.push((path, chunk::code(&file)));
        }
    }
    Ok(files)
}

fn measure(library: &Repeated, chunks: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let table = Table::builtin();
    let stop = AtomicBool::new(false);
    let options = Options { embedder: &table, wait: Wait::Never, anew: false, progress: &|_, _, _| {}, stop: &stop };
    let begun = Instant::now();
    update::update(folder.path(), &[library], &options)?;
    let build = begun.elapsed();
    let begun = Instant::now();
    let searcher = Searcher::open(folder.path(), &[""])?;
    let open = begun.elapsed();
    let questions = questions(library);
    let ask = |text: &str| -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        let query = Query { text, most: 10, from: None, weights: Weights::default() };
        let hits = searcher.search(&query, &table)?;
        assert!(!hits.is_empty());
        Ok(begun.elapsed())
    };
    let first = ask(&questions[0])?;
    let mut times = questions.iter().map(|text| ask(text)).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let rss = resident();
    let recall = recall(&searcher, &table, &questions[..questions.len().min(50)])?;
    let disk = update::status(folder.path(), "")?.bytes as f64 / 1e6;
    println!(
        "{chunks}\t{:.1}\t{disk:.0}\t{:.1}\t{:.1}\t{:.1}\t{:.1}\t{rss:.0}\t{recall:.4}",
        build.as_secs_f64(),
        open.as_secs_f64() * 1e3,
        first.as_secs_f64() * 1e3,
        at(0.5),
        at(0.95)
    );
    Ok(())
}

/// Every so many-th first line of a doc comment, and as many names.
fn questions(library: &Repeated) -> Vec<String> {
    let chunks: Vec<_> = library.files.iter().flat_map(|(_, chunked)| &chunked.chunks).collect();
    let docs = chunks.iter().filter_map(|chunk| chunk.doc.lines().find(|line| line.split(' ').count() > 3));
    let names = chunks.iter().map(|chunk| chunk.name()).filter(|name| name.len() > 6);
    let every = |step: usize| (chunks.len() / step).max(1);
    docs.step_by(every(1500))
        .take(150)
        .map(str::to_owned)
        .chain(names.step_by(every(150)).take(150).map(str::to_owned))
        .collect()
}

fn recall(searcher: &Searcher, table: &Table, questions: &[String]) -> Result<f64, Box<dyn Error>> {
    let mut found = 0;
    for text in questions {
        let exact = searcher.meaning_exact(text, table, 10)?;
        let ours = searcher.meaning(text, table, 10)?;
        // Copies tie: whatever is as near as the tenth is as good.
        let least = exact.last().map_or(0.0, |last| last.1) - 1e-6;
        found += ours.iter().filter(|(_, cosine)| *cosine >= least).count();
    }
    Ok(found as f64 / (questions.len() * 10) as f64)
}

/// Resident memory of this process, in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}
