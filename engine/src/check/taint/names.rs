//! What does a function do, going by its name? Asked only where nothing better is known of it.

/// Its result is made harmless, or is no longer the data that went in.
pub(super) fn cleans(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "sanitize",
        "sanitise",
        "sanitized",
        "sanitizer",
        "escape",
        "escaped",
        "quote",
        "quoted",
        "encode",
        "purify",
        "clean",
        "cleaned",
        "bleach",
        "slugify",
        "slug",
        "secure",
        "safe",
        "validate",
        "validated",
        "validator",
        "verify",
        "check",
        "ensure",
        "allow",
        "allowed",
        "allowlist",
        "whitelist",
        "hash",
        "hashed",
        "hexdigest",
        "digest",
        "md5",
        "sha1",
        "sha256",
        "sign",
        "encrypt",
        "hmac",
        "int",
        "integer",
        "float",
        "number",
        "long",
        "double",
        "bool",
        "boolean",
        "uuid",
        "len",
        "length",
        "count",
        "size",
        "index",
        "basename",
        "ord",
        "is",
        "has",
        "can",
        "should",
        "exists",
        "equals",
        "compare",
        "matches",
        "test",
        "contains",
        "startswith",
        "endswith",
        "starts",
        "ends",
        "includes",
        "isdigit",
        "strip_tags",
        "enum",
        "date",
        "datetime",
        "timestamp",
        "strptime",
        "strconv",
    ];
    has_word(name, WORDS)
}

/// Its result is found by its arguments and not made of them.
pub(super) fn looks_up(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "find",
        "lookup",
        "load",
        "fetch",
        "query",
        "select",
        "search",
        "save",
        "insert",
        "update",
        "delete",
        "remove",
        "store",
        "send",
        "execute",
        "exec",
        "run",
        "post",
        "request",
        "authenticate",
        "login",
        "authorize",
        "register",
        "log",
        "warn",
        "info",
        "debug",
        "error",
        "print",
        "filter",
        "objects",
        "require",
        "import",
        "open",
        "connect",
        "client",
        "session",
        "db",
        "user",
        "config",
        "t",
        "translate",
        "gettext",
    ];
    has_word(name, WORDS)
}

/// Asked in a condition, it answers whether its argument will do.
pub(super) fn validates(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "valid",
        "validate",
        "validator",
        "verify",
        "check",
        "safe",
        "allow",
        "allowed",
        "allowlist",
        "whitelist",
        "permitted",
        "trusted",
        "known",
        "authorized",
        "match",
        "matches",
        "fullmatch",
        "test",
        "startswith",
        "starts",
        "prefix",
        "endswith",
        "ends",
        "suffix",
        "isdigit",
        "isalnum",
        "isalpha",
        "isdecimal",
        "isnumeric",
        "isidentifier",
        "isidentifier",
        "local",
        "under",
        "inside",
        "relative",
        "subpath",
        "within",
        "contains",
        "includes",
        "ensure",
        "assert",
        "sanitize",
        "any",
        "all",
        "count",
        "search",
        "indexof",
        "index",
    ];
    has_word(name, WORDS)
}

/// A method that puts its arguments into its receiver.
pub(super) fn adds_to_receiver(name: &str) -> bool {
    matches!(
        name,
        "append"
            | "add"
            | "push"
            | "put"
            | "extend"
            | "insert"
            | "update"
            | "unshift"
            | "addAll"
            | "putAll"
            | "concat"
            | "setdefault"
            | "write"
            | "writelines"
            | "WriteString"
            | "Write"
            | "addLast"
            | "addFirst"
            | "offer"
    )
}

/// A method whose function argument is called with the receiver's parts.
pub(super) fn hands_on(name: &str) -> bool {
    matches!(
        name,
        "map"
            | "forEach"
            | "filter"
            | "then"
            | "flatMap"
            | "reduce"
            | "some"
            | "every"
            | "find"
            | "ifPresent"
            | "each"
            | "orElseGet"
    )
}

/// A method on something unknown whose result is made of its arguments.
pub(super) fn makes(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "format",
        "join",
        "replace",
        "concat",
        "append",
        "resolve",
        "decode",
        "parse",
        "path",
        "to",
        "string",
        "build",
        "create",
        "make",
        "prepend",
        "with",
        "of",
        "template",
        "render",
        "normalize",
        "lower",
        "upper",
        "sub",
        "unescape",
        "unquote",
        "text",
        "arg",
        "args",
        "command",
        "url",
        "uri",
    ];
    has_word(name, WORDS)
}

/// A method without arguments that gives back its receiver's text, or nearly so.
pub(super) fn keeps_text(name: &str) -> bool {
    matches!(
        name,
        "toString" | "String" | "strip" | "trim" | "encode" | "decode" | "lower" | "upper" | "Bytes" | "getvalue"
    )
}

/// A member that is a fact about the data.
pub(super) fn measures(name: &str) -> bool {
    matches!(name, "length" | "size" | "count" | "status" | "status_code" | "lineno" | "size_bytes" | "byteLength")
}

/// Whether one of the words an identifier is put together of, or all of it in lower case, is among `words`.
fn has_word(name: &str, words: &[&str]) -> bool {
    let lower = name.to_ascii_lowercase();
    words.contains(&lower.trim_matches('_')) || parts(name).any(|part| words.contains(&&*part.to_ascii_lowercase()))
}

/// `isSafePath`, `is_safe_path` and `ISSafePath` are made of `is`, `safe` and `path`.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(['_', '-', '$', ' ']).flat_map(|piece| {
        let bytes = piece.as_bytes();
        let starts = |at: usize| {
            let upper = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
            let lower = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
            at > 0 && upper(at) && (!upper(at - 1) || lower(at + 1))
        };
        let mut cuts: Vec<usize> = (0..piece.len()).filter(|&at| at == 0 || starts(at)).collect();
        cuts.push(piece.len());
        cuts.windows(2).filter_map(|pair| piece.get(pair[0]..pair[1])).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_fall_into_their_words() {
        assert_eq!(parts("isSafePath").collect::<Vec<_>>(), ["is", "Safe", "Path"]);
        assert_eq!(parts("parse_HTMLPage").collect::<Vec<_>>(), ["parse", "HTML", "Page"]);
        assert!(validates("is_allowed_host") && validates("HasPrefix") && !validates("decode"));
        assert!(cleans("escapeHtml") && cleans("secure_filename") && !cleans("build_command"));
    }
}
