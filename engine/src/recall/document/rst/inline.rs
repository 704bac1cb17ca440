//! How does a line of reStructuredText read without its marks?

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

/// Literals, interpreted text with its role, links, emphasis, substitutions and references to notes, as they are shown.
pub(super) fn strip(text: &str) -> Cow<'_, str> {
    MARKS.replace_all(text, |found: &Captures<'_>| {
        let group = |name: &str| found.name(name).map(|group| group.as_str());
        if let Some(literal) = group("literal") {
            return literal.to_owned();
        }
        if let Some(role) = group("role") {
            return role_text(role);
        }
        [group("strong"), group("emphasis"), group("substitution")]
            .into_iter()
            .flatten()
            .next()
            .unwrap_or("")
            .to_owned()
    })
}

#[expect(clippy::unwrap_used, reason = "a constant that every test of this module compiles")]
static MARKS: LazyLock<Regex> = LazyLock::new(|| {
    let marks = [
        r"``(?P<literal>(?s:.+?))``",
        r"(?::[\w:+.-]+:)?`(?P<role>[^`]+)`(?:__?|:[\w:+.-]+:)?",
        r"\*\*(?P<strong>[^\s*](?:[^*]*[^\s*])?)\*\*",
        r"\*(?P<emphasis>[^\s*](?:[^*]*[^\s*])?)\*",
        r"\|(?P<substitution>[^\s|](?:[^|\n]*[^\s|])?)\|",
        r"[ \n]?\[[#*\w-]+\]_",
    ];
    Regex::new(&marks.join("|")).unwrap()
});

/// `~a.b.c` shows as `c`, `text <target>` as `text`.
fn role_text(inside: &str) -> String {
    match inside.strip_prefix('~').or_else(|| inside.strip_prefix('!')) {
        Some(path) if inside.starts_with('~') => path.rsplit('.').next().unwrap_or(path).to_owned(),
        Some(path) => path.to_owned(),
        None => match inside.split_once('<') {
            Some((text, _)) if inside.ends_with('>') && !text.trim().is_empty() => text.trim_end().to_owned(),
            _ => inside.trim_matches(['<', '>']).to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_away_and_what_they_mark_stays() {
        for (written, shown) in [
            ("``**kwargs`` and *args", "**kwargs and *args"),
            (":meth:`~flask.Flask.run` of :ref:`the app <app>`", "run of the app"),
            ("`Docs <https://x.y/z>`__ and `name`_ and `<https://x.y>`_", "Docs and name and https://x.y"),
            ("**very** *nice* |version| [1]_ [#note]_.", "very nice version."),
            ("2 * 3 * 4", "2 * 3 * 4"),
            ("``a\nb``", "a\nb"),
        ] {
            assert_eq!(strip(written), shown);
        }
    }
}
