//! Does a statement change, allow or compare more than it seems to?

use super::{Kind, Report, Statement};
use crate::edit::{Applicability, Edit};

/// `UPDATE` or `DELETE` of every row.
pub(super) fn no_where(statement: &Statement<'_>, report: &mut Report<'_>) {
    let is_delete = statement.starts(&["DELETE", "FROM"]);
    let is_update =
        statement.starts(&["UPDATE"]) && statement.has_outside("SET") && !statement.starts(&["UPDATE", "STATISTICS"]);
    let limited = ["WHERE", "JOIN", "USING", "LIMIT", "FROM"].iter().any(|word| match (is_delete, *word) {
        (true, "FROM") => false,
        _ => statement.has_outside(word),
    });
    if (is_delete || is_update) && !limited {
        let verb = statement.tokens[0].text.to_ascii_uppercase();
        report.say(
            statement.range(0, if is_delete { 2 } else { 1 }),
            format!("this `{verb}` reaches every row of the table"),
        );
    }
}

/// `= NULL`, which never holds.
pub(super) fn null_compared(statement: &Statement<'_>, report: &mut Report<'_>) {
    for (at, token) in statement.tokens.iter().enumerate() {
        let null = statement.tokens.get(at + 1).filter(|next| next.is("NULL"));
        let Some(null) = null else { continue };
        let unequal = matches!(token.text, "<>" | "!=");
        if unequal || (token.text == "=" && is_condition(statement, at)) {
            report.at(token.start..null.end());
            let mended = if unequal { "IS NOT NULL" } else { "IS NULL" };
            let before = report.target.file.text[..token.start].ends_with(char::is_whitespace);
            let mended = if before { mended.to_owned() } else { format!(" {mended}") };
            report.fix(Applicability::Safe, Edit::replace(token.start..null.end(), mended));
        }
    }
}

/// Whether the `=` at a place compares rather than assigns.
fn is_condition(statement: &Statement<'_>, at: usize) -> bool {
    const COMPARES: &[&str] = &["WHERE", "AND", "OR", "ON", "HAVING", "WHEN", "NOT", "CHECK"];
    const ASSIGNS: &[&str] = &[
        "SET", "DEFAULT", "EXEC", "EXECUTE", "CALL", "DECLARE", "VALUES", "SELECT", "RETURNS", "AS", "THEN", "ELSE",
        ",",
    ];
    let depth = statement.tokens[at].depth;
    let before = statement.tokens[..at].iter().rev().filter(|token| token.depth <= depth);
    let mut decisive = before.filter(|token| token.is_any(COMPARES) || token.is_any(ASSIGNS));
    decisive.next().is_some_and(|token| token.is_any(COMPARES))
}

/// `NOT IN (SELECT …)` of a column that may be null.
pub(super) fn not_in_nullable(statement: &Statement<'_>, report: &mut Report<'_>) {
    for at in statement.find(&["NOT", "IN", "(", "SELECT"]) {
        let depth = statement.tokens[at].depth;
        let inner = &statement.tokens[at + 4..];
        let length = inner.iter().position(|token| token.text == ")" && token.depth == depth).unwrap_or(inner.len());
        let inner = &inner[..length];
        let from = inner.iter().position(|token| token.is("FROM")).unwrap_or(0);
        let columns = &inner[..from];
        let column = columns.last().filter(|_| matches!(columns.len(), 1 | 3));
        let guarded = inner.iter().any(|token| token.is_any(&["COALESCE", "IS"]));
        if column.is_some_and(|column| !column.text.eq_ignore_ascii_case("id")) && !guarded {
            report.at(statement.range(at, at + 1));
        }
    }
}

/// `GRANT ALL` and `TO PUBLIC`.
pub(super) fn grant_wide(statement: &Statement<'_>, report: &mut Report<'_>) {
    if !statement.starts(&["GRANT"]) {
        return;
    }
    let everything = statement.tokens.get(1).is_some_and(|token| token.is("ALL"));
    let own_tables = statement.has("SCHEMA") || statement.has("TABLES") || statement.has("SEQUENCES");
    if let Some(at) = statement.find(&["TO", "PUBLIC"]).next() {
        report.say(statement.range(at, at + 1), "everyone who can log in gets this right");
    } else if everything && !own_tables {
        report.say(statement.range(0, 1), "every right is granted, changing the schema and its rights among them");
    }
}

/// A password in a script.
pub(super) fn password(statement: &Statement<'_>, report: &mut Report<'_>) {
    let of_user = statement.tokens.first().is_some_and(|token| token.is_any(&["CREATE", "ALTER", "GRANT", "SET"]));
    if !of_user {
        return;
    }
    let after: [&[&str]; 4] = [&["IDENTIFIED", "BY"], &["PASSWORD", "="], &["ENCRYPTED", "PASSWORD"], &["PASSWORD"]];
    for words in after {
        for at in statement.find(words).collect::<Vec<_>>() {
            let text = statement.tokens.get(at + words.len()).filter(|token| token.kind == Kind::Text);
            let plain = text.is_some_and(|token| {
                let inner = token.text.trim_matches('\'');
                !inner.is_empty()
                    && !inner.contains(['$', '{', '<', '%'])
                    && !inner.starts_with("SCRAM-")
                    && !inner.starts_with("md5")
            });
            if let Some(token) = text.filter(|_| plain) {
                return report.at(token.start..token.end());
            }
        }
    }
}

/// `ADD COLUMN … NOT NULL` with nothing to put into the rows that are there.
pub(super) fn not_null_no_default(statement: &Statement<'_>, report: &mut Report<'_>) {
    const FILLED: &[&str] = &[
        "DEFAULT",
        "GENERATED",
        "IDENTITY",
        "AUTO_INCREMENT",
        "AUTOINCREMENT",
        "SERIAL",
        "BIGSERIAL",
        "AS",
        "ROWVERSION",
    ];
    if !statement.starts(&["ALTER", "TABLE"]) {
        return;
    }
    for clause in statement.tokens.split(|token| token.depth == 0 && token.text == ",") {
        let Some(add) = clause.iter().position(|token| token.depth == 0 && token.is("ADD")) else { continue };
        let added = &clause[add + 1..];
        let other = added.first().is_some_and(|token| {
            token.is_any(&[
                "CONSTRAINT",
                "PRIMARY",
                "UNIQUE",
                "INDEX",
                "KEY",
                "FOREIGN",
                "CHECK",
                "PARTITION",
                "FULLTEXT",
                "NOT",
            ])
        });
        let not_null = added.windows(2).position(|pair| pair[0].depth == 0 && pair[0].is("NOT") && pair[1].is("NULL"));
        if let Some(at) = not_null.filter(|_| !other && !added.iter().any(|token| token.is_any(FILLED))) {
            report.at(clause[add].start..added[at + 1].end());
        }
    }
}

/// `CREATE INDEX` that stops writes, in a migration of PostgreSQL.
pub(super) fn index_locks(statement: &Statement<'_>, report: &mut Report<'_>) {
    let unique = statement.starts(&["CREATE", "UNIQUE", "INDEX"]);
    if !(unique || statement.starts(&["CREATE", "INDEX"])) || statement.has("CONCURRENTLY") {
        return;
    }
    let path = report.target.file.path.as_str().to_ascii_lowercase();
    let text = report.target.file.text.to_ascii_lowercase();
    let postgres =
        ["jsonb", "timestamptz", "bigserial", "plpgsql", "using gin", "using gist", "using btree", "concurrently"];
    if !path.contains("migrat") || !postgres.iter().any(|word| text.contains(word)) {
        return;
    }
    let on = statement.tokens.iter().position(|token| token.is("ON"));
    let table = on
        .and_then(|at| statement.tokens[at + 1..].iter().find(|token| !token.is("ONLY")))
        .map(|token| token.text.to_ascii_lowercase());
    let new = table.is_some_and(|table| {
        text.contains(&format!("create table {table}")) || text.contains(&format!("create table if not exists {table}"))
    });
    if !new {
        report.at(statement.range(0, if unique { 2 } else { 1 }));
    }
}

/// `SELECT *` that fixes today's columns of another table.
pub(super) fn star(statement: &Statement<'_>, report: &mut Report<'_>) {
    let insert = statement.starts(&["INSERT", "INTO"]);
    let view = statement.starts(&["CREATE"]) && statement.tokens.iter().take(6).any(|token| token.is("VIEW"));
    let select = statement.find(&["SELECT", "*", "FROM"]).find(|&at| statement.tokens[at].depth == 0);
    let Some(at) = select.filter(|_| insert || view) else { return };
    let calls = statement.tokens[at + 3..].iter().take(4).any(|token| token.text == "(");
    let from_query =
        calls || statement.tokens.get(at + 3).is_some_and(|token| token.text == "(") || statement.has_outside("WITH");
    if !from_query {
        let what = if view {
            "the view keeps the columns the table has today"
        } else {
            "the rows fit only while both tables have the same columns in the same order"
        };
        report.say(statement.range(at, at + 1), what);
    }
}

/// `FROM a, b` with no condition at all.
pub(super) fn join_without_condition(statement: &Statement<'_>, report: &mut Report<'_>) {
    let tokens = statement.tokens;
    let Some(from) = tokens.iter().position(|token| token.depth == 0 && token.is("FROM")) else { return };
    if !statement.starts(&["SELECT"]) || statement.has("WHERE") || statement.has("LATERAL") || statement.has("JOIN") {
        return;
    }
    let rest = &tokens[from + 1..];
    let ends = ["GROUP", "ORDER", "LIMIT", "HAVING", "UNION", "FOR", "INTO", "WINDOW", "OFFSET", "FETCH"];
    let end = rest.iter().position(|token| token.depth == 0 && token.is_any(&ends)).unwrap_or(rest.len());
    let tables: Vec<_> = rest[..end].split(|token| token.depth == 0 && token.text == ",").collect();
    let plain = tables.iter().all(|table| !table.is_empty() && table.iter().all(|token| token.text != "("));
    if tables.len() > 1 && plain {
        report.at(tokens[from].start..rest[end - 1].end());
    }
}

/// Money in a binary fraction.
pub(super) fn float_money(statement: &Statement<'_>, report: &mut Report<'_>) {
    const MONEY: &[&str] =
        &["price", "amount", "balance", "cost", "salary", "fee", "subtotal", "revenue", "payment", "tax"];
    if !statement.starts(&["CREATE"]) && !statement.starts(&["ALTER"]) {
        return;
    }
    for pair in statement.tokens.windows(2) {
        let name = pair[0].text.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase();
        let money = name.rsplit('_').next().is_some_and(|last| MONEY.contains(&last));
        if money && pair[1].is_any(&["FLOAT", "REAL", "DOUBLE", "FLOAT4", "FLOAT8"]) {
            report.say(
                pair[0].start..pair[1].end(),
                format!("`{name}` is money in a binary fraction, which cannot hold 0.10"),
            );
        }
    }
}

/// MySQL's `utf8` of three bytes.
pub(super) fn utf8(statement: &Statement<'_>, report: &mut Report<'_>) {
    for (at, token) in statement.tokens.iter().enumerate().filter(|(_, token)| token.is_any(&["utf8", "utf8mb3"])) {
        let before = &statement.tokens[at.saturating_sub(3)..at];
        let named = before.iter().any(|token| token.is_any(&["CHARSET", "SET"]))
            && statement.starts(&["CREATE"]) | statement.starts(&["ALTER"]);
        let charset = before.iter().any(|token| token.is_any(&["CHARSET", "CHARACTER"]));
        if named && charset {
            report.at(token.start..token.end());
            report.fix(Applicability::Unsafe, Edit::replace(token.start..token.end(), "utf8mb4"));
        }
    }
}

/// SQL put together from texts and run.
pub(super) fn dynamic(statement: &Statement<'_>, report: &mut Report<'_>) {
    for token in statement.tokens.iter().filter(|token| token.kind == Kind::Text && token.text.starts_with('$')) {
        let body = token.text;
        let start = body[1..].find('$').map_or(0, |end| end + 2);
        let inner = super::tokens(&body[start..]);
        for part in inner.split(|token| token.text == ";") {
            concatenated(&Statement { tokens: part }, token.start + start, report);
        }
    }
    concatenated(statement, 0, report);
}

/// `EXECUTE 'text' || name` with nothing that quotes the name.
fn concatenated(statement: &Statement<'_>, offset: usize, report: &mut Report<'_>) {
    let Some(execute) = statement.tokens.iter().position(|token| token.is_any(&["EXECUTE", "EXEC"])) else { return };
    let rest = &statement.tokens[execute + 1..];
    let quotes = ["quote_ident", "quote_literal", "quote_nullable", "format", "QUOTENAME"];
    let joins = rest.windows(2).any(|pair| {
        let sign = |text: &str| matches!(text, "||" | "+");
        (pair[0].kind == Kind::Text && sign(pair[1].text)) || (sign(pair[0].text) && pair[1].kind == Kind::Text)
    });
    let names = rest.iter().any(|token| token.kind == Kind::Word && !token.is_any(&["INTO", "USING"]));
    if joins && names && !rest.iter().any(|token| token.is_any(&quotes)) {
        let token = &statement.tokens[execute];
        report.at(offset + token.start..offset + token.end());
    }
}

/// `SECURITY DEFINER` without a search path of its own.
pub(super) fn definer_path(statement: &Statement<'_>, report: &mut Report<'_>) {
    let function = statement.starts(&["CREATE"]) && (statement.has("FUNCTION") || statement.has("PROCEDURE"));
    let fixed = statement.tokens.windows(2).any(|pair| {
        (pair[0].is("SET") && pair[1].is("search_path"))
            || (pair[0].is("LANGUAGE") && pair[1].is_any(&["C", "internal"]))
    });
    if let Some(at) = statement.find(&["SECURITY", "DEFINER"]).next().filter(|_| function && !fixed) {
        report.at(statement.range(at, at + 1));
    }
}
