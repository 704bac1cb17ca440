//! What does an output in Checkstyle's XML say?

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::check::linter::{
    diagnostic::{Diagnostic, Region},
    spec::Unit,
};

/// The `error` elements, each with the file around it.
pub(super) fn parse(output: &[u8], unit: Unit) -> Result<Vec<Diagnostic>, String> {
    let Some(start) = output.iter().position(|&byte| byte == b'<') else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&output[start..]);
    let mut reader = Reader::from_str(&text);
    let (mut path, mut found) = (String::new(), Vec::new());
    loop {
        match reader.read_event().map_err(|error| format!("its output is not XML: {error}"))? {
            Event::Start(element) | Event::Empty(element) if element.name().as_ref() == b"file" => {
                path = attribute(&element, "name").unwrap_or_default();
            }
            Event::Start(element) | Event::Empty(element) if element.name().as_ref() == b"error" => {
                found.push(diagnostic(&element, &path, unit));
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn diagnostic(element: &BytesStart<'_>, path: &str, unit: Unit) -> Diagnostic {
    let number = |name: &str| attribute(element, name)?.parse().ok().filter(|&number: &u32| number > 0);
    let region = match number("line") {
        Some(line) => Region::Lines { line, column: number("column"), end_line: None, end_column: None },
        None => Region::File,
    };
    Diagnostic {
        path: path.to_owned(),
        region,
        unit,
        code: attribute(element, "source").filter(|source| !source.is_empty()),
        level: attribute(element, "severity"),
        message: attribute(element, "message").unwrap_or_default(),
        ..Diagnostic::default()
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    Some(
        attribute
            .unescape_value()
            .map_or_else(|_| String::from_utf8_lossy(&attribute.value).into_owned(), std::borrow::Cow::into_owned),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_file_around_them() {
        let found = parse(
            b"<?xml version='1.0'?><checkstyle><file name='a b.php'>\
              <error line='4' column='0' severity='error' message='&lt;T&gt; is &quot;no&quot;' source='x.y'/></file></checkstyle>",
            Unit::Bytes,
        )
        .unwrap();
        assert_eq!((found[0].path.as_str(), found[0].message.as_str()), ("a b.php", "<T> is \"no\""));
        assert_eq!(found[0].region, Region::Lines { line: 4, column: None, end_line: None, end_column: None });
        assert!(parse(b"<file name='a'></nofile>", Unit::Bytes).is_err());
        assert_eq!(parse(b"No errors\n", Unit::Bytes), Ok(Vec::new()));
    }
}
