//! Our check run on a commit: begun once, ended once, fifty annotations a request.

use engine::git::CommitId;
use serde_json::{Value, json};

use super::call::Api;
use crate::{
    clock,
    forge::{Annotation, Answer, CheckRun, ForgeError, Place, Verdict},
};

/// The most annotations that one request may bring; a later one adds to them.
const A_REQUEST: usize = 50;

/// The longest text of an output, in characters.
const LONGEST: usize = 65_000;

/// Marks the runs that are ours, whatever App or token makes them.
const OURS: &str = "apprentice";

pub(super) async fn begin(api: &Api, place: &Place, commit: &CommitId, name: &str) -> Answer<Option<CheckRun>> {
    let what = "check run";
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let path = format!("/repos/{}/commits/{commit}/check-runs?check_name={encoded}&filter=latest", place.repo);
    let known = match api.get(&path, what).await {
        Ok(reply) => reply.body,
        Err(error) if matches!(error.status(), Some(403 | 404)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let runs = known["check_runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_ours = |run: &&Value| run["external_id"].as_str().is_some_and(|id| id.starts_with(OURS));
    if let Some(run) = runs.iter().find(|run| is_ours(run) && run["status"] == "in_progress") {
        let annotated = run["output"]["annotations_count"].as_u64().unwrap_or(0) as usize;
        return Ok(run["id"].as_u64().map(|id| CheckRun { id, annotated }));
    }
    let body = json!({
        "name": name, "head_sha": commit.as_str(), "status": "in_progress", "started_at": clock::iso(clock::now()),
        "external_id": format!("{OURS} {}", place.number),
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
