//! What happened? A delivery of GitHub's, checked and cut down to what we act on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forge::{Place, RepoName, Where};

/// Something to be done, small enough to be kept in the queue. What it needs to know beyond this is asked when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Review a pull request as it is then. Newer requests replace older ones.
    Review {
        place: Place,
        /// Someone asked for it, so it happens though nothing is new, or the pull request is a draft or paused.
        asked: bool,
    },
    /// Do what a comment says.
    Command { place: Place, comment: Comment },
    /// See how people answered. Newer requests replace older ones.
    Harvest { place: Place },
}

/// A comment that speaks to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    /// Where the answer goes.
    pub(crate) to: Where,
}

impl Task {
    /// The pull request it is about.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Review { place, .. } | Self::Command { place, .. } | Self::Harvest { place } => place,
        }
    }

    /// What it is, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Review { .. } => "review",
            Self::Command { .. } => "command",
            Self::Harvest { .. } => "harvest",
        }
    }

    /// Whether a newer one of its kind at the same place makes an older one needless.
    pub(crate) fn is_replaced_by_newer(&self) -> bool {
        !matches!(self, Self::Command { .. })
    }
}

/// What a delivery asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Tasks to be queued; none for what concerns us and asks for nothing.
    Tasks(Vec<Task>),
    /// Nothing we act on, and why.
    Ignored(&'static str),
}

/// Why a delivery cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    #[error("the body is not JSON: {0}")]
    Json(String),
    #[error("a `{event}` event without `{field}`")]
    Missing { event: String, field: &'static str },
    #[error("`{0}` is not the name of a repository")]
    Repository(String),
}

/// The longest comment that is kept; nobody gives an order of this length.
const LONGEST_COMMENT: usize = 20_000;

/// Reads a delivery. `name` is the header `X-GitHub-Event`; `us` is the name that comments call us by.
///
/// # Errors
/// [`EventError`] for what GitHub would not send.
pub(crate) fn parse(name: &str, body: &[u8], us: &str) -> Result<Event, EventError> {
    if !KNOWN.contains(&name) {
        return Ok(Event::Ignored("an event that is not acted on"));
    }
    let payload: Value = serde_json::from_slice(body).map_err(|error| EventError::Json(error.to_string()))?;
    let delivery = Delivery { name, payload: &payload, us };
    match name {
        "pull_request" => delivery.pull_request(),
        "issue_comment" => delivery.issue_comment(),
        "pull_request_review_comment" => delivery.review_comment(),
        "pull_request_review" | "pull_request_review_thread" => delivery.harvest(),
        "check_run" | "check_suite" => delivery.check(name),
        _ => Ok(Event::Ignored("nothing to do")),
    }
}

/// Events that are read; the others are answered and forgotten.
const KNOWN: [&str; 9] = [
    "ping",
    "pull_request",
    "issue_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "check_run",
    "check_suite",
    "installation",
];

struct Delivery<'a> {
    name: &'a str,
    payload: &'a Value,
    us: &'a str,
}

impl Delivery<'_> {
    fn action(&self) -> &str {
        self.payload["action"].as_str().unwrap_or_default()
    }

    fn missing(&self, field: &'static str) -> EventError {
        EventError::Missing { event: self.name.to_owned(), field }
    }

    fn place(&self, number: &Value, field: &'static str) -> Result<Place, EventError> {
        let name = self.payload["repository"]["full_name"].as_str();
        let name = name.ok_or_else(|| self.missing("repository.full_name"))?;
        Ok(Place {
            repo: RepoName::parse(name).ok_or_else(|| EventError::Repository(name.to_owned()))?,
            number: number.as_u64().ok_or_else(|| self.missing(field))?,
            installation: self.payload["installation"]["id"].as_u64(),
        })
    }

    fn pull_request(&self) -> Result<Event, EventError> {
        let place = self.place(&self.payload["pull_request"]["number"], "pull_request.number")?;
        let review = Task::Review { place: place.clone(), asked: false };
        Ok(match self.action() {
            "opened" | "reopened" | "ready_for_review" => Event::Tasks(vec![review]),
            // What the push did to our suggestions is noticed before it is reviewed anew.
            "synchronize" => Event::Tasks(vec![Task::Harvest { place }, review]),
            "edited" if self.payload["changes"].get("base").is_some() => Event::Tasks(vec![review]),
            "closed" => Event::Tasks(vec![Task::Harvest { place }]),
            _ => Event::Ignored("an action that changes nothing for a review"),
        })
    }

    fn issue_comment(&self) -> Result<Event, EventError> {
        if self.payload["issue"].get("pull_request").is_none() {
            return Ok(Event::Ignored("a comment on an issue, not on a pull request"));
        }
        let place = self.place(&self.payload["issue"]["number"], "issue.number")?;
        self.comment(place, |_| Where::Pull, false)
    }

    fn review_comment(&self) -> Result<Event, EventError> {
        let place = self.place(&self.payload["pull_request"]["number"], "pull_request.number")?;
        let first = self.payload["comment"]["in_reply_to_id"].as_u64();
        self.comment(place, |id| Where::Thread(first.unwrap_or(id)), first.is_some())
    }

    /// A comment that speaks to us is a command; one that answers something is looked at with the others.
    fn comment(&self, place: Place, to: impl Fn(u64) -> Where, is_reply: bool) -> Result<Event, EventError> {
        let harvest = Task::Harvest { place: place.clone() };
        if self.action() != "created" {
            return Ok(if is_reply { Event::Tasks(vec![harvest]) } else { Event::Ignored("a comment changed") });
        }
        let comment = &self.payload["comment"];
        let id = comment["id"].as_u64().ok_or_else(|| self.missing("comment.id"))?;
        let author = comment["user"]["login"].as_str().unwrap_or_default();
        let is_person = comment["user"]["type"].as_str().is_none_or(|kind| kind == "User");
        let body = comment["body"].as_str().unwrap_or_default();
        if is_person && body.len() <= LONGEST_COMMENT && crate::order::speaks_to(self.us, body) {
            let comment = Comment { id, author: author.to_owned(), body: body.to_owned(), to: to(id) };
            return Ok(Event::Tasks(vec![Task::Command { place, comment }]));
        }
        Ok(if is_reply { Event::Tasks(vec![harvest]) } else { Event::Ignored("a comment that does not speak to us") })
    }

    fn harvest(&self) -> Result<Event, EventError> {
        let place = self.place(&self.payload["pull_request"]["number"], "pull_request.number")?;
        Ok(Event::Tasks(vec![Task::Harvest { place }]))
    }

    fn check(&self, name: &str) -> Result<Event, EventError> {
        if self.action() != "rerequested" {
            return Ok(Event::Ignored("a check that nobody asked to run again"));
        }
        let pulls = self.payload[name]["pull_requests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let review = |pull: &Value| {
            self.place(&pull["number"], "pull_requests.number").map(|place| Task::Review { place, asked: true })
        };
        pulls.iter().map(review).collect::<Result<_, _>>().map(Event::Tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(name: &str, payload: &Value) -> Result<Event, EventError> {
        parse(name, payload.to_string().as_bytes(), "apprentice")
    }

    fn place() -> Place {
        Place { repo: RepoName::parse("acme/demo").expect("a name"), number: 7, installation: Some(3) }
    }

    fn payload(action: &str) -> Value {
        json!({"action": action, "pull_request": {"number": 7}, "repository": {"full_name": "acme/demo"},
               "installation": {"id": 3}})
    }

    #[test]
    fn a_push_is_looked_at_before_it_is_reviewed() {
        let review = Task::Review { place: place(), asked: false };
        assert_eq!(read("pull_request", &payload("opened")), Ok(Event::Tasks(vec![review.clone()])));
        let both = vec![Task::Harvest { place: place() }, review];
        assert_eq!(read("pull_request", &payload("synchronize")), Ok(Event::Tasks(both)));
        assert!(matches!(read("pull_request", &payload("labeled")), Ok(Event::Ignored(_))));
    }

    #[test]
    fn what_speaks_to_us_is_a_command_and_bots_give_none() {
        let comment = |kind: &str, body: &str| {
            let mut payload = payload("created");
            payload["comment"] =
                json!({"id": 9, "in_reply_to_id": 8, "user": {"login": "alice", "type": kind}, "body": body});
            read("pull_request_review_comment", &payload)
        };
        let Ok(Event::Tasks(tasks)) = comment("User", "@apprentice fix") else { panic!("tasks") };
        assert!(matches!(&tasks[..], [Task::Command { comment, .. }] if comment.to == Where::Thread(8)), "{tasks:?}");
        assert_eq!(comment("Bot", "@apprentice fix"), Ok(Event::Tasks(vec![Task::Harvest { place: place() }])));
        assert_eq!(comment("User", "no, wrong"), Ok(Event::Tasks(vec![Task::Harvest { place: place() }])));
    }

    #[test]
    fn a_name_that_leaves_its_folder_is_refused() {
        for name in ["../x", "a/../b", "a/b/c", "a", "", "a/b c", "a/..", "-/\u{202e}x", "a/b\nc"] {
            let mut payload = payload("opened");
            payload["repository"]["full_name"] = json!(name);
            assert!(matches!(read("pull_request", &payload), Err(EventError::Repository(_))), "{name}");
        }
        assert!(RepoName::parse("acme/.github").is_some());
    }

    #[test]
    fn what_is_not_for_us_is_not_even_parsed() {
        assert!(matches!(parse("star", b"{", "apprentice"), Ok(Event::Ignored(_))));
        assert!(matches!(parse("pull_request", b"{", "apprentice"), Err(EventError::Json(_))));
        assert!(matches!(parse("pull_request", b"[]", "apprentice"), Err(EventError::Missing { .. })));
    }
}
