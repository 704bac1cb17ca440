//! What is wrong, where, and how sure are we?

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    edit::Fix,
    source::{RepoPath, SourceFile, Span},
};

/// The name of a check: `python/yaml-load-unsafe`, `any/secret`, `ruff/F401`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckId(pub Arc<str>);

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for CheckId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word used in rules, configuration and output.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// How bad it is; the order is from least to worst.
    Severity {
        /// Worth saying in passing.
        Info "info",
        /// Should be said.
        Warning "warning",
        /// Should stop a commit.
        Error "error",
    }
}

words! {
    /// What it is about.
    Category {
        /// The code does something other than what was meant.
        Bug "bug",
        /// Someone hostile can use it.
        Security "security",
        /// It costs more than it has to.
        Performance "performance",
        /// It will be hard to live with.
        Maintainability "maintainability",
        /// It is written as the team does not write.
        Style "style",
        /// It crosses a boundary of the design.
        Architecture "architecture",
        /// Words about the code are missing or wrong.
        Documentation "documentation",
    }
}

words! {
    /// How likely it is that a finding is right.
    Confidence {
        /// More often wrong than one would like; a hint.
        Low "low",
        /// Mostly right.
        Medium "medium",
        /// Nearly always right.
        High "high",
    }
}

/// A second place that explains a finding: where tainted data came from, the other copy of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Because {
    /// Where it is.
    pub path: RepoPath,
    /// What part of it.
    pub span: Span,
    /// What is to be seen there, in a few words.
    pub note: String,
}

/// Something wrong at one place of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What found it.
    pub check: CheckId,
    /// What it is about.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// How likely it is right.
    pub confidence: Confidence,
    /// In which file.
    pub path: RepoPath,
    /// Where in it.
    pub span: Span,
    /// What is wrong, in one line.
    pub what: String,
    /// Why it matters and what to do instead.
    pub why: String,
    /// Other places that explain it.
    pub because: Vec<Because>,
    /// The weakness class, a number of the CWE list.
    pub cwe: Option<u32>,
    /// Where to read more.
    pub url: Option<String>,
    /// What would mend it; not yet proven.
    pub fix: Option<Fix>,
    /// The same for the same defect wherever it moves; see [`fingerprint`].
    pub fingerprint: Fingerprint,
}

/// 128 bits that name a defect across edits around it, moves and renames, as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let mut bytes = [0; 16];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(at * 2).ok_or_else(|| format!("`{text}` is not a fingerprint of 32 hex digits"))?;
        }
        if text.len() == 32 { Ok(Self(bytes)) } else { Err(format!("`{text}` is not a fingerprint of 32 hex digits")) }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The fingerprint of the `nth` (0-based) finding of `check` on this text in one file.
///
/// It depends on the check, on the text of the span with its white space folded, and on `nth`; not on the path, the
/// line or the text around, so that it survives moves and renames.
pub fn fingerprint(check: &CheckId, file: &SourceFile, span: &Span, nth: usize) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    hasher.update(check.0.as_bytes());
    for word in defect_text(file, span).split_whitespace() {
        hasher.update(b"\0").update(word.as_bytes());
    }
    hasher.update(b"\0\0").update(&(nth as u64).to_le_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Fingerprint(short)
}

/// Numbers the findings of one file and sets their fingerprints. Call once, on findings in order of place.
pub fn number(file: &SourceFile, findings: &mut [Finding]) {
    let mut seen = std::collections::HashMap::new();
    for finding in findings {
        let key =
            (finding.check.clone(), defect_text(file, &finding.span).split_whitespace().collect::<Vec<_>>().join(" "));
        let nth = seen.entry(key).and_modify(|n| *n += 1).or_insert(0);
        finding.fingerprint = fingerprint(&finding.check, file, &finding.span, *nth);
    }
}

/// The text that tells a defect apart: that of its span, or of its line where the span is empty.
fn defect_text<'a>(file: &'a SourceFile, span: &Span) -> &'a str {
    let text = file.text.get(span.bytes()).unwrap_or("");
    if text.trim().is_empty() { file.line(span.from.line) } else { text }
}
