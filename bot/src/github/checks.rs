//! Our check run on a commit: begun once, ended once, fifty annotations a request.

use serde_json::{Value, json};

use super::call::Api;
use crate::{
    clock,
    forge::{Annotation, Answer, CheckRun, ForgeError, Place, Pull, Verdict},
};

/// The most annotations that one request may bring; a later one adds to them.
const A_REQUEST: usize = 50;

/// The longest text of an output, in characters.
const LONGEST: usize = 65_000;

/// Marks the runs that are ours, whatever App or token makes them.
const OURS: &str = "apprentice";

pub(super) async fn begin(
    api: &Api,
    place: &Place,
    pull: &Pull,
    (name, anew): (&str, bool),
) -> Answer<Option<CheckRun>> {
    let what = "check run";
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let path =
        format!("/repos/{}/commits/{}/check-runs?check_name={encoded}&filter=all&per_page=100", place.repo, pull.head);
    let known = match api.get(&path, what).await {
        Ok(reply) => reply.body,
        Err(error) if matches!(error.status(), Some(403 | 404)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let runs = known["check_runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (ours, this) = (format!("{OURS} {} ", place.number), format!("{OURS} {} {}", place.number, pull.base));
    let id = |run: &Value| run["external_id"].as_str().unwrap_or_default().to_owned();
    // Another pull request may have the same head; its run is its own.
    let newest = runs.iter().filter(|run| id(run).starts_with(&ours)).max_by_key(|run| run["id"].as_u64());
    // One that ended is taken again by who does a task once more: after a lost answer, a kill, or a push that turned out
    // to be known. Nobody sees two verdicts on one commit.
    if let Some(run) = newest.filter(|run| run["status"] == "in_progress" || (!anew && id(run) == this)) {
        let annotated = run["output"]["annotations_count"].as_u64().unwrap_or(0) as usize;
        return Ok(run["id"].as_u64().map(|id| CheckRun { id, annotated }));
    }
    let body = json!({
        "name": name, "head_sha": pull.head.as_str(), "status": "in_progress", "started_at": clock::iso(clock::now()),
        "external_id": this,
    });
    match api.write("POST", &format!("/repos/{}/check-runs", place.repo), &body, what).await {
        Ok(reply) => Ok(reply.body["id"].as_u64().map(|id| CheckRun { id, annotated: 0 })),
        // Only Apps may make check runs; with a personal token there is none.
        Err(ForgeError::Refused { status: 403 | 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn end(api: &Api, place: &Place, run: CheckRun, verdict: &Verdict) -> Answer<()> {
    let path = format!("/repos/{}/check-runs/{}", place.repo, run.id);
    let left: Vec<&[Annotation]> =
        verdict.annotations.get(run.annotated..).unwrap_or_default().chunks(A_REQUEST).collect();
    let output = |annotations: &[Annotation]| {
        json!({
            "title": cut(&verdict.title, 250), "summary": cut(&verdict.summary, LONGEST), "annotations": annotations,
        })
    };
    let (last, others) = left.split_last().map_or((&[][..], &[][..]), |(last, others)| (*last, others));
    for annotations in others {
        api.write("PATCH", &path, &json!({ "output": output(annotations) }), "annotate").await?;
    }
    let body = json!({
        "status": "completed", "conclusion": verdict.conclusion.word(), "completed_at": clock::iso(clock::now()),
        "output": output(last),
    });
    api.write("PATCH", &path, &body, "end the check run").await.map(drop)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
