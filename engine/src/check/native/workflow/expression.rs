//! What does the text between `${{` and `}}` compute?

use std::ops::Range;

/// An expression with its place in the scalar's text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ast {
    pub(super) span: Range<usize>,
    pub(super) node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A context by its name in lower case.
    Context(String),
    /// A property by its name in lower case.
    Property(Box<Ast>, String),
    Index(Box<Ast>, Box<Ast>),
    /// `.*` or `[*]`.
    Star(Box<Ast>),
    /// A function by its name in lower case.
    Call(String, Vec<Ast>),
    Not(Box<Ast>),
    Binary(Operator, Box<Ast>, Box<Ast>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// Why a text is not an expression, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) why: String,
}

/// One `${{ … }}` of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    /// The bytes from `${{` to `}}`.
    pub(super) span: Range<usize>,
    pub(super) ast: Result<Ast, SyntaxError>,
}

/// Every `${{ … }}` of a text, in order. One that is not closed ends the list with its error.
pub(super) fn templates(text: &str) -> Vec<Template> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("${{").map(|at| from + at) {
        let inner = open + 3;
        let Some(close) = closing(text, inner) else {
            let error = SyntaxError { at: open, why: "`${{` is never closed by `}}`".into() };
            found.push(Template { span: open..text.len(), ast: Err(error) });
            break;
        };
        found.push(Template { span: open..close + 2, ast: parse(text, inner..close) });
        from = close + 2;
    }
    found
}

/// The `}}` that ends an expression: not one inside quotes.
fn closing(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quoted = false;
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => quoted = !quoted,
            b'}' if !quoted && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The expression in a part of a text; places are those of the whole text.
pub(super) fn parse(text: &str, part: Range<usize>) -> Result<Ast, SyntaxError> {
    let mut parser = Parser { text, at: part.start, end: part.end, depth: 0 };
    let ast = parser.binary(0)?;
    parser.space();
    if parser.at < parser.end {
        return Err(parser.error(format!("`{}` is not expected here", parser.peek_word())));
    }
    Ok(ast)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    end: usize,
    depth: usize,
}

/// Operators by precedence, the loosest first.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual)],
    &[("<=", Operator::LessEqual), (">=", Operator::GreaterEqual), ("<", Operator::Less), (">", Operator::Greater)],
];

/// No one writes expressions this deep; the parser's stack stays small.
const DEEPEST: usize = 60;

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn error(&self, why: String) -> SyntaxError {
        SyntaxError { at: self.at.min(self.end), why }
    }

    fn peek_word(&self) -> &str {
        self.rest().split_whitespace().next().unwrap_or("")
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn binary(&mut self, level: usize) -> Result<Ast, SyntaxError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(&(_, operator)) = operators.iter().find(|(token, _)| self.eat(token)) {
            let right = self.binary(level + 1)?;
            let span = left.span.start..right.span.end;
            left = Ast { span, node: Node::Binary(operator, Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Ast, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("the expression is nested too deeply".into()));
        }
        self.space();
        let start = self.at;
        let is_not = self.rest().starts_with('!') && !self.rest().starts_with("!=");
        let ast = if is_not {
            self.at += 1;
            let inner = self.unary()?;
            Ast { span: start..inner.span.end, node: Node::Not(Box::new(inner)) }
        } else {
            self.postfix()?
        };
        self.depth -= 1;
        Ok(ast)
    }

    fn postfix(&mut self) -> Result<Ast, SyntaxError> {
        let mut ast = self.primary()?;
        loop {
            self.space();
            let start = ast.span.start;
            let node = if self.eat(".") {
                if self.eat("*") { Node::Star(Box::new(ast)) } else { Node::Property(Box::new(ast), self.name()?) }
            } else if self.eat("[") {
                self.index(ast)?
            } else {
                return Ok(ast);
            };
            ast = Ast { span: start..self.at, node };
        }
    }

    fn index(&mut self, object: Ast) -> Result<Node, SyntaxError> {
        let node = if self.eat("*") {
            Node::Star(Box::new(object))
        } else {
            let index = self.binary(0)?;
            match index.node {
                Node::Text(name) => Node::Property(Box::new(object), name.to_ascii_lowercase()),
                _ => Node::Index(Box::new(object), Box::new(index)),
            }
        };
        if self.eat("]") { Ok(node) } else { Err(self.error("`]` is missing".into())) }
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        self.space();
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
        if length == 0 || rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Err(self.error("a name is expected here".into()));
        }
        let name = rest[..length].to_ascii_lowercase();
        self.at += length;
        Ok(name)
    }

    fn primary(&mut self) -> Result<Ast, SyntaxError> {
        self.space();
        let start = self.at;
        let node = match self.rest().chars().next() {
            None => return Err(self.error("the expression is empty or ends too early".into())),
            Some('(') => return self.group(),
            Some('\'') => self.string()?,
            Some('"') => return Err(self.error("texts are written in single quotes, not double quotes".into())),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word()?,
            Some(c) => return Err(self.error(format!("`{c}` is not expected here"))),
        };
        Ok(Ast { span: start..self.at, node })
    }

    fn group(&mut self) -> Result<Ast, SyntaxError> {
        self.at += 1;
        let inner = self.binary(0)?;
        if self.eat(")") { Ok(inner) } else { Err(self.error("`)` is missing".into())) }
    }

    fn string(&mut self) -> Result<Node, SyntaxError> {
        let mut text = String::new();
        let mut rest = &self.text[self.at + 1..self.end];
        loop {
            let Some(quote) = rest.find('\'') else { return Err(self.error("a text is never closed by `'`".into())) };
            text.push_str(&rest[..quote]);
            rest = &rest[quote + 1..];
            if !rest.starts_with('\'') {
                break;
            }
            text.push('\'');
            rest = &rest[1..];
        }
        self.at = self.end - rest.len();
        Ok(Node::Text(text))
    }

    fn number(&mut self) -> Result<Node, SyntaxError> {
        let rest = self.rest();
        let length = rest
            .char_indices()
            .find(|&(at, c)| {
                let sign_of_exponent = (c == '-' || c == '+') && (at == 0 || rest[..at].ends_with(['e', 'E']));
                !(c.is_ascii_alphanumeric() || c == '.' || sign_of_exponent)
            })
            .map_or(rest.len(), |(at, _)| at);
        let word = &rest[..length];
        let unsigned = word.trim_start_matches(['-', '+']);
        let value = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16).ok().map(|value| value as f64),
            None => word.parse().ok(),
        };
        let Some(value) = value else { return Err(self.error(format!("`{word}` is not a number"))) };
        self.at += length;
        Ok(Node::Number(value))
    }

    fn word(&mut self) -> Result<Node, SyntaxError> {
        let name = self.name()?;
        self.space();
        if self.rest().starts_with('(') {
            self.at += 1;
            return Ok(Node::Call(name, self.arguments()?));
        }
        Ok(match &*name {
            "null" => Node::Null,
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "nan" => Node::Number(f64::NAN),
            "infinity" => Node::Number(f64::INFINITY),
            _ => Node::Context(name),
        })
    }

    fn arguments(&mut self) -> Result<Vec<Ast>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.binary(0)?);
            if self.eat(")") {
                return Ok(arguments);
            }
            if !self.eat(",") {
                return Err(self.error("`,` or `)` is missing".into()));
            }
        }
    }
}

impl Ast {
    /// Calls `visit` on this and everything inside it, outside first.
    pub(super) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Ast)) {
        visit(self);
        match &self.node {
            Node::Property(inner, _) | Node::Star(inner) | Node::Not(inner) => inner.walk(visit),
            Node::Index(a, b) | Node::Binary(_, a, b) => {
                a.walk(visit);
                b.walk(visit);
            }
            Node::Call(_, arguments) => arguments.iter().for_each(|argument| argument.walk(visit)),
            _ => {}
        }
    }

    /// `github.event.issue.title` as its parts, `*` for any; none where a part is computed or it is not a context.
    pub(super) fn path(&self) -> Option<Vec<&str>> {
        match &self.node {
            Node::Context(name) => Some(vec![name]),
            Node::Property(inner, name) => inner.path().map(|mut path| {
                path.push(name);
                path
            }),
            Node::Star(inner) => inner.path().map(|mut path| {
                path.push("*");
                path
            }),
            Node::Index(inner, index) if matches!(index.node, Node::Number(_)) => inner.path().map(|mut path| {
                path.push("*");
                path
            }),
            _ => None,
        }
    }

    /// Whether it is this context path, such as `github.actor`.
    pub(super) fn is(&self, path: &str) -> bool {
        self.path().is_some_and(|parts| parts.iter().copied().eq(path.split('.')))
    }

    /// Whether its value is known without running anything.
    pub(super) fn is_constant(&self) -> bool {
        match &self.node {
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => true,
            Node::Not(inner) => inner.is_constant(),
            Node::Binary(_, a, b) => a.is_constant() && b.is_constant(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Result<Ast, SyntaxError> {
        parse(text, 0..text.len())
    }

    #[test]
    fn precedence_is_or_and_equality_order_not() {
        let Node::Binary(Operator::Or, left, _) = one("!a && b == 'x' || c").unwrap().node else { panic!("not an or") };
        assert!(matches!(left.node, Node::Binary(Operator::And, _, _)));
    }

    #[test]
    fn paths_are_read_through_dots_brackets_and_stars() {
        assert!(one("github['EVENT'].issue.title").unwrap().is("github.event.issue.title"));
        assert!(one("github.event.commits[0].message").unwrap().is("github.event.commits.*.message"));
        assert!(one("a.*.b").unwrap().is("a.*.b"));
    }

    #[test]
    fn templates_end_where_quotes_allow() {
        let found = templates("x ${{ 'a}}' }} y ${{ b }}");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].span, 2..14);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(one("a &").unwrap_err().at, 2);
        assert!(one("\"a\"").unwrap_err().why.contains("single quotes"));
        assert!(one("").is_err() && one("f(a").is_err() && one("a.").is_err() && one("a b").is_err());
        assert!(templates("${{ a")[0].ast.is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}", inner in "[a-z.()'!&|<>=\\[\\]* 0-9-]{0,60}") {
            templates(&text);
            templates(&format!("${{{{{inner}}}}}"));
            let _ = parse(&inner, 0..inner.len());
        }
    }
}
