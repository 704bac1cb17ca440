//! Turns `config/rules/<language>/<name>.yml` and `config/linters/<tool>.toml` into tables compiled into the binary.
//!
//! A rule is stored twice: its matching part as compact JSON with the literals that any file it can match must
//! contain, and the whole file as text for `rules explain` and `rules test`. Nothing is parsed at start-up.

#![expect(clippy::disallowed_methods, reason = "a build script reads the sources it compiles in")]

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

#[path = "src/check/rule/literal.rs"]
mod literal;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let config = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../config");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={}", config.join("rules").display());
    println!("cargo::rerun-if-changed={}", config.join("linters").display());
    println!("cargo::rerun-if-changed=src/check/rule/literal.rs");
    fs::write(out.join("rules.rs"), rules(&config.join("rules"))?)?;
    fs::write(out.join("linters.rs"), linters(&config.join("linters"))?)?;
    Ok(())
}

fn rules(root: &Path) -> Result<String> {
    let mut table = String::from("&[\n");
    for file in files(root, "yml")? {
        let folder =
            file.parent().and_then(Path::file_name).ok_or("a rule outside a folder")?.to_string_lossy().into_owned();
        let stem = file.file_stem().ok_or("a rule without a name")?.to_string_lossy().into_owned();
        let id = format!("{folder}/{stem}");
        let text = fs::read_to_string(&file)?;
        let mut rule: Map<String, Value> =
            serde_saphyr::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let (literals, own_literals) = (literal::required(&rule), literal::required_of_node(&rule));
        let languages = match rule.get("languages") {
            Some(Value::Array(names)) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            _ if folder == "any" => Vec::new(),
            _ => vec![folder],
        };
        rule.values_mut().for_each(|value| ascii_regexes(value, false));
        rule.retain(|key, _| !matches!(key.as_str(), "valid" | "invalid" | "references" | "languages"));
        let json = serde_json::to_string(&rule)?;
        writeln!(
            table,
            "Embedded {{ id: {id:?}, languages: &{languages:?}, literals: &{}, own_literals: &{}, json: {json:?}, yaml: include_str!({:?}) }},",
            slices(&literals),
            slices(&own_literals),
            file.canonicalize()?
        )?;
    }
    table.push(']');
    Ok(table)
}

/// Writes `\w`, `\d`, `\s` and `\b` of every `regex` with ASCII meaning. Code is written in ASCII but for its strings
/// and comments, and the Unicode tables behind these classes cost more to compile than everything else in a rule.
fn ascii_regexes(value: &mut Value, is_regex: bool) {
    match value {
        Value::String(regex) if is_regex => *regex = ascii_classes(regex),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| ascii_regexes(value, key == "regex")),
        Value::Array(items) => items.iter_mut().for_each(|item| ascii_regexes(item, is_regex)),
        _ => {}
    }
}

fn ascii_classes(regex: &str) -> String {
    let mut out = String::with_capacity(regex.len() * 2);
    let mut chars = regex.chars();
    let mut depth = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().unwrap_or('\\');
                match (escaped, depth) {
                    ('w', 0) => out.push_str("[0-9A-Za-z_]"),
                    ('w', _) => out.push_str("0-9A-Za-z_"),
                    ('d', 0) => out.push_str("[0-9]"),
                    ('d', _) => out.push_str("0-9"),
                    ('s', 0) => out.push_str(r"[\t\n\x0B\x0C\r ]"),
                    ('s', _) => out.push_str(r"\t\n\x0B\x0C\r "),
                    ('W', 0) => out.push_str("[^0-9A-Za-z_]"),
                    ('D', 0) => out.push_str("[^0-9]"),
                    ('S', 0) => out.push_str(r"[^\t\n\x0B\x0C\r ]"),
                    ('b', 0) => out.push_str(r"(?-u:\b)"),
                    (other, _) => out.extend(['\\', other]),
                }
            }
            '[' => {
                depth += 1;
                out.push(c);
                // A bracket right after the opening (or its negation) stands for itself.
                let mut rest = chars.clone();
                let negated = rest.next() == Some('^');
                if negated {
                    out.push('^');
                    chars.next();
                }
                if chars.clone().next() == Some(']') {
                    chars.next();
                    out.push_str(r"\]");
                }
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn slices(clauses: &[Vec<String>]) -> String {
    let clauses: Vec<String> = clauses.iter().map(|clause| format!("&{clause:?}")).collect();
    format!("[{}]", clauses.join(", "))
}

fn linters(root: &Path) -> Result<String> {
    let mut table = String::from("&[\n");
    for file in files(root, "toml")? {
        let name = file.file_stem().ok_or("a linter without a name")?.to_string_lossy().into_owned();
        writeln!(table, "({name:?}, include_str!({:?})),", file.canonicalize()?)?;
    }
    table.push(']');
    Ok(table)
}

/// Every file below `root` with this extension, in order; none where `root` does not exist.
fn files(root: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
