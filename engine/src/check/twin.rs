//! Which functions are nearly the same, and how do their tokens lie beside each other?

mod align;
mod body;

pub(crate) use align::{Alignment, Hunk, align, hunks};
pub(crate) use body::{Body, Class, Token, bodies};

use crate::source::{RepoPath, SourceFile};

/// A file outside the one under review, before and after the change.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// As it was.
    pub before: SourceFile,
    /// As it is.
    pub after: SourceFile,
}

/// Knows which other files may hold code that is nearly the same. What it names is looked at, never believed.
pub trait Twins: Sync {
    /// Files that may hold a twin of this function's text, most alike first.
    fn files(&self, path: &RepoPath, function: &str) -> Vec<Elsewhere>;
}

/// From which share of common tokens two functions are twins.
pub(crate) const TWIN: f64 = 0.85;

/// Which share of the names of two twins must be the same names: below, they share a form and not a purpose.
pub(crate) const OWN_NAMES: f64 = 0.6;

/// How the tokens of two bodies lie beside each other, if they are twins.
pub(crate) fn twins(a: &Body, b: &Body) -> Option<Alignment> {
    if !may_be_alike(a, b, TWIN) {
        return None;
    }
    let alignment = align(&a.tokens, &b.tokens);
    (alignment.similarity() >= TWIN && alignment.own_names() >= OWN_NAMES).then_some(alignment)
}

/// Whether two bodies can reach a similarity at all, told from their lengths and their bags of shapes.
pub(crate) fn may_be_alike(a: &Body, b: &Body, least: f64) -> bool {
    let (short, long) = (a.tokens.len().min(b.tokens.len()), a.tokens.len().max(b.tokens.len()));
    if (short as f64) < least * long as f64 {
        return false;
    }
    let common: u32 = a.bag.iter().zip(&b.bag).map(|(a, b)| a.min(b)).sum();
    f64::from(common) >= least * (short + long - common as usize) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::parse, source::Language};

    fn functions(text: &str) -> Vec<Body> {
        let mut file = SourceFile::new(RepoPath::new("a.py").unwrap(), text.as_bytes().into(), 1 << 20).unwrap();
        file.language = Some(Language::Python);
        bodies(&file, &parse(&file).unwrap())
    }

    const SEND: &str = "\
class Client:
    def send(self, request, timeout):
        \"\"\"Sends.\"\"\"
        connection = self.pool.acquire(request.host, 30)
        connection.write(request.headers)  # first
        response = connection.read(timeout)
        self.pool.release(connection)
        if response.status >= 500:
            raise ServerError(response.status)
        return response
";

    #[test]
    fn a_body_has_its_symbol_and_neither_comments_nor_documentation() {
        let found = functions(SEND);
        assert_eq!(found.iter().map(|body| body.symbol.as_str()).collect::<Vec<_>>(), ["Client.send"]);
        let bare = SEND.replace("        \"\"\"Sends.\"\"\"\n", "").replace("  # first", "");
        assert_eq!(found[0].tokens.len(), functions(&bare)[0].tokens.len());
    }

    #[test]
    fn names_that_stand_for_each_other_are_no_difference_and_other_code_is() {
        let own = &functions(SEND)[0];
        let alike = |text: &str| twins(own, &functions(text)[0]).map(|found| found.similarity());
        assert_eq!(alike(&SEND.replace("ServerError", "StreamError").replace("30", "60")), Some(1.0));
        assert!(alike(&SEND.replace("        self.pool.release(connection)\n", "")).is_some_and(|share| share < 0.95));
        let strange =
            SEND.replace("connection", "a").replace("response", "b").replace("pool", "c").replace("request", "d");
        assert_eq!(alike(&strange.replace("timeout", "e").replace("status", "f")), None, "the same form is not enough");
    }

    #[test]
    fn a_name_that_stands_for_two_others_stands_for_one() {
        let own = &functions(SEND)[0];
        let mixed = SEND.replacen("connection.write", "stream.write", 1).replacen("connection.read", "stream.read", 1);
        let share = align(&own.tokens, &functions(&mixed)[0].tokens).similarity();
        assert!(share < 1.0, "{share}");
    }

    #[test]
    fn edits_are_told_in_tokens_and_literals_count_as_written() {
        let own = &functions(SEND)[0];
        let edits = |text: &str| hunks(&own.tokens, &functions(text)[0].tokens).len();
        assert_eq!(
            (edits(SEND), edits(&SEND.replace("# first", "# last")), edits(&SEND.replace("30", "31"))),
            (0, 0, 1)
        );
    }
}
