//! Which paths may not be read at all?

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::RepoPath;

/// The patterns of an `.ai_coder_ignore` file, in gitignore's syntax: nothing that matches is read, indexed or sent.
#[derive(Debug, Clone)]
pub struct Ignored(Gitignore);

impl Default for Ignored {
    fn default() -> Self {
        Self(Gitignore::empty())
    }
}

impl Ignored {
    /// Reads the file's text.
    ///
    /// # Errors
    /// A sentence naming the pattern that is not one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut builder = GitignoreBuilder::new("");
        for (at, line) in text.lines().enumerate() {
            builder.add_line(None, line).map_err(|error| format!("line {}: {error}", at + 1))?;
        }
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// The pattern that keeps a path from being read, if one does.
    pub fn pattern(&self, path: &RepoPath) -> Option<&str> {
        match self.0.matched_path_or_any_parents(path, false) {
            ignore::Match::Ignore(glob) => Some(glob.original()),
            ignore::Match::None | ignore::Match::Whitelist(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gitignore() {
        let ignored = Ignored::parse("# secret\n*.pem\n/data/\n!keep.pem\n").unwrap();
        let why = |path: &str| ignored.pattern(&RepoPath::new(path).unwrap());
        assert_eq!(why("a/b.pem"), Some("*.pem"));
        assert_eq!(why("data/x/y.py"), Some("/data/"));
        assert_eq!(why("keep.pem"), None);
        assert_eq!(why("src/data/x.py"), None);
    }
}
