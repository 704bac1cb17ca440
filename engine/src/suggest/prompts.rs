//! In which words is a model asked? The compiled-in texts of `config/prompts/`, or a person's own in place of them.

use std::borrow::Cow;

/// What a model can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Say what is wrong with a change.
    Review,
    /// Mend one finding.
    Fix,
    /// Explain one finding.
    Explain,
    /// Tell what a change does.
    Summarize,
    /// Write the message of a commit.
    Message,
    /// Answer a question about the repository.
    Ask,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Review, Self::Fix, Self::Explain, Self::Summarize, Self::Message, Self::Ask];
}

/// What is said to a model besides the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompts {
    texts: [Cow<'static, str>; NAMES.len()],
}

/// The names of the texts, as of the files with `.md` at their ends: who the model is, what it is reminded of after the
/// data, and one for each of [`Task::ALL`].
pub const NAMES: [&str; 8] = ["policy", "reminder", "review", "fix", "explain", "summarize", "message", "ask"];

/// What must stand in a text, or the data has no fence that the model knows of.
const FENCES: [(&str, &[&str]); 2] = [("policy", &["<<<{{nonce}}", "{{nonce}}>>>"]), ("reminder", &["{{nonce}}"])];

/// The longest text, in bytes: everything that is asked has to fit beside it.
const MOST: usize = 16 << 10;

/// Why a person's own text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// It does not say where data begins and ends.
    #[error("it lacks `{0}`, which stands for the fence around what strangers wrote")]
    Fence(&'static str),
    /// There is nothing in it.
    #[error("it is empty: delete it to use the compiled-in text")]
    Empty,
    /// It is too long.
    #[error("it has {0} bytes, and at most {MOST} are sent with each question")]
    Long(usize),
}

impl Default for Prompts {
    fn default() -> Self {
        let texts = [
            include_str!("../../../config/prompts/policy.md"),
            include_str!("../../../config/prompts/reminder.md"),
            include_str!("../../../config/prompts/review.md"),
            include_str!("../../../config/prompts/fix.md"),
            include_str!("../../../config/prompts/explain.md"),
            include_str!("../../../config/prompts/summarize.md"),
            include_str!("../../../config/prompts/message.md"),
            include_str!("../../../config/prompts/ask.md"),
        ];
        Self { texts: texts.map(Cow::Borrowed) }
    }
}

impl Prompts {
    /// Puts a text in place of the one of this name; a name that is none of [`NAMES`] changes nothing.
    ///
    /// # Errors
    /// [`PromptError`] when it is empty, too long, or lacks a fence.
    pub fn replace(&mut self, name: &str, text: String) -> Result<(), PromptError> {
        if text.trim().is_empty() {
            return Err(PromptError::Empty);
        }
        if text.len() > MOST {
            return Err(PromptError::Long(text.len()));
        }
        let needed = FENCES.iter().filter(|(of, _)| *of == name).flat_map(|(_, needed)| needed.iter());
        if let Some(lacking) = needed.into_iter().find(|needed| !text.contains(**needed)) {
            return Err(PromptError::Fence(lacking));
        }
        if let Some(at) = NAMES.iter().position(|of| *of == name) {
            self.texts[at] = Cow::Owned(text);
        }
        Ok(())
    }

    pub(super) fn policy(&self) -> &str {
        self.texts[0].trim_end()
    }

    pub(super) fn reminder(&self) -> &str {
        self.texts[1].trim_end()
    }

    /// What is to be done.
    pub(super) fn task(&self, task: Task) -> &str {
        let at = match task {
            Task::Review => 2,
            Task::Fix => 3,
            Task::Explain => 4,
            Task::Summarize => 5,
            Task::Message => 6,
            Task::Ask => 7,
        };
        self.texts[at].trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_could_be_a_persons_own() {
        let mut own = Prompts::default();
        for (at, name) in NAMES.iter().enumerate() {
            own.replace(name, Prompts::default().texts[at].to_string()).unwrap();
        }
        assert_eq!(own, Prompts::default());
        assert!(Prompts::default().task(Task::Ask).starts_with("Answer the question"));
        assert!(Prompts::default().task(Task::Message).starts_with("Write the message"));
    }

    #[test]
    fn a_text_without_fences_is_refused() {
        let refused = |name, text: &str| Prompts::default().replace(name, text.to_owned());
        assert_eq!(refused("policy", "Be kind."), Err(PromptError::Fence("<<<{{nonce}}")));
        assert_eq!(refused("policy", "Data begins with <<<{{nonce}}."), Err(PromptError::Fence("{{nonce}}>>>")));
        assert_eq!(refused("reminder", "Do it."), Err(PromptError::Fence("{{nonce}}")));
        assert_eq!(refused("review", " \n"), Err(PromptError::Empty));
        assert_eq!(refused("review", &"x".repeat(MOST + 1)), Err(PromptError::Long(MOST + 1)));
        assert_eq!(refused("review", "Look closely."), Ok(()));
    }
}
