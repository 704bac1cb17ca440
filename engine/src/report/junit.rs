//! JUnit's XML: a suite for the review, a failed case for each finding, one passed case where there is none.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::harmless;
use crate::review::{Review, Reviewed};

pub(super) fn render(review: &Review) -> String {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory does not fail.
    let _ = write(review, &mut out);
    String::from_utf8_lossy(&out.into_inner()).into_owned() + "\n"
}

fn write(review: &Review, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let told: Vec<&Reviewed> = review.told().collect();
    let failures = told.len().to_string();
    let errors = usize::from(review.is_incomplete());
    let tests = (told.len().max(usize::from(errors == 0)) + errors).to_string();
    let errors = errors.to_string();
    out.create_element("testsuites").write_inner_content(|out| {
        out.create_element("testsuite")
            .with_attributes([
                ("name", "apprentice"),
                ("tests", tests.as_str()),
                ("failures", failures.as_str()),
                ("errors", errors.as_str()),
            ])
            .write_inner_content(|out| {
                told.iter().try_for_each(|reviewed| failed(reviewed, out))?;
                if review.is_incomplete() {
                    return incomplete(review, out);
                }
                if told.is_empty() {
                    out.create_element("testcase")
                        .with_attributes([("classname", "apprentice"), ("name", "review")])
                        .write_empty()?;
                }
                Ok(())
            })?;
        Ok(())
    })?;
    Ok(())
}

fn failed(reviewed: &Reviewed, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let finding = &reviewed.finding;
    let place = format!("{}:{}:{}", finding.path, finding.span.from.line, finding.span.from.column);
    let (class, what) = (harmless(finding.path.as_str()), harmless(&finding.what));
    let name = format!("{} at {}", finding.check, finding.span.from.line);
    out.create_element("testcase")
        .with_attributes([("classname", class.as_str()), ("name", name.as_str())])
        .write_inner_content(|out| {
            out.create_element("failure")
                .with_attributes([("message", what.as_str()), ("type", finding.severity.word())])
                .write_text_content(BytesText::new(&harmless(&format!("{place}: {}", finding.why))))?;
            Ok(())
        })?;
    Ok(())
}

fn incomplete(review: &Review, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let what: Vec<String> =
        review.notices.iter().map(|notice| harmless(&format!("{}: {}", notice.about, notice.what))).collect();
    out.create_element("testcase")
        .with_attributes([("classname", "apprentice"), ("name", "review")])
        .write_inner_content(|out| {
            out.create_element("error").with_attribute(("message", what.join("; ").as_str())).write_empty()?;
            Ok(())
        })?;
    Ok(())
}
