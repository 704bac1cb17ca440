//! What is certainly wrong in a regular expression?

/// Whose syntax it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    /// github.com/google/re2/wiki/Syntax
    Re2,
    /// docs.python.org/3/library/re.html
    Python,
    /// java.util.regex.Pattern
    Java,
    /// ECMA-262, without the `u` and `v` flags
    JavaScript,
}

/// The first mistake, in words; none where there is none or the pattern uses what is not followed here.
pub(super) fn mistake(pattern: &str, flavor: Flavor) -> Option<String> {
    if pattern.contains("\\Q") || pattern.contains("(?#") || has_verbose_flag(pattern) {
        return None;
    }
    Reader { chars: pattern.chars().collect(), at: 0, flavor }.read().err()
}

fn has_verbose_flag(pattern: &str) -> bool {
    pattern.split("(?").skip(1).any(|rest| {
        let flags = rest.split(|c: char| !c.is_ascii_alphabetic() && c != '-').next().unwrap_or("");
        !rest.starts_with('P') && flags.contains('x')
    })
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    flavor: Flavor,
}

/// What stands before a quantifier.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Atom,
    Quantifier,
}

impl Reader {
    fn read(&mut self) -> Result<(), String> {
        let mut open = 0_u32;
        let mut before = Before::Nothing;
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    self.escape()?;
                    before = Before::Atom;
                }
                '[' => {
                    self.class()?;
                    before = Before::Atom;
                }
                '(' => {
                    self.group_head()?;
                    open += 1;
                    before = Before::Nothing;
                }
                ')' => {
                    open = open.checked_sub(1).ok_or("a `)` closes nothing")?;
                    before = Before::Atom;
                }
                '|' => before = Before::Nothing,
                '*' | '+' | '?' => before = quantified(c, before)?,
                '{' => before = self.counted(before)?,
                _ => before = Before::Atom,
            }
        }
        if open > 0 { Err("a `(` is never closed".into()) } else { Ok(()) }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    fn rest_starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(at, c)| self.chars.get(self.at + at) == Some(&c))
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.next() {
            None => Err("it ends in a lone backslash".into()),
            Some(digit @ '1'..='9') if self.flavor == Flavor::Re2 => {
                Err(format!("Go has no back reference such as `\\{digit}`"))
            }
            Some('p' | 'P' | 'x' | 'u' | 'k' | 'g') if self.rest_starts_with("{") || self.rest_starts_with("<") => {
                while self.next().is_some_and(|c| c != '}' && c != '>') {}
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn group_head(&mut self) -> Result<(), String> {
        if !self.rest_starts_with("?") {
            return Ok(());
        }
        let unsupported = ["?=", "?!", "?<=", "?<!", "?>"].iter().find(|head| self.rest_starts_with(head));
        if let (Flavor::Re2, Some(head)) = (self.flavor, unsupported) {
            return Err(format!("Go has no group `({head}…)`"));
        }
        self.at += 1;
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,5}`; anything else in braces is text.
    fn counted(&mut self, before: Before) -> Result<Before, String> {
        let Some(length) = self.chars[self.at..].iter().position(|&c| c == '}') else { return Ok(Before::Atom) };
        let inner: String = self.chars[self.at..self.at + length].iter().collect();
        let mut bounds = inner.splitn(2, ',');
        let (least, most) = (bounds.next().unwrap_or(""), bounds.next());
        let number = |text: &str| text.parse::<u64>().ok();
        let Some(least) = number(least) else { return Ok(Before::Atom) };
        if most.is_some_and(|most| !most.is_empty() && number(most).is_none()) {
            return Ok(Before::Atom);
        }
        self.at += length + 1;
        let most = most.and_then(number);
        if most.is_some_and(|most| most < least) {
            return Err(format!("`{{{inner}}}` counts down"));
        }
        if self.flavor == Flavor::Re2 && least.max(most.unwrap_or(0)) > 1_000 {
            return Err(format!("Go repeats at most 1000 times, not `{{{inner}}}`"));
        }
        if before == Before::Nothing && self.flavor != Flavor::Re2 {
            return Err(format!("`{{{inner}}}` repeats nothing"));
        }
        Ok(Before::Quantifier)
    }

    /// The rest of a class after its `[`.
    fn class(&mut self) -> Result<(), String> {
        if self.rest_starts_with("^") {
            self.at += 1;
        }
        if self.rest_starts_with("]") && self.flavor != Flavor::JavaScript {
            self.at += 1;
        }
        let mut last: Option<char> = None;
        loop {
            match self.next().ok_or("a `[` is never closed")? {
                ']' => return Ok(()),
                '\\' => {
                    self.escape_in_class()?;
                    last = None;
                }
                '[' => {
                    self.inner_class()?;
                    last = None;
                }
                '-' => {
                    self.range(last)?;
                    last = None;
                }
                c => last = Some(c),
            }
        }
    }

    fn escape_in_class(&mut self) -> Result<(), String> {
        if matches!(self.chars.get(self.at), Some('1'..='9')) {
            self.at += 1;
            return Ok(());
        }
        self.escape()
    }

    /// `[:alpha:]` for Go, a nested class for Java, a plain bracket for the others.
    fn inner_class(&mut self) -> Result<(), String> {
        match self.flavor {
            Flavor::Java => self.class(),
            Flavor::Re2 if self.rest_starts_with(":") => {
                let rest = &self.chars[self.at..];
                let close = rest.windows(2).position(|pair| pair == [':', ']']);
                self.at += close.map_or(0, |close| close + 2);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A range whose ends are plain letters or digits must run upwards.
    fn range(&mut self, from: Option<char>) -> Result<(), String> {
        let to = self.chars.get(self.at).copied();
        match (from, to) {
            (Some(from), Some(to)) if from.is_ascii_alphanumeric() && to.is_ascii_alphanumeric() => {
                self.at += 1;
                if from > to { Err(format!("the range `{from}-{to}` runs backwards")) } else { Ok(()) }
            }
            (Some(_), Some(to)) if to != ']' && to != '\\' && to != '[' => {
                self.at += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn quantified(quantifier: char, before: Before) -> Result<Before, String> {
    match (before, quantifier) {
        (Before::Nothing, _) => Err(format!("`{quantifier}` repeats nothing")),
        (Before::Quantifier, '*') => Err("a repetition is repeated by `*`".into()),
        _ => Ok(Before::Quantifier),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Flavor; 4] = [Flavor::Re2, Flavor::Python, Flavor::Java, Flavor::JavaScript];

    #[test]
    fn good_patterns_pass_everywhere() {
        for pattern in [
            "",
            "a*?b+?c??",
            "^[^]a-z]+$",
            "(?:a|b){2,3}",
            r"\[x\]\(",
            "[-a]",
            "[a-]",
            "[+-.]",
            "a{,3}",
            "{",
            "x{y}",
            "(?i)a",
            r"[\w-]+",
            "(?P<name>a)",
            "a|",
            "()",
        ] {
            for flavor in ALL {
                let skips = flavor == Flavor::JavaScript && pattern.starts_with("^[^]");
                assert!(
                    skips || mistake(pattern, flavor).is_none(),
                    "{pattern} {flavor:?}: {:?}",
                    mistake(pattern, flavor)
                );
            }
        }
        assert_eq!(mistake("[[:alpha:]_]+", Flavor::Re2), None);
        assert_eq!(mistake("(?=a)b", Flavor::Python), None);
        assert_eq!(mistake("[a-z&&[^b]]+", Flavor::Java), None);
        assert_eq!(mistake("(?x) a # (\n", Flavor::Python), None);
    }

    #[test]
    fn bad_patterns_are_refused_everywhere() {
        for pattern in ["(a", "a)", "[a", "*a", "(+a)", "a|*", "a**", "[z-a]", "a\\", "a{3,1}"] {
            for flavor in ALL {
                assert!(mistake(pattern, flavor).is_some(), "{pattern} {flavor:?}");
            }
        }
        assert!(mistake(r"(a)\1", Flavor::Re2).is_some() && mistake(r"(a)\1", Flavor::Python).is_none());
    }

    proptest! {
        #[test]
        fn what_re2_like_syntax_takes_is_not_called_a_mistake(pattern in r"[a-c()\[\]|*+?.^$-]{0,12}") {
            // Rust's syntax is RE2's but for set notation in classes, which these letters hardly reach.
            let nested = pattern.matches('[').count() > 1 || pattern.contains("--");
            if !nested && regex_syntax::parse(&pattern).is_ok() && !pattern.contains("**") && !pattern.contains("+*") && !pattern.contains("?*") {
                prop_assert_eq!(mistake(&pattern, Flavor::Re2), None);
            }
        }
    }
}
