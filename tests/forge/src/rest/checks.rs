//! What does GitHub do with check runs and their annotations?

use super::{Call, Outcome, unplayed};
use crate::state::CheckRun;
use crate::wire::{Answer, Refusal};
use crate::{rules, view};
use serde_json::{Value, json};

pub(super) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    match operation {
        "checks/create" => create(call),
        "checks/update" => update(call),
        "checks/get" => show(call, call.number("check_run_id")?, 200),
        "checks/list-annotations" => annotations(call),
        "checks/list-for-ref" => of_ref(call),
        other => Err(unplayed(other)),
    }
}

fn show(call: &Call<'_>, id: u64, status: u16) -> Outcome {
    let repo = call.repo()?;
    let run = repo.checks.iter().find(|c| c.id == id).ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(status, view::check_run(call.state, repo, run)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let (id, now, body) = (call.state.id(), call.state.now(), call.body.clone());
    let sha = call.text("head_sha").to_owned();
    if call.repo()?.git.commit(&sha).is_none_or(|c| c != sha) {
        return Err(Refusal::invalid(format!("No commit found for SHA: {sha}")));
    }
    let mut run = CheckRun {
        id,
        name: call.text("name").to_owned(),
        head_sha: sha,
        status: "queued".to_owned(),
        conclusion: None,
        output: json!({}),
        annotations: Vec::new(),
        rest: json!({}),
        started: now,
        completed: None,
    };
    apply(&mut run, &body, now)?;
    call.repo_mut()?.checks.push(run);
    show(call, id, 201)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let (id, now, body) = (call.number("check_run_id")?, call.state.now(), call.body.clone());
    let run = call.repo_mut()?.checks.iter_mut().find(|c| c.id == id).ok_or_else(Refusal::missing)?;
    apply(run, &body, now)?;
    show(call, id, 200)
}

/// Puts what was sent into a check run; annotations are added to those it has.
fn apply(run: &mut CheckRun, body: &Value, now: i64) -> Result<(), Refusal> {
    let fresh = body["output"]["annotations"].as_array().cloned().unwrap_or_default();
    if fresh.len() > rules::ANNOTATIONS {
        return Err(Refusal::invalid("No more than 50 annotations a request"));
    }
    for name in ["external_id", "details_url", "actions"] {
        if let Some(value) = body.get(name) {
            run.rest[name] = value.clone();
        }
    }
    for name in ["title", "summary", "text"] {
        if let Some(value) = body["output"].get(name) {
            run.output[name] = value.clone();
        }
    }
    if let Some(name) = body["name"].as_str() {
        run.name = name.to_owned();
    }
    run.annotations.extend(fresh);
    if let Some(status) = body["status"].as_str() {
        run.status = status.to_owned();
    }
    if run.status != "completed" {
        (run.conclusion, run.completed) = (None, None);
    }
    if let Some(conclusion) = body["conclusion"].as_str() {
        run.conclusion = Some(conclusion.to_owned());
        run.status = "completed".to_owned();
        run.completed = Some(now);
    }
    match run.status == "completed" && run.conclusion.is_none() {
        true => Err(Refusal::invalid("conclusion is needed when status is completed")),
        false => Ok(()),
    }
}

fn annotations(call: &mut Call<'_>) -> Outcome {
    let id = call.number("check_run_id")?;
    let repo = call.repo()?;
    let run = repo.checks.iter().find(|c| c.id == id).ok_or_else(Refusal::missing)?;
    let whole = |a: &Value| {
        let mut whole = json!({
            "start_column": null, "end_column": null, "title": null, "raw_details": null,
            "blob_href": format!("{}/{}/blob/{}", call.state.base, repo.full_name(), run.head_sha),
        });
        for (key, value) in a.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        whole
    };
    Ok(Answer::Json(200, run.annotations.iter().map(whole).collect()))
}

fn of_ref(call: &mut Call<'_>) -> Outcome {
    let repo = call.repo()?;
    let sha = repo.git.commit(call.param("ref")).ok_or_else(Refusal::missing)?;
    let fits = |name: &str, value: Option<&str>| call.request.query(name).is_none_or(|w| Some(w) == value);
    let app = call.request.query("app_id").is_none_or(|id| id == call.state.app.id.to_string());
    let mut shown: Vec<&CheckRun> = repo
        .checks
        .iter()
        .filter(|c| c.head_sha == sha && app)
        .filter(|c| fits("check_name", Some(&c.name)) && fits("status", Some(&c.status)))
        .collect();
    if call.request.query("filter") != Some("all") {
        let newest = |c: &&CheckRun| !repo.checks.iter().any(|o| o.head_sha == sha && o.name == c.name && o.id > c.id);
        shown.retain(newest);
    }
    let list: Vec<Value> = shown.into_iter().map(|c| view::check_run(call.state, repo, c)).collect();
    Ok(Answer::Json(200, json!({ "total_count": list.len(), "check_runs": list })))
}
