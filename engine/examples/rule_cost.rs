//! What does each rule cost on a folder of sources? `cargo run --release --example rule_cost -- FOLDER`
//!
//! One thread, each rule alone on files that are parsed already, so that the figure is matching without parsing.

use std::{path::Path, time::Instant};

use engine::{
    change::FileChange,
    check::{Target, rule::RuleSet},
    config::Config,
    source::{Content, Directory, SourceFile, Sources},
};

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let directory = Directory::new(Path::new(&folder));
    let config = Config::default();
    let files: Vec<(SourceFile, FileChange)> = directory
        .list()
        .expect("a folder that can be read")
        .into_iter()
        .filter_map(|path| match directory.read(&path) {
            Ok(Some(Content::Bytes(bytes))) => {
                let file = SourceFile::new(path.clone(), bytes, config.review.max_file_bytes).ok()?;
                file.language.is_some().then(|| (file, FileChange::whole(path, None)))
            }
            _ => None,
        })
        .collect();
    let targets: Vec<Target<'_>> =
        files.iter().map(|(file, change)| Target::new(file, None, change, &config.checks)).collect();
    let started = Instant::now();
    let trees = targets.iter().filter(|target| target.tree().is_some()).count();
    println!("{:>9.1} ms  parsing {trees} files", started.elapsed().as_secs_f64() * 1e3);
    let mut costs: Vec<(f64, usize, String)> = RuleSet::builtin()
        .iter()
        .map(|rule| {
            let alone = RuleSet::builtin().filtered(|id| id == &*rule.id);
            let started = Instant::now();
            let found: usize = targets.iter().map(|target| alone.run(target, &mut |_| {}).len()).sum();
            (started.elapsed().as_secs_f64() * 1e3, found, rule.id.to_string())
        })
        .collect();
    costs.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("{:>9.1} ms  all rules one by one", costs.iter().map(|cost| cost.0).sum::<f64>());
    for (milliseconds, found, id) in costs.iter().take(60) {
        println!("{milliseconds:>9.1} ms  {found:>6} found  {id}");
    }
}
