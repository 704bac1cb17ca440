//! Is a PDF read, and does a hostile one harm only itself?

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use kit::TempRepo;

use super::{docs, stored};

/// A PDF of these objects, numbered from 1; the first is the catalog.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(objects) {
        let _ = writeln!(table, "{:010} 00000 n ", bytes.len());
        bytes.extend(format!("{number} 0 obj\n").bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let start = bytes.len();
    bytes.extend(
        format!("{table}trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).bytes(),
    );
    bytes
}

fn one_page(content: Vec<u8>) -> Vec<u8> {
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>".to_vec(),
        content,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
    ])
}

fn stream(dictionary: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("<<{dictionary}/Length {}>>stream\n", bytes.len()).as_bytes(), bytes, b"\nendstream"].concat()
}

fn bomb() -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    (0..4_096).for_each(|_| packed.write_all(&zeros).expect("memory"));
    stream("/Filter/FlateDecode", &packed.finish().expect("memory"))
}

#[test]
fn a_pdf_is_read_by_pages() {
    let repo = TempRepo::empty();
    let text = b"BT /F 12 Tf 20 200 Td (The widget returns a handle) Tj ET";
    repo.write("docs/manual.pdf", one_page(stream("", text)));
    docs(&repo, &["add", "docs"]).expect_code(0).expect_said("1 new");
    assert_eq!(stored(&repo, "manual.pdf"), "# page 1\n\nThe widget returns a handle\n");
}

#[test]
fn hostile_ones_are_left_out_and_the_others_read() {
    let repo = TempRepo::empty();
    repo.write("docs/a.md", "# Fine\n");
    repo.write("docs/bomb.pdf", one_page(bomb()));
    repo.write("docs/cut.pdf", &one_page(stream("", b"BT ET"))[..200]);
    repo.write("docs/deep.pdf", one_page("[".repeat(3_000_000).into_bytes()));
    let nested = format!("BT {} ET", "q ".repeat(500_000));
    repo.write("docs/states.pdf", one_page(stream("", nested.as_bytes())));
    repo.write(
        "docs/circle.pdf",
        pdf(&[
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9999999/Parent 2 0 R>>".to_vec(),
        ]),
    );
    repo.write("docs/page.pdf", "<html>no PDF at all</html>");
    let start = Instant::now();
    let ran = docs(&repo, &["add", "docs"]).expect_code(0);
    assert!(start.elapsed() < Duration::from_secs(100), "{:?}", start.elapsed());
    assert!(ran.out.contains("1 documents: 1 new"), "{}", ran.out);
    assert_eq!(stored(&repo, "a.md"), "# Fine\n");
    for name in ["bomb.pdf", "cut.pdf", "deep.pdf", "states.pdf", "circle.pdf", "page.pdf"] {
        assert!(ran.err.contains(&format!("{name}: not read")), "{name}: {}", ran.err);
    }
}
