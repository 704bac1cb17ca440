//! Checkstyle's XML, version 4.3.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, Event},
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
    let files = told.chunk_by(|a, b| a.finding.path == b.finding.path);
    out.create_element("checkstyle").with_attribute(("version", "4.3")).write_inner_content(|out| {
        for file in files {
            let name = harmless(file[0].finding.path.as_str());
            out.create_element("file")
                .with_attribute(("name", name.as_str()))
                .write_inner_content(|out| file.iter().try_for_each(|reviewed| error(reviewed, out)))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn error(reviewed: &Reviewed, out: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let finding = &reviewed.finding;
    let (line, column) = (finding.span.from.line.to_string(), finding.span.from.column.to_string());
    let (message, source) = (harmless(&finding.what), format!("apprentice.{}", finding.check));
    out.create_element("error")
        .with_attributes([
            ("line", line.as_str()),
            ("column", column.as_str()),
            ("severity", finding.severity.word()),
            ("message", message.as_str()),
            ("source", source.as_str()),
        ])
        .write_empty()?;
    Ok(())
}
