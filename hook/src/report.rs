//! `apprentice report`

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Result;
use engine::{
    feedback::{Group, Rate, Summary, summary},
    report::markdown::{code, plain},
};

use crate::{
    args::{self, ReportFormat},
    files, journal, lessons,
    review::print,
    setup,
};

pub(crate) fn run(args: &args::Args, given: &args::Report) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let journal = lessons::open(&setup, given.journal.as_deref())?;
    let told = journal.told()?;
    let text = match given.format {
        ReportFormat::Markdown => markdown(&summary(&told, &journal.learned(journal::now())?)),
        ReportFormat::Json => {
            let summary = summary(&told, &journal.learned(journal::now())?);
            format!("{}\n", serde_json::to_string_pretty(&summary)?)
        }
        ReportFormat::Jsonl => {
            let lines: Result<Vec<String>, _> = told.iter().map(serde_json::to_string).collect();
            lines?.into_iter().map(|line| line + "\n").collect()
        }
    };
    match &given.output {
        Some(file) => files::write(file, text.as_bytes())?,
        None => print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rate(rate: Option<Rate>) -> String {
    rate.map_or("–".into(), |rate| {
        let percent = |share: f64| (100.0 * share).round();
        format!("{} % ({}–{}, n = {})", percent(rate.share), percent(rate.low), percent(rate.high), rate.of)
    })
}

fn markdown(summary: &Summary) -> String {
    let mut out = String::from("# What became of what was said\n\n");
    if summary.said + summary.muted == 0 {
        return out + "Nothing was said yet.\n";
    }
    let _ = writeln!(
        out,
        "{} findings said, {} of them folded away; {} left alone.\n\n| | share (95 % interval) |\n|---|---|\n\
         | answered, of what was said | {} |\n| taken up, of what was said | {} |\n| taken up, of what was answered | {} |",
        summary.said,
        summary.folded,
        summary.muted,
        rate(summary.answered),
        rate(summary.addressed),
        rate(summary.accepted)
    );
    groups(&mut out, "By rule", &summary.by_rule);
    groups(&mut out, "By category", &summary.by_category);
    groups(&mut out, "By language", &summary.by_language);
    groups(&mut out, "By month", &summary.by_month);
    if let Some(error) = summary.calibration_error {
        let _ = writeln!(out, "\n## Foretold and come\n\n| chance | foretold | came |\n|---|--:|---|");
        for bin in &summary.calibration {
            let _ = writeln!(out, "| {:.1}–{:.1} | {:.2} | {} |", bin.from, bin.to, bin.foretold, rate(Some(bin.came)));
        }
        let _ = writeln!(out, "\nExpected calibration error: {error:.3}.");
    }
    if !summary.quiet.is_empty() {
        let _ = writeln!(out, "\n## Left alone\n");
        for muted in &summary.quiet {
            let _ = writeln!(out, "- {}, {} times: {}", code(&muted.rule), muted.times, plain(&muted.reason));
            for said in &muted.would_have_said {
                let _ = writeln!(out, "  - would have said: {}", plain(said));
            }
        }
    }
    out
}

fn groups(out: &mut String, title: &str, groups: &[Group]) {
    if groups.is_empty() {
        return;
    }
    let _ =
        writeln!(out, "\n## {title}\n\n| | said | left alone | taken up, of what was answered |\n|---|--:|--:|---|");
    for group in groups {
        let _ =
            writeln!(out, "| {} | {} | {} | {} |", code(&group.name), group.said, group.muted, rate(group.accepted));
    }
}
