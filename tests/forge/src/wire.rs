//! What does a request or an answer hold, once off the wire?

use serde_json::{Value, json};

/// One request, its body read whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As sent: not decoded.
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn at(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// One answer; `cut` closes the connection instead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) cut: bool,
}

impl Reply {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        let body = if status == 204 || status == 304 { Vec::new() } else { value.to_string().into_bytes() };
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body, cut: false }
    }

    pub(crate) fn cut() -> Self {
        Self { cut: true, ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Why GitHub would say no: the status, its words, and the parts of a 422.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) errors: Vec<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: Vec::new() }
    }

    pub(crate) fn missing() -> Self {
        Self::new(404, "Not Found")
    }

    /// A 422 with what is wrong, in words.
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self { errors: vec![Value::from(what.into())], ..Self::new(422, "Unprocessable Entity") }
    }

    /// The same with each part of a 422 as an object.
    pub(crate) fn in_objects(&self) -> Self {
        let object = |e: &Value| json!({ "resource": "Request", "field": "", "code": "custom", "message": e });
        Self { errors: self.errors.iter().map(object).collect(), message: "Validation Failed".into(), ..self.clone() }
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.to_string(),
        });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.clone().into();
        }
        Reply::json(self.status, &body)
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        Self::new(500, error.to_string())
    }
}

/// What an operation answers: JSON, or text of another media type.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    Text(String),
    Redirect(String),
    Bytes(Vec<u8>),
}

/// Percent-decoding; a broken escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.filter(|_| bytes[at] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The pairs of a query.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let part = |text: &str| decode(&text.replace('+', " "));
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .map(|(k, v)| (part(k), part(v)))
        .collect()
}
