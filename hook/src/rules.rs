//! `apprentice rules`

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use engine::{
    check::rule::{Rule, RuleSet},
    config::Config,
    examples,
};

use crate::{args, files, review, setup};

pub(crate) fn run(all: &args::Args, args: &args::Rules) -> Result<ExitCode> {
    match &args.command {
        args::RulesCommand::List => list(&setup::read(all)?.rules()?.0),
        args::RulesCommand::Explain { id } => explain(&setup::read(all)?.rules()?.0, id),
        args::RulesCommand::Test { paths } => test(paths),
    }
}

fn list(rules: &RuleSet) -> Result<ExitCode> {
    let mut text = String::new();
    for rule in rules.iter() {
        let meta = rule.meta().map_err(Clone::clone)?;
        let fix = match rule.doc()?.fixable {
            Some(engine::edit::Applicability::Safe) => "fix",
            Some(engine::edit::Applicability::Unsafe) => "fix?",
            None => "",
        };
        text += &format!("{:<48} {:<8} {:<15} {fix:<5} {}\n", rule.id, meta.severity, meta.category, meta.what);
    }
    review::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn explain(rules: &RuleSet, id: &str) -> Result<ExitCode> {
    let Some(rule) = rules.get(id) else {
        let near: Vec<&str> = rules.iter().map(|rule| &*rule.id).filter(|other| other.contains(id)).take(5).collect();
        match near.as_slice() {
            [] => bail!("there is no rule `{id}`; `apprentice rules list` names them all"),
            near => bail!("there is no rule `{id}`; did you mean {}?", near.join(", ")),
        }
    };
    let meta = rule.meta().map_err(Clone::clone)?;
    let doc = rule.doc()?;
    let mut page = format!("# {}\n\n{}.\n\n{}\n", rule.id, capitalized(&doc.what), doc.why);
    let languages: Vec<&str> = rule.languages.iter().map(|language| language.name()).collect();
    page += &format!("\n- severity: {}, confidence: {}, category: {}\n", meta.severity, meta.confidence, meta.category);
    page +=
        &format!("- languages: {}\n", if languages.is_empty() { "every text".into() } else { languages.join(", ") });
    if let Some(cwe) = meta.cwe {
        page += &format!("- weakness: CWE-{cwe}\n");
    }
    for link in &doc.references {
        page += &format!("- see {link}\n");
    }
    for (title, examples) in [("Found", &doc.invalid), ("Not found", &doc.valid)] {
        page += &format!("\n## {title}\n");
        for example in examples {
            page += &format!("\n```\n{}\n```\n", example.code.trim_end());
            if let Some(fixed) = &example.fixed {
                page += &format!("\nfixed:\n\n```\n{}\n```\n", fixed.trim_end());
            }
        }
    }
    page += &format!("\nTo silence one finding: a comment `apprentice: allow {} -- why`.\n", rule.id);
    review::print(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn test(paths: &[std::path::PathBuf]) -> Result<ExitCode> {
    let mut own = Vec::new();
    for path in paths {
        own.extend(read(path)?);
    }
    let wanted: Option<Vec<String>> = (!paths.is_empty()).then(|| own.iter().map(|rule| rule.id.to_string()).collect());
    let rules = RuleSet::builtin().with(own);
    let tally = examples::test(&rules, &Config::default().checks, |id| {
        wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|name| name == id))
    });
    for broken in &tally.broken {
        anstream::println!("{broken}");
    }
    anstream::println!(
        "{} rule{}, {} examples, {} fixes proven, {} broken",
        tally.rules,
        if tally.rules == 1 { "" } else { "s" },
        tally.examples,
        tally.fixes,
        tally.broken.len()
    );
    Ok(ExitCode::from(u8::from(!tally.broken.is_empty())))
}

/// The rules of a file, or of every rule file below a folder.
pub(crate) fn read(path: &Path) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for file in files::below(path, &["yml", "yaml"])? {
        let text = files::read_text(&file)?;
        rules.extend(Rule::read(&file, &text).with_context(|| format!("cannot use `{}`", file.display()))?);
    }
    Ok(rules)
}
