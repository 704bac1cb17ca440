//! How is a forge started, asked and told?

use crate::auth::WORKFLOW;
use crate::clock::{Clock, real};
use crate::faults::Fault;
use crate::git::Git;
use crate::hooks;
use crate::people::Repo;
use crate::server::{self, Shared};
use crate::state::{App, Delivery, Exchange, Holder, Repository, State, Token, Violation};
use crate::{Error, installing, key};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a forge is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen: `127.0.0.1:0` for any free port.
    pub listen: String,
    /// The app's number.
    pub app_id: u64,
    /// The app's name; it acts as `SLUG[bot]`.
    pub slug: String,
    /// The app's key in PEM, public or private; [`crate::TEST_KEY`] unless given.
    pub key: String,
    /// The secret webhooks are signed with.
    pub secret: String,
    /// What an installation may do: permission and `read` or `write`.
    pub permissions: Vec<(String, String)>,
    /// Requests an hour before 403.
    pub rate: u64,
    /// As GitHub Enterprise Server has it: REST below `/api/v3`, GraphQL at `/api/graphql`.
    pub enterprise: bool,
}

impl Default for Options {
    fn default() -> Self {
        let write = ["checks", "contents", "issues", "pull_requests", "security_events"].map(|p| (p, "write"));
        let read = ["actions", "metadata"].map(|p| (p, "read"));
        let permissions = write.iter().chain(&read).map(|(p, l)| ((*p).to_owned(), (*l).to_owned())).collect();
        Self {
            listen: "127.0.0.1:0".to_owned(),
            app_id: 7,
            slug: "apprentice".to_owned(),
            key: key::TEST_KEY.to_owned(),
            secret: "It's a Secret to Everybody".to_owned(),
            permissions,
            rate: 5_000,
            enterprise: false,
        }
    }
}

/// A running forge. It ends, and its repositories go, when it is dropped.
pub struct Forge {
    shared: Arc<Shared>,
    url: String,
    runtime: Option<tokio::runtime::Runtime>,
    _root: tempfile::TempDir,
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn fail(error: std::io::Error) -> Error {
    Error::Server(error.to_string())
}

impl Forge {
    /// Starts a forge with an app and nothing else.
    pub fn start(options: Options) -> Result<Self, Error> {
        let root = tempfile::tempdir().map_err(fail)?;
        let listener = std::net::TcpListener::bind(&options.listen).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let url = format!("http://{}", listener.local_addr().map_err(fail)?);
        let shared = Shared::start(state(&options, &url, root.path())?)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(fail)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(fail)?
        };
        runtime.spawn(server::serve(listener, shared.clone()));
        Ok(Self { shared, url, runtime: Some(runtime), _root: root })
    }

    /// `http://127.0.0.1:PORT`: the base of REST (`/repos/…`), of GraphQL (`/graphql`) and of git (`/OWNER/NAME.git`).
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the app's webhooks go from now on.
    pub fn webhooks_to(&self, url: &str) {
        self.shared.with(|s| s.app.hook_url = Some(url.to_owned()));
    }

    /// A signed token of the app, good for nine minutes.
    pub fn app_jwt(&self) -> Result<String, Error> {
        let id = self.shared.with(|s| s.app.id);
        key::jwt(key::TEST_KEY, &id.to_string(), 60, 600)
    }

    /// Makes a public repository with one commit on `main`; its owner is made too.
    pub fn create(&self, full_name: &str, files: &[(&str, &str)]) -> Result<Repo, Error> {
        self.make(full_name, files, false)
    }

    /// The same, private.
    pub fn create_private(&self, full_name: &str, files: &[(&str, &str)]) -> Result<Repo, Error> {
        self.make(full_name, files, true)
    }

    fn make(&self, full_name: &str, files: &[(&str, &str)], private: bool) -> Result<Repo, Error> {
        let (owner, name) = full_name.split_once('/').ok_or_else(|| Error::Missing(full_name.to_owned()))?;
        self.shared.with(|s| new_repository(s, owner, name, private, None))?;
        let repo = self.repo(full_name);
        if !files.is_empty() {
            repo.push(owner, "main", "first", files)?;
        }
        Ok(repo)
    }

    /// A repository that is there.
    pub fn repo(&self, full_name: &str) -> Repo {
        Repo::new(self.shared.clone(), full_name)
    }

    /// Installs the app on an account, for all its repositories; `installation.created` goes out. Its number.
    pub fn install(&self, account: &str) -> u64 {
        self.shared.with(|s| installing::install(s, account, None))
    }

    /// Installs the app for some repositories (full names) only.
    pub fn install_on(&self, account: &str, repositories: &[&str]) -> u64 {
        let only = repositories.iter().map(|r| (*r).to_owned()).collect();
        self.shared.with(|s| installing::install(s, account, Some(only)))
    }

    /// Adds a repository to an installation that is for some only.
    pub fn add_to_installation(&self, account: &str, full_name: &str) {
        self.shared.with(|s| installing::selected(s, account, full_name, true));
    }

    /// Takes a repository out of an installation that is for some only.
    pub fn remove_from_installation(&self, account: &str, full_name: &str) {
        self.shared.with(|s| installing::selected(s, account, full_name, false));
    }

    /// Suspends the app there (`true`) or lets it work again; tokens answer 403 meanwhile.
    pub fn suspend(&self, account: &str, on: bool) {
        self.shared.with(|s| installing::suspend(s, account, on));
    }

    /// Takes the app off an account; its tokens are worth nothing from then on.
    pub fn uninstall(&self, account: &str) {
        self.shared.with(|s| installing::uninstall(s, account));
    }

    /// Changes what the app may do on an account.
    pub fn permit(&self, account: &str, permissions: &[(&str, &str)]) {
        let map: BTreeMap<String, String> = permissions.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.shared.with(|s| {
            s.installations.values_mut().filter(|i| i.account == account).for_each(|i| i.permissions = map.clone());
        });
    }

    /// A personal access token of someone.
    pub fn token(&self, login: &str) -> String {
        self.shared.with(|s| {
            s.user(login);
            let text = format!("ghp_{:036}", s.id());
            s.tokens.insert(text.clone(), Token { holder: Holder::Person(login.to_owned()), expires: None });
            text
        })
    }

    /// The `GITHUB_TOKEN` of a workflow in one repository, with these permissions; it acts as `github-actions[bot]`.
    pub fn workflow_token(&self, full_name: &str, permissions: &[(&str, &str)]) -> String {
        let permissions = permissions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let only = Some(BTreeSet::from([full_name.to_owned()]));
        self.shared.with(|s| {
            s.user("github-actions[bot]");
            let text = format!("ghs_{:036}", s.id());
            let holder = Holder::Installation { id: WORKFLOW, permissions, only };
            s.tokens.insert(text.clone(), Token { holder, expires: None });
            text
        })
    }

    /// Sends a `ping`.
    pub fn ping(&self) {
        self.shared.with(|s| {
            let hook = json!({ "type": "App", "id": 1, "name": "web", "active": true, "events": s.app.events });
            let owner = "octo-org".to_owned();
            hooks::send(
                s,
                "ping",
                None,
                &owner,
                json!({ "zen": "Design for failure.", "hook_id": 1, "hook": hook }),
                None,
            );
        });
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.shared.with(|s| s.faults.push(fault));
    }

    /// Forgets all faults that were not met, and sends what they held back.
    pub fn no_faults(&self) {
        self.shared.with(|s| {
            s.faults.clear();
            let held = std::mem::take(&mut s.held);
            s.outbox.extend(held);
        });
    }

    /// Stops the clock at a time (seconds since 1970); `advance` moves it.
    pub fn set_clock(&self, at: i64) {
        self.shared.with(|s| s.clock = Clock::Set { at });
    }

    /// Lets time pass: installation tokens expire after an hour.
    pub fn advance(&self, by: Duration) {
        self.shared.with(|s| s.clock.advance(by));
    }

    /// How many more requests this hour may have before 403.
    pub fn rate_left(&self, left: u64) {
        self.shared.with(|s| s.spent = s.limit.saturating_sub(left));
    }

    /// Waits until every webhook was answered or given up; whether that was within the time.
    pub fn settle(&self, limit: Duration) -> bool {
        self.shared.settle(limit)
    }

    /// Waits until something is so, looking every 20 ms; whether it was within the time.
    pub fn wait_until(&self, limit: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + limit;
        while !so(self) {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Sends a delivery once more under its GUID; whether there is such a one.
    pub fn redeliver(&self, id: u64) -> bool {
        self.shared.with(|s| hooks::redeliver(s, id))
    }

    /// What was not as GitHub describes it. Empty at the end of a good test.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.with(|s| s.violations.clone())
    }

    /// Every exchange so far, oldest first.
    pub fn requests(&self) -> Vec<Exchange> {
        self.shared.with(|s| s.requests.clone())
    }

    /// How often an operation (`pulls/create-review`, `graphql`, `git`) was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.with(|s| s.requests.iter().filter(|r| r.operation == operation).count())
    }

    /// How many installation tokens were made.
    pub fn tokens_minted(&self) -> u64 {
        self.shared.with(|s| s.minted)
    }

    /// The pull requests the app approved: a review bot has no business in this list.
    pub fn approvals(&self) -> Vec<(String, u64)> {
        self.shared.with(|s| s.approvals.clone())
    }

    /// Every webhook so far, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.with(|s| s.deliveries.clone())
    }
}

fn state(options: &Options, url: &str, root: &std::path::Path) -> Result<State, Error> {
    let events = "check_run check_suite issue_comment pull_request pull_request_review pull_request_review_comment \
        pull_request_review_thread push workflow_run";
    let app = App {
        id: options.app_id,
        slug: options.slug.clone(),
        client_id: format!("Iv1.{:016x}", options.app_id),
        key: key::public(&options.key)?,
        secret: options.secret.clone(),
        hook_url: None,
        permissions: options.permissions.iter().cloned().collect(),
        events: events.split_whitespace().map(str::to_owned).collect(),
    };
    let mut state = State {
        base: url.to_owned(),
        enterprise: options.enterprise,
        root: root.to_owned(),
        clock: Clock::Real { offset: 0 },
        started: real(),
        last_id: 1_000,
        app,
        users: BTreeMap::new(),
        repos: BTreeMap::new(),
        installations: BTreeMap::new(),
        tokens: BTreeMap::new(),
        deliveries: Vec::new(),
        outbox: Vec::new(),
        held: Vec::new(),
        faults: Vec::new(),
        requests: Vec::new(),
        violations: Vec::new(),
        approvals: Vec::new(),
        minted: 0,
        spent: 0,
        limit: options.rate,
    };
    let bot = state.app.login();
    state.user(&bot);
    state.user("octo-org");
    Ok(state)
}

/// Makes a repository on disk and in the state.
pub(crate) fn new_repository(
    state: &mut State,
    owner: &str,
    name: &str,
    private: bool,
    fork_of: Option<&str>,
) -> Result<(), Error> {
    let dir = state.root.join(owner).join(format!("{name}.git"));
    let git = match fork_of.and_then(|f| state.repo(f)) {
        Some(parent) => parent.git.fork(dir)?,
        None => Git::init(dir)?,
    };
    let (id, now) = (state.id(), state.now());
    state.user(owner);
    let repository = Repository {
        id,
        owner: owner.to_owned(),
        name: name.to_owned(),
        private,
        default_branch: "main".to_owned(),
        fork_of: fork_of.map(str::to_owned),
        git,
        protected: BTreeSet::new(),
        permissions: BTreeMap::from([(owner.to_owned(), "admin".to_owned())]),
        pulls: BTreeMap::new(),
        comments: Vec::new(),
        checks: Vec::new(),
        sarifs: Vec::new(),
        runs: Vec::new(),
        next_number: 1,
        created: now,
    };
    state.repos.insert(format!("{owner}/{name}"), repository);
    Ok(())
}
