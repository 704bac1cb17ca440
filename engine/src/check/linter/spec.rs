//! What is an external linter, as its file in `config/linters` says it?

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobSet, GlobSetBuilder};
use regex::Regex;
use serde::Deserialize;

use crate::{
    finding::{Category, Confidence, Severity},
    source::{Language, SourceFile},
};

/// A linter ready to be looked for: its file, checked, with globs and patterns compiled.
#[derive(Debug)]
pub struct Linter {
    /// Its name: the file's name without `.toml`, and the first part of its check ids.
    pub name: String,
    /// Everything its file says.
    pub spec: Spec,
    /// The patterns of an `errorformat` output, compiled.
    pub(super) patterns: Vec<Regex>,
    /// The file's text: part of every cache key, so that another mapping never meets old results.
    pub(super) text: String,
    files: GlobSet,
    exclude: GlobSet,
}

/// One file of `config/linters`. An unknown key is an error.
///
/// A linter runs **by default only if the repository asks for it**: one of `config_files` or `root_files` is there,
/// in the file's folder or above it. Only with `useful_unconfigured = true` (the tool has few false alarms and needs
/// no choices made for it) is being installed enough. A linter named in `linters.only` was asked for by name and
/// needs no configuration either.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What it is for, in one line.
    pub about: String,
    /// Its home page.
    pub url: String,
    /// The program, as it is called on PATH.
    pub command: String,
    /// Programs that must be there too, such as `cargo-clippy`.
    #[serde(default)]
    pub also: Vec<String>,
    /// Arguments. `{files}` stands for the files, each an argument of its own; `{config}`, `{state}`, `{home}` and
    /// `{root}` for paths. An argument with `{config}` is left out, with the one before it where that is a flag, when
    /// there is no configuration file.
    pub args: Vec<String>,
    /// Arguments that make it print its version; empty where it cannot.
    #[serde(default = "version_flag")]
    pub version: Vec<String>,
    /// Files it reads, by language.
    #[serde(default)]
    pub languages: Vec<Language>,
    /// Files it reads, by glob.
    #[serde(default)]
    pub files: Vec<String>,
    /// Files it does not read although they match.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether it is given files, or finds them itself.
    pub granularity: Granularity,
    /// What must lie in the scratch directory.
    pub needs: Needs,
    /// Whether it writes into the tree it reads. It then gets a tree of its own, which stays between runs on one's
    /// own changes, so that a build starts from the last one.
    #[serde(default)]
    pub writes_tree: bool,
    /// Folders that git ignores and the tool needs, such as `node_modules`: linked, readable, from the project.
    #[serde(default)]
    pub links: Vec<String>,
    /// What it reads below the user's home directory; everything else there is hidden from it.
    #[serde(default)]
    pub home: Vec<HomeRead>,
    /// Variables it is given. The placeholders of `args` hold here too.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables passed on from the caller's environment. All others are removed.
    #[serde(default)]
    pub env_pass: BTreeSet<String>,
    /// Files that configure it. For an untrusted change they are read from the base version.
    #[serde(default)]
    pub config_files: Vec<ConfigFile>,
    /// Files that mark the folder it has to be started in.
    #[serde(default)]
    pub root_files: Vec<String>,
    /// Which of several such folders.
    #[serde(default)]
    pub root: Root,
    /// Whether it says useful things where the repository does not configure it.
    #[serde(default)]
    pub useful_unconfigured: bool,
    /// Whether it runs code of the project or code that the project's configuration names.
    pub runs_code: bool,
    /// Why `runs_code` is what it is.
    pub runs_code_because: String,
    /// How many times `linters.timeout_seconds` it may take: more than 1 for tools that build the project first.
    #[serde(default = "once")]
    pub patience: u64,
    /// Messages that start so are no findings.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Memory it may use, in MiB.
    #[serde(default = "default_memory")]
    pub memory_mib: u64,
    /// Exit codes after which its output may be read.
    #[serde(default)]
    pub exit: Exit,
    /// How its words for severity are to be read.
    #[serde(default)]
    pub severity: SeverityMap,
    /// What its findings are about.
    pub category: CategoryMap,
    /// How likely its findings are right.
    #[serde(default = "default_confidence")]
    pub confidence: Confidence,
    /// Weakness classes by code, where it does not tell them itself.
    #[serde(default)]
    pub cwe: BTreeMap<String, u32>,
    /// Built-in checks that say the same, by code; the linter's finding on the same line is then marked as repeated.
    #[serde(default)]
    pub same_as: BTreeMap<String, Vec<String>>,
    /// Where to read about a code: `{code}` stands for it.
    #[serde(default)]
    pub code_url: Option<String>,
    /// Put before a code that is a bare number.
    #[serde(default)]
    pub code_prefix: String,
    /// Removed from the front of its codes.
    #[serde(default)]
    pub code_strip: Vec<String>,
    /// How its output is written.
    pub output: Output,
}

fn version_flag() -> Vec<String> {
    vec!["--version".into()]
}

fn once() -> u64 {
    1
}

fn default_memory() -> u64 {
    2_048
}

fn default_confidence() -> Confidence {
    Confidence::High
}

/// Whether a linter is given files, or finds them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// It is given files and what it says of one depends on that file and the configuration: cached by file.
    Files,
    /// It sees them together: cached as a whole.
    Project,
}

/// What must lie in the scratch directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// The files in scope and the configuration files above them.
    Files,
    /// The whole version. Costs one read and one write of every file, once for all linters of a review.
    Tree,
}

/// Which of several root folders a linter is started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// The one nearest to the file.
    #[default]
    Nearest,
    /// The one farthest from it.
    Outermost,
}

/// Something below the home directory that a linter may read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeRead {
    /// Where the tool expects it, relative to the home directory.
    pub path: String,
    /// A variable that moves it elsewhere.
    #[serde(default)]
    pub env: Option<String>,
    /// What follows the variable's value.
    #[serde(default)]
    pub below: Option<String>,
}

/// A file that configures a linter.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ConfigFile {
    /// By its name alone.
    Name(String),
    /// Only if it has a section for the tool.
    Section {
        /// Its name.
        path: String,
        /// What must stand in it.
        contains: String,
    },
}

impl ConfigFile {
    /// Its path, relative to some folder of the repository.
    pub fn path(&self) -> &str {
        match self {
            Self::Name(path) | Self::Section { path, .. } => path,
        }
    }

    /// Whether a file of that name with these bytes configures the tool.
    pub fn accepts(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Name(_) => true,
            Self::Section { contains, .. } => memchr::memmem::find(bytes, contains.as_bytes()).is_some(),
        }
    }
}

/// Exit codes after which a linter's output may be read. Any other is a crash.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// It ran; whether it found something does not show.
    #[serde(default = "zero")]
    pub clean: Vec<i32>,
    /// It ran and found something. If nothing can be read from its output then it did not run after all.
    #[serde(default)]
    pub found: Vec<i32>,
}

fn zero() -> Vec<i32> {
    vec![0]
}

impl Default for Exit {
    fn default() -> Self {
        Self { clean: zero(), found: vec![1] }
    }
}

/// How a linter's words for severity are to be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityMap {
    /// For words that are not in the table, and for none.
    pub default: Severity,
    /// By the tool's word in lower case.
    #[serde(default)]
    pub words: BTreeMap<String, Severity>,
    /// By code, which wins over the word; `S1*` stands for all that start so, the longest match wins.
    #[serde(default)]
    pub codes: BTreeMap<String, Severity>,
}

impl Default for SeverityMap {
    fn default() -> Self {
        Self { default: Severity::Warning, words: BTreeMap::new(), codes: BTreeMap::new() }
    }
}

/// What a linter's findings are about.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryMap {
    /// For codes that are not in the table.
    pub default: Category,
    /// By code; `S1*` stands for all that start so, the longest match wins.
    #[serde(default)]
    pub codes: BTreeMap<String, Category>,
}

/// How columns are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// UTF-8 bytes.
    #[default]
    Bytes,
    /// Unicode code points.
    Codepoints,
    /// UTF-16 code units.
    Utf16,
}

/// Where a linter writes what it has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Its standard output.
    #[default]
    Stdout,
    /// Its standard error.
    Stderr,
}

/// How a linter's output is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// Where it is written.
    #[serde(default)]
    pub stream: Stream,
    /// How columns are counted, where the format leaves it open.
    #[serde(default)]
    pub columns: Option<Unit>,
    /// `errorformat`: patterns tried on each line, with the groups `path`, `line`, `column`, `end_line`,
    /// `end_column`, `level`, `code` and `message`.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// `errorformat`: added to end columns: 1 where the tool names the last column instead of the one after it.
    #[serde(default)]
    pub end_column_shift: u32,
    /// `diff`: what to say of each hunk.
    #[serde(default)]
    pub message: Option<String>,
    /// `diff`: the code of each hunk.
    #[serde(default)]
    pub code: Option<String>,
    /// `json` and `jsonl`: where everything is.
    #[serde(default)]
    pub json: Option<Mapping>,
}

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// SARIF 2.1.0.
    Sarif,
    /// The reviewdog diagnostic format.
    Rdjson,
    /// The same, one diagnostic a line.
    Rdjsonl,
    /// Checkstyle's XML.
    Checkstyle,
    /// Lines of text.
    Errorformat,
    /// A unified diff that would mend everything.
    Diff,
    /// The tool's own JSON.
    Json,
    /// The tool's own JSON, one value a line.
    Jsonl,
}

/// Where the parts of a diagnostic are in a tool's own JSON, as JSON pointers (RFC 6901). Each is tried on the
/// innermost item, then on those around it. A segment `{key=value}` picks the element of an array with that member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Pointers followed one after another; each leads to an array or object whose values are items, the last ones
    /// being the diagnostics.
    #[serde(default)]
    pub items: Vec<String>,
    /// Only items with this value.
    #[serde(default)]
    pub only: Option<Only>,
    /// The file.
    pub path: String,
    /// Where in it.
    #[serde(default)]
    pub place: PlaceMap,
    /// The code.
    #[serde(default)]
    pub code: Option<String>,
    /// The tool's word or number for severity.
    #[serde(default)]
    pub level: Option<String>,
    /// A pointer, or a text with pointers in braces: ``"`{/typo}` is misspelled"``.
    pub message: String,
    /// Where to read more.
    #[serde(default)]
    pub url: Option<String>,
    /// The weakness class: a number, or text with `CWE-` and a number.
    #[serde(default)]
    pub cwe: Option<String>,
    /// What would mend it.
    #[serde(default)]
    pub fix: Option<FixMap>,
}

/// A condition on an item.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// The value.
    pub at: String,
    /// What it must be, one of these.
    pub is: Vec<String>,
}

/// Where a place is in a tool's own JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceMap {
    /// The line.
    #[serde(default)]
    pub line: Option<String>,
    /// The column.
    #[serde(default)]
    pub column: Option<String>,
    /// The last line.
    #[serde(default)]
    pub end_line: Option<String>,
    /// The column after the last one.
    #[serde(default)]
    pub end_column: Option<String>,
    /// The first offset into the file, from 0.
    #[serde(default)]
    pub start: Option<String>,
    /// The offset after the last one.
    #[serde(default)]
    pub end: Option<String>,
    /// Instead of an end: a text as long as the place.
    #[serde(default)]
    pub length_of: Option<String>,
    /// The number of the first line is 1 less this.
    #[serde(default)]
    pub line_shift: u32,
    /// Added to columns: 1 where the tool counts from 0.
    #[serde(default)]
    pub column_shift: u32,
    /// Added to end columns besides: 1 where the tool names the last column instead of the one after it.
    #[serde(default)]
    pub end_column_shift: u32,
}

/// Where a fix is in a tool's own JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixMap {
    /// An array of alternatives; the first one with edits is taken.
    #[serde(default)]
    pub choices: Option<String>,
    /// An array of edits; without it there is one.
    #[serde(default)]
    pub edits: Option<String>,
    /// Where in the file; without any part of it, the place of the diagnostic.
    #[serde(default)]
    pub place: PlaceMap,
    /// The new text.
    pub text: String,
    /// An array that must have exactly one element.
    #[serde(default)]
    pub single: Option<String>,
    /// The tool's word for how sure it is.
    #[serde(default)]
    pub level: Option<String>,
    /// The words that mean sure.
    #[serde(default)]
    pub safe: Vec<String>,
}

/// Why a linter's file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read linter `{name}`: {why}")]
pub struct SpecError {
    /// The linter.
    pub name: String,
    /// What is wrong, with the line where there is one.
    pub why: String,
}

impl Linter {
    /// A linter from the text of its file.
    ///
    /// # Errors
    /// [`SpecError`] for text that is not TOML, unknown keys, wrong types, bad globs and patterns, and an output
    /// that lacks what its format needs.
    pub fn read(name: &str, text: &str) -> Result<Self, SpecError> {
        let failed = |why: String| SpecError { name: name.to_owned(), why };
        let spec: Spec = toml::from_str(text).map_err(|error| failed(error.to_string().trim_end().to_owned()))?;
        let globs = |globs: &[String]| set(globs).map_err(failed);
        let (files, exclude) = (globs(&spec.files)?, globs(&spec.exclude)?);
        let patterns = patterns(&spec.output).map_err(failed)?;
        complete(&spec).map_err(|why| failed(why.to_owned()))?;
        Ok(Self { name: name.to_owned(), spec, patterns, text: text.to_owned(), files, exclude })
    }

    /// Whether it reads this file.
    pub fn reads(&self, file: &SourceFile) -> bool {
        let by_language = file.language.is_some_and(|language| self.spec.languages.contains(&language));
        (by_language || self.files.is_match(&file.path)) && !self.exclude.is_match(&file.path)
    }

    /// How bad a finding with this code and word is.
    pub(super) fn severity(&self, code: &str, word: Option<&str>) -> Severity {
        let map = &self.spec.severity;
        let by_word = || word.and_then(|word| map.words.get(&word.to_ascii_lowercase()));
        longest(&map.codes, code).or_else(by_word).copied().unwrap_or(map.default)
    }

    /// What a finding with this code is about.
    pub(super) fn category(&self, code: &str) -> Category {
        longest(&self.spec.category.codes, code).copied().unwrap_or(self.spec.category.default)
    }
}

/// The value of the longest key that is `code`, or ends in `*` and starts it.
fn longest<'a, T>(map: &'a BTreeMap<String, T>, code: &str) -> Option<&'a T> {
    let matches = |key: &str| match key.strip_suffix('*') {
        Some(prefix) => code.starts_with(prefix),
        None => key == code,
    };
    map.iter().filter(|(key, _)| matches(key)).max_by_key(|(key, _)| key.len()).map(|(_, value)| value)
}

fn set(globs: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob).map_err(|error| error.to_string())?);
    }
    set.build().map_err(|error| error.to_string())
}

fn patterns(output: &Output) -> Result<Vec<Regex>, String> {
    let compile = |pattern: &String| {
        let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
        match regex.capture_names().flatten().any(|name| name == "path") {
            true => Ok(regex),
            false => Err(format!("the pattern `{pattern}` has no group `path`")),
        }
    };
    output.patterns.iter().map(compile).collect()
}

fn complete(spec: &Spec) -> Result<(), &'static str> {
    let output = &spec.output;
    match output.format {
        Format::Json | Format::Jsonl if output.json.is_none() => Err("a json output needs a table `[output.json]`"),
        Format::Errorformat if output.patterns.is_empty() => Err("an errorformat output needs `patterns`"),
        Format::Diff if output.message.is_none() || output.code.is_none() => {
            Err("a diff output needs `message` and `code`")
        }
        _ if spec.languages.is_empty() && spec.files.is_empty() => Err("neither `languages` nor `files` is set"),
        _ if spec.granularity == Granularity::Files && !spec.args.iter().any(|arg| arg == "{files}") => {
            Err("granularity is `files` but no argument is `{files}`")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "about = 'x'\nurl = 'x'\ncommand = 'x'\nargs = ['{files}']\nlanguages = ['python']\n\
        granularity = 'files'\nneeds = 'files'\nruns_code = false\nruns_code_because = 'x'\n\
        [category]\ndefault = 'bug'\ncodes = { 'S*' = 'security', 'S1' = 'style' }\n[output]\nformat = 'sarif'\n";

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = Linter::read("x", &SMALL.replace("runs_code = false", "runs_code = false\nrunscode = 1"));
        let why = error.unwrap_err().why;
        assert!(why.contains("line 9") && why.contains("runscode"), "{why}");
    }

    #[test]
    fn what_a_format_needs_must_be_there() {
        for (format, missing) in [("json", "[output.json]"), ("errorformat", "patterns"), ("diff", "message")] {
            let error = Linter::read("x", &SMALL.replace("'sarif'", &format!("'{format}'"))).unwrap_err();
            assert!(error.why.contains(missing), "{error}");
        }
        let error = Linter::read("x", &SMALL.replace("'{files}'", "'.'")).unwrap_err();
        assert!(error.why.contains("{files}"), "{error}");
    }

    #[test]
    fn the_longest_code_wins() {
        let linter = Linter::read("x", SMALL).unwrap();
        let of = |code: &str| linter.category(code);
        assert_eq!((of("S1"), of("S2"), of("F1")), (Category::Style, Category::Security, Category::Bug));
    }
}
