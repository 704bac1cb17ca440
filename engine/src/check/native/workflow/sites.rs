//! Where in a workflow are expressions written?

use std::ops::Range;

use super::{
    FileKind, Workflow,
    expression::{self, Ast, Template},
};
use crate::check::native::yaml::{Kind, Scalar, Value};

/// A scalar that holds expressions.
pub(super) struct Site<'a> {
    pub(super) scalar: &'a Scalar,
    /// The keys from the root down to it; items of sequences add none.
    pub(super) path: Vec<&'a str>,
    /// Which job it is in.
    pub(super) job: Option<usize>,
    /// Which step of the job, or of the action.
    pub(super) step: Option<usize>,
    pub(super) templates: Vec<Template>,
    /// Whether the whole scalar is one expression: a condition, or a single `${{ … }}`.
    pub(super) is_whole: bool,
    /// Whether it is an `if`.
    pub(super) is_condition: bool,
}

impl Site<'_> {
    /// Where an expression stands in the file.
    pub(super) fn range(&self, ast: &Ast) -> Range<usize> {
        self.scalar.range(ast.span.clone())
    }

    /// Every expression of it that parses.
    pub(super) fn asts(&self) -> impl Iterator<Item = &Ast> {
        self.templates.iter().filter_map(|template| template.ast.as_ref().ok())
    }
}

/// Every scalar with an expression, in order of place.
pub(super) fn all<'a>(workflow: &Workflow<'a>) -> Vec<Site<'a>> {
    if workflow.kind == FileKind::Dependabot {
        return Vec::new();
    }
    let mut walk = Walk { kind: workflow.kind, path: Vec::new(), job: None, step: None, sites: Vec::new(), jobs: 0 };
    walk.value(workflow.root);
    walk.sites
}

struct Walk<'a> {
    kind: FileKind,
    path: Vec<&'a str>,
    job: Option<usize>,
    step: Option<usize>,
    jobs: usize,
    sites: Vec<Site<'a>>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &'a Value) {
        match &value.kind {
            Kind::Null => {}
            Kind::Scalar(scalar) => self.scalar(scalar),
            Kind::Seq(items) => {
                let steps = self.is_steps();
                for (number, item) in items.iter().enumerate() {
                    if steps {
                        self.step = Some(number);
                    }
                    self.value(item);
                }
                if steps {
                    self.step = None;
                }
            }
            Kind::Map(entries) => {
                for entry in entries.iter() {
                    let starts_job = self.kind == FileKind::Workflow && self.path == ["jobs"];
                    if starts_job {
                        self.job = Some(self.jobs);
                        self.jobs += 1;
                    }
                    self.path.push(&entry.key.text);
                    if entry.key.text.contains("${{") {
                        self.scalar(&entry.key);
                    }
                    self.value(&entry.value);
                    self.path.pop();
                    if starts_job {
                        self.job = None;
                    }
                }
            }
        }
    }

    fn is_steps(&self) -> bool {
        match self.kind {
            FileKind::Workflow => self.path.len() == 3 && self.path[0] == "jobs" && self.path[2] == "steps",
            _ => self.path == ["runs", "steps"],
        }
    }

    fn is_condition(&self) -> bool {
        let length = self.path.len();
        self.path.last() == Some(&"if")
            && match self.kind {
                FileKind::Workflow => self.job.is_some() && (length == 3 || (length == 4 && self.step.is_some())),
                _ => self.step.is_some() && length == 3,
            }
    }

    fn scalar(&mut self, scalar: &'a Scalar) {
        let is_condition = self.is_condition();
        let text = &*scalar.text;
        let templates = if text.contains("${{") {
            expression::templates(text)
        } else if is_condition && !text.trim().is_empty() {
            vec![Template { span: 0..text.len(), ast: expression::parse(text, 0..text.len()) }]
        } else {
            return;
        };
        let is_whole = matches!(&*templates, [only] if only.span.start == 0 && only.span.end == text.trim_end().len().max(only.span.end));
        self.sites.push(Site {
            scalar,
            path: self.path.clone(),
            job: self.job,
            step: self.step,
            templates,
            is_whole,
            is_condition,
        });
    }
}
