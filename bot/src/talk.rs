//! What do we do for who asks? Orders carried out, where their giver may give them, and our answers.

mod answer;

use std::sync::Arc;

use engine::feedback::{Entry, Kind, Permission};

use crate::{
    bot::{Bot, Trouble},
    clock,
    event::{Comment, Task},
    forge::{Conversation, Forge, Place, Pull, Thread, Where},
    order::{self, Order},
    queue::{Arrival, Queue},
    say::{self, Marker},
};

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
        is_answered(&self.conversation, &answer_mark(self.comment.id))
    }
}

fn is_answered(conversation: &Conversation, mark: &str) -> bool {
    let threads = conversation.threads.iter().flat_map(|thread| &thread.comments);
    threads.chain(&conversation.comments).any(|said| said.is_ours && said.body.contains(mark))
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
        let Some(order) = order::order(&self.settings.github.name, &comment.body) else { return Ok(()) };
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
            Order::Review => self.review_later(given, true).await?,
            Order::Pause => self.pause(given.place, true)?,
            Order::Resume => {
                self.pause(given.place, false)?;
                // What was pushed meanwhile.
                self.review_later(given, false).await?
            }
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

    async fn review_later(&self, given: &Given<'_>, asked: bool) -> Result<Option<String>, Trouble> {
        let task = Task::Review { place: given.place.clone(), asked };
        let arrival = Arrival { guid: format!("comment-{}", given.comment.id), tasks: vec![task] };
        self.on_queue(move |queue| queue.put(&[arrival], clock::now())).await?;
        Ok(None)
    }

    /// Says to whoever gave an order that it was given up; they have only seen that we looked.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) async fn give_up(&self, place: &Place, comment: &Comment) -> Result<(), Trouble> {
        let mark = answer_mark(comment.id);
        let conversation = self.conversation(place).await?;
        if is_answered(&conversation, &mark) {
            return Ok(());
        }
        let body = format!("I could not do this, and do not try again; the log of whoever runs me says why.\n{mark}\n");
        Ok(self.forge.reply(place, comment.to, &body).await?)
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
        self.ledger.end_offer(given.place, &marker.fingerprint.to_string(), &thread.path)?;
        if !thread.is_resolved {
            self.forge.resolve(given.place, &thread.node).await?;
            self.ledger.hush(given.place, &marker.fingerprint.to_string(), &thread.path)?;
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
        instead: None,
        evidence: format!("comment {}", given.comment.id),
    }
}
