//! How do we know our own words again? A hidden line that names the finding.

use engine::finding::{Finding, Fingerprint, Severity};

/// What a comment of ours is about. It means nothing in anybody else's comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) check: String,
    pub(crate) severity: Severity,
}

const OPEN: &str = "<!-- apprentice:1 ";

impl Marker {
    pub(crate) fn of(finding: &Finding) -> Self {
        Self { fingerprint: finding.fingerprint, check: plain(&finding.check.0), severity: finding.severity }
    }

    /// The hidden line.
    pub(crate) fn write(&self) -> String {
        format!("{OPEN}{} {} {} -->", self.fingerprint, self.severity, self.check)
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let fingerprint = words.next()?.parse().ok()?;
        let severity = words.next()?;
        let severity = Severity::ALL.iter().copied().find(|known| known.word() == severity)?;
        Some(Self { fingerprint, severity, check: plain(words.next()?) })
    }
}

/// A check's id without what could end a comment early.
fn plain(id: &str) -> String {
    let keep = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-');
    let text: String = id.chars().filter(keep).take(120).collect();
    text.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The markers of a text. A line of a fenced block is somebody's code, which may hold what looks like one.
pub(crate) fn markers(text: &str) -> impl Iterator<Item = Marker> + '_ {
    let mut fence = None;
    text.lines().filter_map(move |line| {
        let ticks = line.bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            Some(open) => {
                fence = Some(open).filter(|_| ticks < open || line.trim_end().len() > ticks);
                None
            }
            None if ticks >= 3 => {
                fence = Some(ticks);
                None
            }
            None => Marker::read(line.strip_prefix(OPEN)?.strip_suffix(" -->")?),
        }
    })
}
