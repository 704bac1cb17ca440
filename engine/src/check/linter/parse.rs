//! What does a linter's output say? One reader a format, each pure and total.

mod checkstyle;
mod diff;
mod errorformat;
mod native;
mod rdjson;
mod sarif;

use serde_json::Value;

use super::{
    diagnostic::Diagnostic,
    spec::{Format, Linter, Unit},
};

/// Everything a linter said. Never panics, whatever the bytes.
///
/// # Errors
/// A sentence when the output as a whole is not of the format the linter's file names; single entries that lack what
/// they need are passed over.
pub fn parse(linter: &Linter, output: &[u8]) -> Result<Vec<Diagnostic>, String> {
    let spec = &linter.spec.output;
    let columns = |default: Unit| spec.columns.unwrap_or(default);
    match spec.format {
        Format::Sarif => sarif::parse(&document(output)?, spec.columns),
        Format::Rdjson => rdjson::parse(&document(output)?, columns(Unit::Bytes)),
        Format::Rdjsonl => Ok(rdjson::parse_lines(&lines(output)?, columns(Unit::Bytes))),
        Format::Checkstyle => checkstyle::parse(output, columns(Unit::Bytes)),
        Format::Errorformat => {
            Ok(errorformat::parse(&linter.patterns, output, columns(Unit::Bytes), spec.end_column_shift))
        }
        Format::Diff => Ok(diff::parse(spec, output)),
        Format::Json | Format::Jsonl => {
            let Some(mapping) = &spec.json else { return Err("the linter's file has no `[output.json]`".to_owned()) };
            let values = if spec.format == Format::Json { documents(output)? } else { lines(output)? };
            Ok(values.iter().flat_map(|value| native::parse(mapping, value, columns(Unit::Bytes))).collect())
        }
    }
}

/// The JSON value of an output; tools that found nothing may print nothing.
fn document(output: &[u8]) -> Result<Value, String> {
    Ok(documents(output)?.into_iter().next().unwrap_or(Value::Null))
}

/// The JSON value of an output, in a list; text before the first bracket (a banner, a warning) is passed over.
fn documents(output: &[u8]) -> Result<Vec<Value>, String> {
    if output.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let start = output.iter().position(|byte| matches!(byte, b'{' | b'[')).unwrap_or(0);
    let mut values = serde_json::Deserializer::from_slice(&output[start..]).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok(vec![value]),
        Some(Err(error)) => Err(format!("its output is not JSON: {error}")),
        None => Ok(Vec::new()),
    }
}

/// The JSON values of lines that look like one.
fn lines(output: &[u8]) -> Result<Vec<Value>, String> {
    let line = |line: &[u8]| serde_json::from_slice(line).map_err(|error| format!("a line is not JSON: {error}"));
    output
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|text| text.starts_with(b"{"))
        .map(line)
        .collect()
}

/// The value at a JSON pointer, as text: a string, a number, or a boolean.
fn text(value: &Value, pointer: &str) -> Option<String> {
    scalar(value.pointer(pointer)?)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number, also out of a text that starts with one, such as `12-14`.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => {
            let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text.as_str(), |end| &text[..end]);
            digits.parse().ok()
        }
        _ => None,
    }
}

fn number_at(value: &Value, pointer: &str) -> Option<u32> {
    number(value.pointer(pointer)?)
}

/// The elements of the array at a pointer; none where there is no array.
fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The number after `CWE-`, or a bare number.
fn cwe(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.rsplit_once("cwe-").map_or(lower.as_str(), |(_, rest)| rest);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// A `file:` URI or a relative one as a path, with its escapes read.
fn path_of_uri(uri: &str) -> String {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten().and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_uris_are_read() {
        assert_eq!(path_of_uri("file:///a%20b/%C3%A9.py"), "/a b/é.py");
        assert_eq!(path_of_uri("a%2"), "a%2");
    }

    #[test]
    fn weakness_classes_are_found_in_text() {
        assert_eq!(
            (cwe("external/cwe/cwe-079"), cwe("CWE-89: SQL"), cwe("78"), cwe("x")),
            (Some(79), Some(89), Some(78), None)
        );
    }

    #[test]
    fn an_output_that_is_not_json_is_an_error_and_none_is_nothing() {
        assert!(documents(b"Traceback (most recent call last)").unwrap_err().contains("not JSON"));
        assert_eq!(documents(b" \n").unwrap(), Vec::<Value>::new());
        assert_eq!(documents(b"warning: x\n[1]\nbye").unwrap(), [serde_json::json!([1])]);
    }

    proptest::proptest! {
        #[test]
        fn no_output_makes_any_linter_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            for linter in crate::check::linter::builtin().unwrap() {
                let _ = parse(linter, &bytes);
            }
        }

        #[test]
        fn no_text_of_the_formats_words_makes_any_linter_panic(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "{", "}", "[", "]", ":", ",", "\"", "\n", "--- a/x", "+++ b/x", "@@ -1,2 +1,9999999999 @@", "-x", "+é",
                "<file name=\"a\">", "<error line=\"1\" ", "</file>", "\"runs\"", "\"results\"", "\"path\"", "1", "-1",
                "a.py:1:2: error: x [y]", "a(1,2): error TS1: x", "99999999999", "null", "\\ No newline", "/>", "&#x0;",
            ]), 0..40),
        ) {
            for linter in crate::check::linter::builtin().unwrap() {
                let _ = parse(linter, words.concat().as_bytes());
            }
        }
    }
}
