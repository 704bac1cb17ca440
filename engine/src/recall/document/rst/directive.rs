//! What does explicit markup show, and what becomes of the lines inside it?

/// What the indented lines below are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Read as any other lines.
    Prose,
    /// Kept as they are.
    Code,
    /// Read as any other lines, below what is shown as their heading.
    Object,
    /// For the builder of the page.
    Nothing,
    /// For nobody.
    Comment,
}

/// What is shown of the text after `..`, and what is inside.
pub(super) fn parse(rest: &str) -> (String, Body) {
    if let Some(note) = rest.strip_prefix('[').and_then(|note| note.split_once("] ")) {
        return (note.1.to_owned(), Body::Prose);
    }
    let Some((name, argument)) = rest.split_once("::") else { return (String::new(), Body::Comment) };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_:+.".contains(c));
    if rest.starts_with(['_', '|']) || !is_name {
        return (String::new(), Body::Comment);
    }
    directive(name, argument.trim())
}

fn directive(name: &str, argument: &str) -> (String, Body) {
    // The domain does not matter: `py:function` is shown as `function` is.
    let name = name.rsplit(':').next().unwrap_or(name);
    match name {
        "code-block" | "code" | "sourcecode" | "parsed-literal" | "prompt" | "testcode" | "testsetup"
        | "testoutput" | "doctest" | "ipython" | "math" | "productionlist" | "console" | "tabbed-code" => {
            (String::new(), Body::Code)
        }
        "toctree" | "image" | "raw" | "include" | "literalinclude" | "index" | "highlight" | "currentmodule"
        | "contents" | "meta" | "role" | "default-role" | "automodule" | "module" | "graphviz" | "plot"
        | "tabularcolumns" | "sectionauthor" | "moduleauthor" | "codeauthor" | "localtoc" | "autosummary"
        | "unicode" | "replace" => (String::new(), Body::Nothing),
        "note" | "warning" | "tip" | "hint" | "important" | "caution" | "danger" | "attention" | "error"
        | "seealso" | "todo" => (labelled(&capital(name), argument), Body::Prose),
        "versionadded" => (labelled("Added in version", argument), Body::Prose),
        "versionchanged" => (labelled("Changed in version", argument), Body::Prose),
        "deprecated" | "deprecated-removed" => (labelled("Deprecated since version", argument), Body::Prose),
        "function" | "method" | "class" | "attribute" | "data" | "exception" | "property" | "classmethod"
        | "staticmethod" | "decorator" | "decoratormethod" | "option" | "envvar" | "confval" | "setting"
        | "describe" | "object" | "type" | "macro" | "struct" | "enum" | "member" | "autoclass" | "autofunction"
        | "automethod" | "autodata" | "autoexception" | "autoattribute"
            if !argument.is_empty() =>
        {
            (argument.to_owned(), Body::Object)
        }
        "figure" | "container" | "only" => (String::new(), Body::Prose),
        _ => (argument.to_owned(), Body::Prose),
    }
}

fn labelled(label: &str, argument: &str) -> String {
    if argument.is_empty() { format!("{label}:") } else { format!("{label}: {argument}") }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A field such as `:param x: what it is` as prose.
pub(super) fn field(rest: &str) -> Option<String> {
    let (name, text) = rest.strip_prefix(':')?.split_once(": ")?;
    let is_name = !name.is_empty() && name.len() < 60 && !name.contains(['`', ':']);
    is_name.then(|| format!("{name}: {}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sort_of_explicit_markup_is_known() {
        let shows = |rest: &str| parse(rest);
        assert_eq!(shows("py:function:: f(x)"), ("f(x)".to_owned(), Body::Object));
        assert_eq!(shows("note:: mind"), ("Note: mind".to_owned(), Body::Prose));
        assert_eq!(shows("code-block:: c"), (String::new(), Body::Code));
        assert_eq!(shows("[1] See there."), ("See there.".to_owned(), Body::Prose));
        for silent in ["_a: https://x::y", "|x| replace:: y", "just a comment: x", "", "see a :: b"] {
            assert_eq!(shows(silent).1, Body::Comment, "{silent}");
        }
    }
}
