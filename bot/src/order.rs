//! What did they ask us to do? Orders in comments, and the right it takes to give them.

use engine::feedback::Permission;

/// What can be asked of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Review,
    Pause,
    Resume,
    Ignore,
    Explain,
    Fix,
    Ask(String),
    Why,
    Forget,
    Help,
    /// Something we do not know, as it was written.
    Unknown(String),
}

/// Whether a comment speaks to us: a line of it, outside quotes and code, begins with our name.
pub(crate) fn speaks_to(us: &str, body: &str) -> bool {
    order(us, body).is_some()
}

/// The first order of a comment.
pub(crate) fn order(us: &str, body: &str) -> Option<Order> {
    let mut in_code = false;
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            in_code = !in_code;
        }
        let Some(rest) = line.strip_prefix('@').filter(|_| !in_code) else { continue };
        let name = rest.get(..us.len()).filter(|name| name.eq_ignore_ascii_case(us));
        let rest = name.map(|_| rest[us.len()..].strip_prefix("[bot]").unwrap_or(&rest[us.len()..]));
        match rest {
            // `@apprentice-team` is somebody else.
            Some(rest) if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_') => {
                let more: Vec<&str> = lines.collect();
                return Some(read(rest.trim_start_matches([':', ',']).trim(), &more.join("\n")));
            }
            _ => {}
        }
    }
    None
}

fn read(line: &str, below: &str) -> Order {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word.to_ascii_lowercase().trim_end_matches(['.', '!', '?']) {
        "review" => Order::Review,
        "pause" => Order::Pause,
        "resume" => Order::Resume,
        "ignore" => Order::Ignore,
        "explain" => Order::Explain,
        "fix" => Order::Fix,
        "ask" => Order::Ask(format!("{rest}\n{below}").trim().to_owned()),
        "why" => Order::Why,
        "forget" => Order::Forget,
        "help" | "" => Order::Help,
        _ => Order::Unknown(word.chars().take(40).collect()),
    }
}

impl Order {
    /// The least right it takes. Whoever opened the pull request may ask about it, whatever their right.
    pub(crate) fn needs(&self) -> (Permission, bool) {
        match self {
            Self::Review | Self::Explain | Self::Ask(_) | Self::Why | Self::Help | Self::Unknown(_) => {
                (Permission::Triage, true)
            }
            Self::Pause | Self::Resume | Self::Ignore | Self::Fix | Self::Forget => (Permission::Write, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_begins_a_line_outside_quotes_and_code() {
        let of = |body: &str| order("apprentice", body);
        assert_eq!(of("@apprentice review"), Some(Order::Review));
        assert_eq!(of("thanks\n  @Apprentice[bot]: fix!"), Some(Order::Fix));
        assert_eq!(of("@apprentice ask why\nis that?"), Some(Order::Ask("why\nis that?".into())));
        assert_eq!(of("@apprentice"), Some(Order::Help));
        assert_eq!(of("@apprentice dance now"), Some(Order::Unknown("dance".into())));
        for other in
            ["> @apprentice fix", "```\n@apprentice fix\n```", "see @apprentice fix", "@apprentice-team fix", "@app"]
        {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(order("apprentice", "@éééééééééé"), None);
    }
}
