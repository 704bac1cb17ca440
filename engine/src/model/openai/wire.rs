//! How does OpenAI's protocol look, and how do its speakers differ?

use serde::Deserialize;
use serde_json::{Value, json};

/// `GET /v1/models`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Models {
    pub(super) data: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) id: String,
    /// Tokens of question and answer (vLLM).
    pub(super) max_model_len: Option<usize>,
}

/// `GET /props` of llama.cpp.
#[derive(Debug, Deserialize)]
pub(super) struct Props {
    #[serde(default)]
    pub(super) default_generation_settings: Settings,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    pub(super) n_ctx: Option<usize>,
}

/// One event of `POST /v1/chat/completions`, or the whole answer of a server that does not stream.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) delta: Option<Said>,
    pub(super) message: Option<Said>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tokens {
    #[serde(default)]
    pub(super) prompt_tokens: usize,
    #[serde(default)]
    pub(super) completion_tokens: usize,
    pub(super) prompt_tokens_details: Option<Reused>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reused {
    pub(super) cached_tokens: Option<usize>,
}

impl Said {
    /// What a model thinks aloud is no part of its answer.
    pub(super) fn thought(&self) -> Option<&str> {
        self.reasoning_content.as_deref().or(self.reasoning.as_deref())
    }
}

impl Event {
    /// What went wrong, in the server's words.
    pub(super) fn error(&self) -> Option<String> {
        let error = self.error.as_ref().filter(|error| !error.is_null())?;
        let message = error.get("message").unwrap_or(error);
        Some(message.as_str().map_or_else(|| message.to_string(), str::to_owned))
    }
}

/// What a line of server-sent events carries; nothing where it is a comment or another field. A line that is JSON by
/// itself is taken as it is: some servers do not stream, and llama.cpp once wrote its errors so.
pub(super) fn data(line: &[u8]) -> Option<&[u8]> {
    if line.starts_with(b"{") {
        return Some(line);
    }
    let rest = line.strip_prefix(b"data:").or_else(|| line.strip_prefix(b"error:"))?.trim_ascii();
    (!rest.is_empty()).then_some(rest)
}

/// What servers say, in lower case, of a schema that they understand and cannot keep: another way to say it is no help.
pub(super) const BAD_SCHEMA: [&str; 6] = [
    "conversion failed",
    "parse grammar",
    "invalid schema",
    "invalid json schema",
    "unrecognized schema",
    "not supported by",
];

/// What servers name, in lower case, when they do not know a way to say the schema.
pub(super) const FORM_WORDS: [&str; 5] = ["response_format", "json_schema", "json_object", "guided", "schema"];

/// A way to say which form an answer must have.
pub(super) struct Form {
    /// What it is called.
    pub(super) name: &'static str,
    /// Puts it into a request.
    pub(super) put: fn(&mut Value, &Value),
}

/// The ways there are, in the order in which they are tried: OpenAI's, llama.cpp's older one, vLLM's older one.
pub(super) const FORMS: [Form; 3] = [
    Form {
        name: "json_schema",
        put: |body, schema| {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": { "name": "answer", "strict": true, "schema": schema },
            });
        },
    },
    Form {
        name: "json_object",
        put: |body, schema| body["response_format"] = json!({ "type": "json_object", "schema": schema }),
    },
    Form { name: "guided_json", put: |body, schema| body["guided_json"] = schema.clone() },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_from_comments_and_other_fields() {
        assert_eq!(data(b"data: {\"a\":1}"), Some(&b"{\"a\":1}"[..]));
        assert_eq!(data(b"data:[DONE]"), Some(&b"[DONE]"[..]));
        assert_eq!(data(b"{\"error\":\"x\"}"), Some(&b"{\"error\":\"x\"}"[..]));
        for line in [": keep-alive", "event: message", "id: 7", "data:", "retry: 3", ""] {
            assert_eq!(data(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn an_error_is_a_text_or_an_object() {
        let error = |text: &str| serde_json::from_str::<Event>(text).unwrap().error();
        assert_eq!(error(r#"{"error":"full"}"#).as_deref(), Some("full"));
        assert_eq!(error(r#"{"error":{"message":"full","code":500}}"#).as_deref(), Some("full"));
        assert_eq!(error(r#"{"error":null,"choices":[]}"#), None);
    }
}
