//! Which arguments does a format use, and as what?

use super::argument::Type;

/// Whose rules a format follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// pkg.go.dev/fmt
    Go,
    /// C17, 7.21.6.1, with the extensions of POSIX and glibc.
    C,
    /// C17, 7.21.6.2.
    Scan,
    /// docs.python.org/3/library/stdtypes.html#printf-style-string-formatting
    Python,
}

/// One use of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// Which one after the format, 0-based.
    pub(super) argument: usize,
    /// How it is written; `*` for a width or a precision.
    pub(super) verb: char,
    /// The whole directive.
    pub(super) text: String,
}

/// The uses of a format in order; `None` where it cannot be known, and what is wrong where it is no format.
pub(super) fn read(format: &str, dialect: Dialect) -> Result<Option<Vec<Use>>, String> {
    let mut uses = Vec::new();
    let mut next = 0;
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let Some(directive) = directive(&rest[at..], dialect, &mut next)? else { return Ok(None) };
        rest = &rest[at + directive.length..];
        uses.extend(directive.uses);
    }
    Ok(Some(uses))
}

struct Directive {
    length: usize,
    uses: Vec<Use>,
}

/// The directive that a text starts with.
fn directive(text: &str, dialect: Dialect, next: &mut usize) -> Result<Option<Directive>, String> {
    let mut chars = text.char_indices().skip(1).peekable();
    let mut stars = 0;
    let mut is_assigned = true;
    while let Some(&(at, c)) = chars.peek() {
        match c {
            '*' if dialect == Dialect::Scan => is_assigned = false,
            '*' => stars += 1,
            '[' if dialect == Dialect::Go => return Ok(indexed(text, next)),
            '[' if dialect == Dialect::Scan => return Ok(scan_set(text, at, is_assigned, next)),
            '$' => return Ok(None),
            '-' | '+' | '#' | ' ' | '0'..='9' | '.' | '\'' => {}
            'h' | 'l' | 'L' | 'j' | 'z' | 't' | 'q' if is_length(c, dialect) => {}
            _ => return Ok(Some(finished(text, at, c, stars, is_assigned, dialect, next))),
        }
        chars.next();
    }
    if dialect == Dialect::Scan {
        Ok(None)
    } else {
        Err(format!("the format ends inside a directive: `{}`", text.trim()))
    }
}

fn is_length(c: char, dialect: Dialect) -> bool {
    match dialect {
        Dialect::C | Dialect::Scan => true,
        Dialect::Python => matches!(c, 'h' | 'l' | 'L'),
        Dialect::Go => false,
    }
}

fn finished(
    text: &str,
    at: usize,
    verb: char,
    stars: usize,
    is_assigned: bool,
    dialect: Dialect,
    next: &mut usize,
) -> Directive {
    let length = at + verb.len_utf8();
    let takes_none = verb == '%' || !is_assigned || (dialect == Dialect::C && verb == 'm');
    let mut uses = Vec::new();
    let verbs = std::iter::repeat_n('*', stars).chain((!takes_none).then_some(verb));
    for verb in verbs {
        uses.push(Use { argument: *next, verb, text: text[..length].to_owned() });
        *next += 1;
    }
    Directive { length, uses }
}

/// Go's `%[2]d`: the argument is named, and the next directive goes on from there. Stars beside it are left alone.
fn indexed(text: &str, next: &mut usize) -> Option<Directive> {
    let open = text.find('[')?;
    let close = open + text[open..].find(']')?;
    let number: usize = text[open + 1..close].parse().ok().filter(|&number| number > 0)?;
    let after = &text[close + 1..];
    let skipped = after.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let verb = after[skipped..].chars().next().filter(|c| c.is_ascii_alphabetic())?;
    if text[..open].contains('*') {
        return None;
    }
    let length = close + 1 + skipped + verb.len_utf8();
    *next = number;
    Some(Directive { length, uses: vec![Use { argument: number - 1, verb, text: text[..length].to_owned() }] })
}

/// A set of characters, `%[^]…]`.
fn scan_set(text: &str, open: usize, is_assigned: bool, next: &mut usize) -> Option<Directive> {
    let inner = &text[open + 1..];
    let skipped = usize::from(inner.starts_with('^'));
    let skipped = skipped + usize::from(inner[skipped..].starts_with(']'));
    let length = open + 1 + skipped + inner[skipped..].find(']')? + 1;
    let uses = if is_assigned {
        vec![Use { argument: *next, verb: '[', text: text[..length].to_owned() }]
    } else {
        Vec::new()
    };
    *next += uses.len();
    Some(Directive { length, uses })
}

/// Whether a verb of package fmt takes a value of this type.
pub(super) fn go_takes(verb: char, kind: Type) -> bool {
    let is_whole = matches!(kind, Type::Int | Type::Char);
    match (verb, kind) {
        (_, Type::Unknown) | ('v' | 'T', _) => true,
        ('d' | 'o' | 'O' | 'c' | 'U' | '*', _) => is_whole,
        ('b', _) => is_whole || matches!(kind, Type::Float | Type::Complex),
        ('x' | 'X', _) => kind != Type::Bool,
        ('q', _) => is_whole || kind == Type::Text,
        ('s', _) => kind == Type::Text,
        ('t', _) => kind == Type::Bool,
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', _) => matches!(kind, Type::Float | Type::Complex),
        ('p' | 'w', _) => false,
        _ => true,
    }
}

/// Whether a conversion of C's printf takes a value of this type.
pub(super) fn c_takes(verb: char, kind: Type) -> bool {
    match (verb, kind) {
        (_, Type::Unknown) => true,
        ('d' | 'i' | 'u' | 'x' | 'X' | 'o' | 'c' | '*', _) => matches!(kind, Type::Int | Type::Char | Type::Bool),
        ('f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A', _) => kind == Type::Float,
        ('s', _) => kind == Type::Text,
        _ => true,
    }
}

/// Whether a conversion of Python's `%` takes a value of this type.
pub(super) fn python_takes(verb: char, kind: Type) -> bool {
    match verb {
        'd' | 'i' | 'u' | 'f' | 'F' | 'e' | 'E' | 'g' | 'G' | '*' => kind != Type::Text,
        'x' | 'X' | 'o' => !matches!(kind, Type::Text | Type::Float),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(format: &str, dialect: Dialect) -> Vec<(usize, char)> {
        let uses = read(format, dialect).unwrap().unwrap();
        uses.into_iter().map(|use_| (use_.argument, use_.verb)).collect()
    }

    #[test]
    fn each_dialect_counts_as_its_documents_say() {
        assert_eq!(used("%d%% %-5.*s", Dialect::C), [(0, 'd'), (1, '*'), (2, 's')]);
        assert_eq!(used("%llu %zu %m", Dialect::C), [(0, 'u'), (1, 'u')]);
        assert_eq!(used("%*d %9[^]x] %s", Dialect::Scan), [(0, '['), (1, 's')]);
        assert_eq!(used("%[2]d %d %v", Dialect::Go), [(1, 'd'), (2, 'd'), (3, 'v')]);
        assert_eq!(used("%5.2f %ld", Dialect::Python), [(0, 'f'), (1, 'd')]);
        assert_eq!(read("%1$s", Dialect::C), Ok(None));
        assert!(read("100%", Dialect::Go).is_err());
    }
}
