//! What did they ask us to do? Orders in comments, whether they may give them, and our answers.

mod answer;

use std::sync::Arc;

use engine::feedback::{Entry, Kind, Permission};

use crate::{
    bot::{Bot, Trouble},
    clock,
    event::{Comment, Task},
    forge::{Conversation, Forge, Place, Pull, Thread, Where},
    queue::{Arrival, Queue},
    say::{self, Marker},
};

/// What can be asked of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Review,
    Pause,
    Resume,
    Ignore,
    Explain,
    Fix,
    Ask(String),
    Why,
    Forget,
    Help,
    /// Something we do not know, as it was written.
    Unknown(String),
}

/// Whether a comment speaks to us: a line of it, outside quotes and code, begins with our name.
pub(crate) fn speaks_to(us: &str, body: &str) -> bool {
    order(us, body).is_some()
}

/// The first order of a comment.
pub(crate) fn order(us: &str, body: &str) -> Option<Order> {
    let mut in_code = false;
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            in_code = !in_code;
        }
        let Some(rest) = line.strip_prefix('@').filter(|_| !in_code) else { continue };
        let name = rest.get(..us.len()).filter(|name| name.eq_ignore_ascii_case(us));
        let rest = name.map(|_| rest[us.len()..].strip_prefix("[bot]").unwrap_or(&rest[us.len()..]));
        match rest {
            // `@apprentice-team` is somebody else.
            Some(rest) if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_') => {
                let more: Vec<&str> = lines.collect();
                return Some(read(rest.trim_start_matches([':', ',']).trim(), &more.join("\n")));
            }
            _ => {}
        }
    }
    None
}

fn read(line: &str, below: &str) -> Order {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word.to_ascii_lowercase().trim_end_matches(['.', '!', '?']) {
        "review" => Order::Review,
        "pause" => Order::Pause,
        "resume" => Order::Resume,
        "ignore" => Order::Ignore,
        "explain" => Order::Explain,
        "fix" => Order::Fix,
        "ask" => Order::Ask(format!("{rest}\n{below}").trim().to_owned()),
        "why" => Order::Why,
        "forget" => Order::Forget,
        "help" | "" => Order::Help,
        _ => Order::Unknown(word.chars().take(40).collect()),
    }
}

impl Order {
    /// The least right it takes. Whoever opened the pull request may ask about it, whatever their right.
    fn needs(&self) -> (Permission, bool) {
        match self {
            Self::Review | Self::Explain | Self::Ask(_) | Self::Why | Self::Help | Self::Unknown(_) => {
                (Permission::Triage, true)
            }
            Self::Pause | Self::Resume | Self::Ignore | Self::Fix | Self::Forget => (Permission::Write, false),
        }
    }
}

/// An order with everything around it.
struct Given<'a> {
    place: &'a Place,
    comment: &'a Comment,
    pull: Pull,
    conversation: Conversation,
    permission: Permission,
}

impl Given<'_> {
    /// The thread it was given in, if that is one of ours, and what that is about.
    fn about(&self) -> Option<(&Thread, Marker)> {
        let Where::Thread(first) = self.comment.to else { return None };
        let thread = self
            .conversation
            .threads
            .iter()
            .find(|thread| thread.comments.first().is_some_and(|said| said.id == first && said.is_ours))?;
        Some((thread, say::markers(&thread.comments[0].body).next()?))
    }

    /// Whether this comment was answered before: by a worker that did not live to say so.
    fn is_answered(&self) -> bool {
        let mark = answer_mark(self.comment.id);
        let threads = self.conversation.threads.iter().flat_map(|thread| &thread.comments);
        threads.chain(&self.conversation.comments).any(|said| said.is_ours && said.body.contains(&mark))
    }
}

fn answer_mark(comment: u64) -> String {
    format!("<!-- apprentice:answers {comment} -->")
}

impl<F: Forge, Q: Queue> Bot<F, Q> {
    /// Does what a comment asks for.
    ///
    /// # Errors
    /// [`Trouble`]; doing it again does nothing twice.
    pub(crate) async fn obey(self: &Arc<Self>, place: &Place, comment: &Comment) -> Result<(), Trouble> {
        let Some(order) = order(&self.settings.github.name, &comment.body) else { return Ok(()) };
        let pull = self.forge.pull(place).await?;
        let permission = self.forge.permission(place, &comment.author).await?;
        let (needed, author_may) = order.needs();
        if permission < needed && !(author_may && comment.author == pull.author) {
            tracing::info!(%place, who = comment.author, ?order, ?permission, "an order by someone who may not give it");
            return Ok(self.forge.react(place, comment.to, comment.id, "confused").await?);
        }
        let conversation = self.conversation(place).await?;
        let given = Given { place, comment, pull, conversation, permission };
        if given.is_answered() {
            return Ok(());
        }
        self.forge.react(place, comment.to, comment.id, "eyes").await?;
        match self.do_as_told(&order, &given).await? {
            Some(words) => self.answer(&given, &words).await,
            None => Ok(self.forge.react(place, comment.to, comment.id, "+1").await?),
        }
    }

    /// Does it, and returns what there is to say; nothing where a sign is enough.
    async fn do_as_told(self: &Arc<Self>, order: &Order, given: &Given<'_>) -> Result<Option<String>, Trouble> {
        Ok(match order {
            Order::Review => {
                let task = Task::Review { place: given.place.clone(), asked: true };
                let arrival = Arrival { guid: format!("comment-{}", given.comment.id), tasks: vec![task] };
                self.on_queue(move |queue| queue.put(&[arrival], clock::now())).await?;
                None
            }
            Order::Pause => self.pause(given.place, true)?,
            Order::Resume => self.pause(given.place, false)?,
            Order::Ignore => self.ignore(given).await?,
            Order::Forget => Some(self.forget(given)?),
            Order::Why => Some(self.why(given).await?),
            Order::Explain => Some(self.explain(given).await?),
            Order::Fix => Some(self.fix(given).await?),
            Order::Ask(question) => Some(self.ask(given, question).await?),
            Order::Help => Some(answer::help(&self.settings.github.name)),
            Order::Unknown(word) => Some(answer::unknown(&self.settings.github.name, word)),
        })
    }

    async fn answer(&self, given: &Given<'_>, words: &str) -> Result<(), Trouble> {
        let body = format!("{}\n{}\n", words.trim_end(), answer_mark(given.comment.id));
        Ok(self.forge.reply(given.place, given.comment.to, &body).await?)
    }

    fn pause(&self, place: &Place, paused: bool) -> Result<Option<String>, Trouble> {
        self.ledger.pause(place, paused)?;
        Ok(None)
    }

    /// In a thread: leave this finding. Elsewhere: leave the pull request.
    async fn ignore(&self, given: &Given<'_>) -> Result<Option<String>, Trouble> {
        let Some((thread, marker)) = given.about() else { return self.pause(given.place, true) };
        self.journal.append(&[entry(given, &marker, &thread.path, Kind::Rejected)])?;
        self.ledger.end_offer(given.place, &marker.fingerprint.to_string())?;
        if !thread.is_resolved {
            self.forge.resolve(given.place, &thread.node).await?;
            self.ledger.hush(given.place, &marker.fingerprint.to_string())?;
        }
        Ok(None)
    }

    fn forget(&self, given: &Given<'_>) -> Result<String, Trouble> {
        let Some((thread, marker)) = given.about() else {
            return Ok("`forget` belongs in the thread whose answers are to be forgotten.".into());
        };
        self.journal.append(&[entry(given, &marker, &thread.path, Kind::Forgotten)])?;
        Ok("What was answered in this thread so far will not be learned from.".into())
    }
}

fn entry(given: &Given<'_>, marker: &Marker, path: &str, kind: Kind) -> Entry {
    Entry {
        key: format!("github:{}:comment:{}:{kind:?}", given.place, given.comment.id),
        at: clock::now(),
        kind,
        place: format!("github:{}", given.place),
        fingerprint: marker.fingerprint.to_string(),
        check: marker.check.clone(),
        severity: Some(marker.severity),
        path: engine::source::RepoPath::new(path).ok(),
        who: given.comment.author.clone(),
        permission: given.permission,
        what: None,
        similarity: None,
        evidence: format!("comment {}", given.comment.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_begins_a_line_outside_quotes_and_code() {
        let of = |body: &str| order("apprentice", body);
        assert_eq!(of("@apprentice review"), Some(Order::Review));
        assert_eq!(of("thanks\n  @Apprentice[bot]: fix!"), Some(Order::Fix));
        assert_eq!(of("@apprentice ask why\nis that?"), Some(Order::Ask("why\nis that?".into())));
        assert_eq!(of("@apprentice"), Some(Order::Help));
        assert_eq!(of("@apprentice dance now"), Some(Order::Unknown("dance".into())));
        for other in
            ["> @apprentice fix", "```\n@apprentice fix\n```", "see @apprentice fix", "@apprentice-team fix", "@app"]
        {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(order("apprentice", "@éééééééééé"), None);
    }
}
