//! How is a model asked? What its chat template writes around each turn, found by trying it, and the same in Go's form.
//!
//! Ollama writes prompts with Go's templates, GGUF files carry Jinja's. Instead of a list of known ones, the file's own
//! is asked to write conversations of made-up turns, and what stands between them is cut out. Whether the pieces put
//! together give again what it wrote is checked on conversations that they were not cut from; a template that does not
//! work turn by turn is refused.

use engine::model::{
    chat::{ModelError, Role, Turn},
    local::{gguf::Metadata, template::Template, tokenizer::Tokenizer},
};

/// What stands around the turns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// Before everything, where no system turn begins the conversation.
    without_system: String,
    system: Around,
    user: Around,
    assistant: Around,
    /// After the last turn, before the answer.
    prompt: String,
    /// Texts at which an answer ends.
    pub(super) stops: Vec<String>,
}

/// What stands before and after a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Around {
    before: String,
    after: String,
}

/// Turns that no template has a word of.
const SYSTEM: &str = "qzsystem";
const FIRST: &str = "qzfirst";
const REPLY: &str = "qzreply";
const SECOND: &str = "qzsecond";

impl Form {
    /// What a file's template writes.
    ///
    /// # Errors
    /// Why it cannot be said turn by turn.
    pub(super) fn of(metadata: &Metadata) -> Result<Self, String> {
        let tokenizer = Tokenizer::new(metadata).map_err(why)?;
        let template = Template::new(metadata).map_err(why)?;
        // The server puts the token that begins a text before it by itself.
        let begin = tokenizer.bos().filter(|_| tokenizer.adds_bos()).map(|bos| tokenizer.name(bos)).unwrap_or_default();
        let write = |turns: &[Turn]| {
            let text = template.text(&tokenizer, turns).map_err(why)?;
            Ok(text.strip_prefix(&*begin).map_or_else(|| text.clone(), str::to_owned))
        };
        let mut form = Self::cut(&write)?;
        form.check(&write)?;
        form.stops = ends(metadata)?;
        let marks = [&form.user.before, &form.assistant.before, &form.prompt].map(|text| mark(text));
        let new: Vec<String> = marks.into_iter().flatten().filter(|mark| !form.stops.contains(mark)).collect();
        form.stops.extend(new.into_iter().take(1));
        Ok(form)
    }

    /// The pieces, from three conversations.
    fn cut(write: &dyn Fn(&[Turn]) -> Result<String, String>) -> Result<Self, String> {
        let [system, first, reply, second] = turns();
        let long = between(&write(&[system, first.clone(), reply, second])?, &[SYSTEM, FIRST, REPLY, SECOND])?;
        let short = between(&write(&[first])?, &[FIRST])?;
        let ([start, system_user, user_reply, reply_user, end], [alone, _]) = (&*long, &*short) else {
            return Err("it leaves out turns".into());
        };
        // Anywhere in what they have in common could be cut; where a turn is marked is where a reader would.
        let mark = mark(start);
        let user_before = from_mark(common_end(common_end(system_user, reply_user), alone), mark.as_deref());
        let user_after = to_mark(common_start(user_reply, end), mark.as_deref());
        let rest = |whole: &str, part: &str| whole[..whole.len() - part.len()].to_owned();
        Ok(Self {
            without_system: rest(alone, user_before),
            system: Around { before: start.clone(), after: rest(system_user, user_before) },
            user: Around { before: user_before.to_owned(), after: user_after.to_owned() },
            assistant: Around {
                before: user_reply[user_after.len()..].to_owned(),
                after: rest(reply_user, user_before),
            },
            prompt: end[user_after.len()..].to_owned(),
            stops: Vec::new(),
        })
    }

    /// Whether it writes what the template does.
    fn check(&self, write: &dyn Fn(&[Turn]) -> Result<String, String>) -> Result<(), String> {
        let [system, first, reply, second] = turns();
        let last = [Turn::new(Role::Assistant, "qzlast"), Turn::new(Role::User, "qzend")];
        let whole: Vec<Turn> = [system, first, reply, second].into_iter().chain(last).collect();
        for turns in [&whole[..2], &whole[1..2], &whole[..4], &whole[1..4], &whole[..], &whole[1..]] {
            if self.write(turns) != write(turns)? {
                return Err("what its template writes around a turn depends on the other turns".into());
            }
        }
        Ok(())
    }

    /// A conversation as the server would write it.
    pub(super) fn write(&self, turns: &[Turn]) -> String {
        let has_system = turns.iter().any(|turn| turn.role == Role::System);
        let mut text = if has_system { String::new() } else { self.without_system.clone() };
        for turn in turns {
            let around = match turn.role {
                Role::System => &self.system,
                Role::User => &self.user,
                Role::Assistant => &self.assistant,
            };
            text.extend([&*around.before, &turn.text, &around.after]);
        }
        text + &self.prompt
    }

    /// The same as a template of Go's, with the names that Ollama gives to a conversation.
    pub(super) fn in_go(&self) -> String {
        let without = match &*self.without_system {
            "" => String::new(),
            text => format!("{{{{ if not .System }}}}{}{{{{ end }}}}", literal(text)),
        };
        let turn = |around: &Around| format!("{}{{{{ .Content }}}}{}", literal(&around.before), literal(&around.after));
        format!(
            "{without}{{{{ range .Messages }}}}{{{{ if eq .Role \"system\" }}}}{}\
             {{{{ else if eq .Role \"user\" }}}}{}{{{{ else if eq .Role \"assistant\" }}}}{}\
             {{{{ end }}}}{{{{ end }}}}{}",
            turn(&self.system),
            turn(&self.user),
            turn(&self.assistant),
            literal(&self.prompt)
        )
    }
}

/// The texts of the tokens that end an answer.
///
/// # Errors
/// When the file's vocabulary cannot be read.
pub(super) fn ends(metadata: &Metadata) -> Result<Vec<String>, String> {
    let tokenizer = Tokenizer::new(metadata).map_err(why)?;
    Ok(tokenizer.ends().iter().map(|&end| tokenizer.name(end)).filter(|name| !name.is_empty()).collect())
}

fn turns() -> [Turn; 4] {
    [
        Turn::new(Role::System, SYSTEM),
        Turn::new(Role::User, FIRST),
        Turn::new(Role::Assistant, REPLY),
        Turn::new(Role::User, SECOND),
    ]
}

fn why(error: ModelError) -> String {
    match error {
        ModelError::File { why, .. } => why,
        other => other.to_string(),
    }
}

/// What stands before, between and after these words, each of which occurs once, in this order.
fn between(text: &str, words: &[&str]) -> Result<Vec<String>, String> {
    let (mut rest, mut pieces) = (text, Vec::new());
    for word in words {
        let (before, after) = rest.split_once(word).ok_or("it leaves out or moves turns")?;
        pieces.push(before.to_owned());
        rest = after;
    }
    pieces.push(rest.to_owned());
    Ok(pieces)
}

fn common_start<'a>(a: &'a str, b: &str) -> &'a str {
    let length = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    &a[..length]
}

fn common_end<'a>(a: &'a str, b: &str) -> &'a str {
    let length: usize =
        a.chars().rev().zip(b.chars().rev()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    &a[a.len() - length..]
}

/// A text from the last place on at which a turn is marked.
fn from_mark<'a>(text: &'a str, mark: Option<&str>) -> &'a str {
    mark.and_then(|mark| text.rfind(mark)).map_or(text, |at| &text[at..])
}

/// A text up to the first place at which a turn is marked.
fn to_mark<'a>(text: &'a str, mark: Option<&str>) -> &'a str {
    mark.and_then(|mark| text.find(mark)).map_or(text, |at| &text[..at])
}

/// A token with a meaning of its own at the beginning of a text: `<|im_start|>`.
fn mark(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.starts_with('<').then(|| text.find('>')).flatten()?;
    (end > 2 && !text[..end].contains(char::is_whitespace)).then(|| text[..=end].to_owned())
}

/// A text that a template of Go's writes as it is.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe kind.\
                          <|im_end|>\n{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                          {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    fn form(template: &str) -> Result<Form, String> {
        Form::of(&crate::publish::tests::metadata(template))
    }

    #[test]
    fn a_form_is_found_by_trying() {
        let chatml = form(CHATML).unwrap();
        insta::assert_snapshot!(chatml.in_go().replace('\n', "⏎"), @r#"{{ if not .System }}<|im_start|>system⏎Be kind.<|im_end|>⏎{{ end }}{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system⏎{{ .Content }}<|im_end|>⏎{{ else if eq .Role "user" }}<|im_start|>user⏎{{ .Content }}<|im_end|>⏎{{ else if eq .Role "assistant" }}<|im_start|>assistant⏎{{ .Content }}<|im_end|>⏎{{ end }}{{ end }}<|im_start|>assistant⏎"#);
        let llama2 = "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set s = '<<SYS>>\n' + messages[0].content \
                      + '\n<</SYS>>\n\n' %}{% else %}{% set rest = messages %}{% set s = '' %}{% endif %}\
                      {% for m in rest %}{% if m.role == 'user' %}<s>[INST] {% if loop.first %}{{ s }}{% endif %}\
                      {{ m.content }} [/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}";
        insta::assert_snapshot!(form(llama2).unwrap().in_go().replace('\n', "⏎"), @r#"{{ if not .System }}[INST] {{ end }}{{ range .Messages }}{{ if eq .Role "system" }}[INST] <<SYS>>⏎{{ .Content }}⏎<</SYS>>⏎⏎{{ else if eq .Role "user" }}{{ .Content }} [/INST]{{ else if eq .Role "assistant" }} {{ .Content }} </s><s>[INST] {{ end }}{{ end }}"#);
        let odd = "{{{ '{{' }}}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
        insta::assert_snapshot!(form(odd).unwrap_or_default().in_go(), @r#"{{ range .Messages }}{{ if eq .Role "system" }}{{ .Content }}{{ else if eq .Role "user" }}{{ .Content }}{{ else if eq .Role "assistant" }}{{ .Content }}{{ end }}{{ end }}"#);
    }

    #[test]
    fn a_form_that_depends_on_other_turns_is_refused() {
        let counted = "{% for m in messages %}{{ loop.index }}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
        assert!(form(counted).unwrap_err().contains("depends on the other turns"), "{:?}", form(counted));
        let last = "{% for m in messages %}{% if loop.last %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}";
        assert!(form(last).is_err());
    }

    #[test]
    fn marks_are_whole_tokens() {
        assert_eq!(mark("\n<|im_start|>user\n").as_deref(), Some("<|im_start|>"));
        assert_eq!(
            (mark("[INST] "), mark("a <b>"), mark("<a b>"), mark("<"), mark("<>")),
            (None, None, None, None, None)
        );
    }
}
