//! Does data that someone hostile controls reach a place where it must not be?
//!
//! A rule with a `taint` field instead of `rule` asks this for one kind of place:
//!
//! ```yaml
//! what: "`$SINK` runs a command line put together from $SOURCE"
//! taint:
//!   sources: [request]              # kinds of sources in config/taint/<language>.yml
//!   sinks:
//!     - call: [os.system, os.popen] # full paths, imports resolved; `.run` is that method of anything; {a,b} is both
//!       argument: 0                 # a place or a name, or several; all where left out
//!     - call: "subprocess.{run,Popen}"
//!       argument: 0
//!       when: {shell: "^True$"}     # what other arguments must be, as a regular expression on their constant text
//!     - call: .execute
//!       on: "(?i)cursor|conn"       # what the receiver or its type must be called
//!       shape: '(?i)\bselect\b'     # what is known of the text there: `◆` is the data, `◇` what is not known
//!     - assign: .innerHTML          # an assignment to a member
//!     - return: '^@app\.route'      # a value returned by a function with such a decorator or annotation
//!   sanitizers: [shlex.quote]       # calls whose result is harmless here
//! ```
//!
//! The tree becomes a [`program`] in one small language, the same for all four that are followed. Functions are
//! followed in order of their statements ([`flow`]); what a parameter reaches and what is returned is remembered for
//! the callers in the same file. Where it is not clear that hostile data arrives, nothing is said.

mod facts;
mod flow;
mod lower;
mod names;
mod program;
mod signature;
mod spec;
mod value;

pub(crate) use spec::Spec;

use super::{Meta, Target};
use crate::{
    finding::{Because, Finding},
    source::SourceFile,
};

/// What the rules say of the target. The tree is read once for all of them, and not at all where no source occurs.
pub(crate) fn run(target: &Target<'_>, rules: &[(&Meta, &Spec)], findings: &mut Vec<Finding>) {
    let Some(language) = target.file.language else { return };
    let Ok(Some(facts)) = facts::Facts::of(language) else { return };
    let text = &*target.file.text;
    let present: Vec<bool> = facts.groups.iter().map(|group| group.occurs_in(text)).collect();
    let wanted: Vec<_> = rules.iter().filter(|(_, spec)| spec.groups.iter().any(|&group| present[group])).collect();
    if wanted.is_empty() || is_minified(target.file) {
        return;
    }
    let Some(tree) = target.tree() else { return };
    let Some(program) = lower::lower(&tree.root(), language) else { return target.give_up_following() };
    for (meta, spec) in wanted {
        let hits = flow::follow(&program, facts, spec, text).unwrap_or_else(|| {
            target.give_up_following();
            Vec::new()
        });
        findings.extend(hits.iter().map(|hit| finding(target.file, meta, &facts.groups[hit.trace.group], hit)));
    }
}

/// Whether a file is written for machines: following it takes long, and nobody reviews it.
fn is_minified(file: &SourceFile) -> bool {
    const LONGEST_LINE: usize = 5_000;
    file.text.len() / (file.lines.count() as usize + 1) > 300 || file.text.lines().any(|line| line.len() > LONGEST_LINE)
}

fn finding(file: &SourceFile, meta: &Meta, group: &facts::Group, hit: &flow::Hit) -> Finding {
    let mut finding = meta.finding(file, hit.range.clone());
    finding.what = meta.what.replace("$SOURCE", &group.what).replace("$SINK", &hit.sink);
    finding.severity = group.severity.map_or(finding.severity, |most| finding.severity.min(most));
    let because = |step: &value::Step| Because {
        path: file.path.clone(),
        span: file.span(step.range.clone()),
        note: step.note.clone(),
    };
    finding.because = hit.trace.steps.iter().map(because).collect();
    finding
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        change::FileChange,
        check::rule::RuleSet,
        config::Config,
        source::{Language, RepoPath},
    };

    fn rules() -> RuleSet {
        RuleSet::builtin().filtered(|id| id.contains("/request-reaches-"))
    }

    fn findings(rules: &RuleSet, language: Language, code: &str) -> Vec<Finding> {
        let path = RepoPath::new(format!("src/example.{}", language.name())).unwrap();
        let mut file = SourceFile::new(path.clone(), Arc::from(code.as_bytes()), 1 << 24).unwrap();
        file.language = Some(language);
        let (change, config) = (FileChange::whole(path, None), Config::default());
        let target = Target::new(&file, None, &change, &config.checks);
        rules.run(&target, &mut |error| panic!("{error}"))
    }

    fn examples() -> Vec<(Language, String)> {
        let rules = rules();
        let of = |rule: &crate::check::rule::Rule| {
            let doc = rule.doc().unwrap();
            let language = rule.languages[0];
            doc.valid.into_iter().chain(doc.invalid).map(|example| (language, example.code)).collect::<Vec<_>>()
        };
        rules.iter().flat_map(of).collect()
    }

    #[test]
    fn every_rule_has_three_examples_of_each_kind_and_keeps_them() {
        let rules = rules();
        for rule in rules.iter() {
            let doc = rule.doc().unwrap();
            assert!(doc.valid.len() >= 3 && doc.invalid.len() >= 3, "{}", rule.id);
            for (examples, is_found) in [(&doc.valid, false), (&doc.invalid, true)] {
                for example in examples {
                    let found = findings(&rules, rule.languages[0], &example.code);
                    let lines: Vec<_> =
                        found.iter().filter(|one| *one.check.0 == *rule.id).map(|one| one.span.from.line).collect();
                    assert_eq!(!lines.is_empty(), is_found, "{}: {}", rule.id, example.code);
                    assert!(example.lines.as_ref().is_none_or(|wanted| *wanted == lines), "{}: {lines:?}", rule.id);
                }
            }
        }
    }

    #[test]
    fn a_finding_tells_the_way_of_the_data() {
        let code = "from flask import request\nimport os\ndef run(line):\n    os.system(line)\n\
                    def view():\n    name = request.args['n']\n    line = 'ls ' + name\n    run(line)\n";
        let found = findings(&rules(), Language::Python, code);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(finding.what, "`os.system` runs a command put together from the request");
        let steps: Vec<_> = finding.because.iter().map(|step| (step.span.from.line, step.note.as_str())).collect();
        let wanted =
            [(6, "`name` comes from the request here"), (7, "`line` is made of it here"), (8, "passed to `run` here")];
        assert_eq!(steps, wanted);
    }

    #[test]
    fn recursion_and_size_come_to_an_end() {
        let mut code = String::from(
            "import os\nfrom flask import request\ndef a(x):\n    b(x)\n    os.system(x)\ndef b(x):\n    a(x)\n",
        );
        code.push_str("def view():\n    a(request.args['x'])\n");
        assert_eq!(findings(&rules(), Language::Python, &code).len(), 1);
        code.push_str(&format!("    y = {}0\n", "(1 + ".repeat(5_000)));
        code.push_str(&"    if y:\n        y = y + request.args['x']\n".repeat(20_000));
        findings(&rules(), Language::Python, &code);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn broken_code_is_followed_without_a_panic(
            at in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
            length in 0..60_usize,
            inserted in "[(){}\\[\\]\"'`:;=.,%◆ü\n a-z]{0,6}",
        ) {
            let examples = examples();
            let (language, code) = at.get(&examples);
            let chars: Vec<char> = code.chars().collect();
            let start = cut.index(chars.len());
            let end = (start + length).min(chars.len());
            let broken: String = chars[..start].iter().copied().chain(inserted.chars()).chain(chars[end..].iter().copied()).collect();
            findings(&rules(), *language, &broken);
        }
    }
}
