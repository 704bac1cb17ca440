//! Who is asking? The app by a signed token of its own, an installation or a person by theirs.

use crate::clock;
use crate::state::{Holder, State};
use crate::wire::{Refusal, Request};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest an app's own token may be good for, in seconds.
const JWT_LIFE: i64 = 600;

/// The installation a workflow's own token stands for: it is the runner's, no app of ours.
pub(crate) const WORKFLOW: u64 = 0;

/// Who a request comes from.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Nobody,
    App,
    Installation { id: u64, permissions: BTreeMap<String, String>, only: Option<BTreeSet<String>> },
    Person(String),
}

impl Who {
    /// The login what it does is done under.
    pub(crate) fn login(&self, state: &State) -> String {
        match self {
            Who::Person(login) => login.clone(),
            Who::Nobody => "ghost".to_owned(),
            Who::Installation { id: WORKFLOW, .. } => "github-actions[bot]".to_owned(),
            _ => state.app.login(),
        }
    }
}

/// Reads the `Authorization` header.
pub(crate) fn who(state: &State, request: &Request) -> Result<Who, Refusal> {
    let Some(header) = request.header("authorization") else { return Ok(Who::Nobody) };
    let (scheme, credential) = header.split_once(' ').unwrap_or((header, ""));
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" if credential.matches('.').count() == 2 => jwt(state, credential).map(|()| Who::App),
        "bearer" | "token" => token(state, credential),
        "basic" => token(state, &password(credential)),
        _ => Err(bad()),
    }
}

fn bad() -> Refusal {
    Refusal::new(401, "Bad credentials")
}

/// The password of a basic credential; git sends the token there.
fn password(credential: &str) -> String {
    let bytes = STANDARD.decode(credential).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split_once(':').map_or_else(String::new, |(user, pass)| if pass.is_empty() { user } else { pass }.to_owned())
}

/// Who holds a token; 401 for an unknown or an expired one, 403 when the installation is suspended.
fn token(state: &State, token: &str) -> Result<Who, Refusal> {
    let token = state.tokens.get(token).ok_or_else(bad)?;
    if token.expires.is_some_and(|at| at <= state.now()) {
        return Err(bad());
    }
    match &token.holder {
        Holder::Person(login) => Ok(Who::Person(login.clone())),
        Holder::Installation { id, permissions, only } => match state.installations.get(id) {
            None if *id != WORKFLOW => Err(bad()),
            Some(i) if i.suspended.is_some() => Err(Refusal::new(403, "This installation has been suspended")),
            _ => Ok(Who::Installation { id: *id, permissions: permissions.clone(), only: only.clone() }),
        },
    }
}

/// Checks an app's token: RS256 by the app's key, the right issuer, not older or longer than allowed.
fn jwt(state: &State, text: &str) -> Result<(), Refusal> {
    let unreadable = || Refusal::new(401, "A JSON web token could not be decoded");
    let (signed, signature) = text.rsplit_once('.').ok_or_else(unreadable)?;
    let (head, claims) = signed.split_once('.').ok_or_else(unreadable)?;
    let (head, claims) = (part(head).ok_or_else(unreadable)?, part(claims).ok_or_else(unreadable)?);
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| unreadable())?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &state.app.key);
    if head["alg"] != "RS256" || key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(unreadable());
    }
    times(&claims)?;
    let issuer = claims["iss"].as_str().map_or_else(|| claims["iss"].to_string(), str::to_owned);
    if issuer != state.app.id.to_string() && issuer != state.app.client_id {
        return Err(Refusal::new(401, "'Issuer' claim ('iss') must be the App ID or the client ID"));
    }
    Ok(())
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn times(claims: &Value) -> Result<(), Refusal> {
    let no = |what: &str| Err(Refusal::new(401, what));
    let (now, issued) = (clock::real(), claims["iat"].as_i64().unwrap_or(i64::MAX));
    let Some(expires) = claims["exp"].as_i64() else { return no("Missing 'expiration time' claim ('exp')") };
    match () {
        () if expires <= now => no("'Expiration time' claim ('exp') must be a numeric value in the future"),
        () if expires > now + JWT_LIFE => no("'Expiration time' claim ('exp') is too far in the future"),
        () if issued > now + 5 => no("'Issued at' claim ('iat') must be an Integer in the past"),
        () => Ok(()),
    }
}

/// Whether the credential was good once: an expired token is no mistake of who sends it.
pub(crate) fn known(state: &State, request: &Request) -> bool {
    let header = request.header("authorization").unwrap_or_default();
    let (scheme, credential) = header.split_once(' ').unwrap_or((header, ""));
    let text = if scheme.eq_ignore_ascii_case("basic") { password(credential) } else { credential.to_owned() };
    state.tokens.contains_key(&text)
}

/// Lets the token a request carries expire now.
pub(crate) fn expire(state: &mut State, request: &Request) {
    let header = request.header("authorization").unwrap_or_default();
    let (scheme, credential) = header.split_once(' ').unwrap_or((header, ""));
    let text = if scheme.eq_ignore_ascii_case("basic") { password(credential) } else { credential.to_owned() };
    let now = state.now();
    if let Some(token) = state.tokens.get_mut(&text) {
        token.expires = Some(now);
    }
}
