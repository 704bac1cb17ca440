//! How does HTML become a tree without becoming the end of us?

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ego_tree::{NodeId, NodeRef};
use html5ever::{driver::Parser, tendril::TendrilSink as _};
use scraper::{Html, HtmlTreeSink, Node};

use crate::recall::document::{DocumentError, Format, clean::split_within};

/// The deepest that elements nest; browsers stop at the same depth.
const DEPTH: usize = 512;
/// The most nodes.
const NODES: usize = 1_000_000;
/// The longest time.
const TIME: Duration = Duration::from_secs(5);
/// How many bytes are parsed between two looks at the tree. One piece can at worst multiply what is open by what it
/// opens, so it is small.
const PIECE: usize = 512;

/// A page as a tree in which each node knows its line.
pub(super) struct Tree {
    html: Html,
    /// The number of nodes before each line.
    starts: Vec<usize>,
    order: HashMap<NodeId, usize>,
}

impl Tree {
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeRef<'_, Node>> {
        self.html.tree.nodes()
    }

    pub(super) fn root(&self) -> NodeRef<'_, Node> {
        self.html.tree.root()
    }

    /// The 1-based line on which a node was first seen.
    pub(super) fn line(&self, node: NodeId) -> u32 {
        let at = self.order.get(&node).copied().unwrap_or_default();
        u32::try_from(self.starts.partition_point(|&start| start <= at)).unwrap_or(u32::MAX).max(1)
    }
}

/// Parses a page.
///
/// # Errors
/// [`DocumentError::Malformed`] where a bound is passed.
pub(super) fn parse(text: &str) -> Result<Tree, DocumentError> {
    let mut parser = html5ever::parse_document(HtmlTreeSink::new(Html::new_document()), Default::default());
    let start = Instant::now();
    let mut starts = Vec::new();
    let mut seen = 0;
    for line in text.split_inclusive('\n') {
        starts.push(seen);
        let mut rest = line;
        while !rest.is_empty() {
            let (piece, more) = split_within(rest, PIECE);
            parser.process(piece.into());
            seen = look(&parser, seen)?;
            if start.elapsed() > TIME {
                return Err(refused("it takes longer than a page should"));
            }
            rest = more;
        }
    }
    let html = parser.finish();
    let order = html.tree.nodes().enumerate().map(|(at, node)| (node.id(), at)).collect();
    Ok(Tree { html, starts, order })
}

/// Counts the nodes and measures those that are new.
fn look(parser: &Parser<HtmlTreeSink>, seen: usize) -> Result<usize, DocumentError> {
    let html = parser.tokenizer.sink.sink.0.borrow();
    let nodes = html.tree.nodes();
    let count = nodes.len();
    if count > NODES {
        return Err(refused(&format!("it has more than {NODES} nodes")));
    }
    if nodes.rev().take(count.saturating_sub(seen)).any(|node| node.ancestors().nth(DEPTH).is_some()) {
        return Err(refused(&format!("its elements nest deeper than {DEPTH}")));
    }
    Ok(count)
}

fn refused(why: &str) -> DocumentError {
    DocumentError::malformed(Format::Html, why)
}
