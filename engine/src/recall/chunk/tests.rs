//! Is every line in a chunk, and every chunk what one would quote?

mod languages;

use proptest::prelude::*;

use super::*;
use crate::source::{Language, RepoPath};

fn file(path: &str, bytes: &[u8]) -> SourceFile {
    SourceFile::new(RepoPath::new(path).unwrap(), bytes.into(), 64 << 20).unwrap()
}

fn path(language: Language) -> String {
    format!("x.{}", language.extension())
}

/// What must be true of the chunks of any file.
fn cut(file: &SourceFile) -> Chunked {
    let chunked = code(file);
    let mut covered = vec![false; file.lines.count() as usize + 1];
    let mut last = 0;
    for chunk in &chunked.chunks {
        let (from, to) = chunk.lines;
        assert!(from >= last && from <= to && to <= file.lines.count(), "{chunk:?}");
        last = from;
        covered[from as usize..=to as usize].fill(true);
        assert!(measure::line(&chunk.text).0 <= measure::LIMIT && chunk.text.len() <= 6_400, "{chunk:?}");
        let bytes = file.lines.range(from).start..file.lines.range(to).end;
        let whole = &file.text[bytes];
        assert!(whole == chunk.text || whole.lines().any(|line| !chunk.text.contains(line)), "{chunk:?}");
        assert!(chunk.calls.iter().all(|call| chunk.text.contains(call)), "{chunk:?}");
        assert!(chunk.signature.len() <= 300 && chunk.doc.len() <= doc::BYTES && chunk.symbol.len() <= name::DEPTH);
    }
    for line in 1..=file.lines.count() {
        assert!(covered[line as usize] || file.line(line).trim().is_empty(), "line {line} is in no chunk");
    }
    chunked
}

fn symbols(chunked: &Chunked) -> Vec<String> {
    chunked.chunks.iter().map(|chunk| chunk.symbol.join(".")).filter(|symbol| !symbol.is_empty()).collect()
}

#[test]
fn every_tiny_function_can_be_found_by_its_name() {
    let text: String = (0..3_000).map(|n| format!("def f{n}():\n    return {n}\n\n")).collect();
    let chunked = cut(&file("x.py", text.as_bytes()));
    assert_eq!(chunked.chunks.len(), 3_000);
    assert!(chunked.chunks.iter().enumerate().all(|(n, chunk)| chunk.name() == format!("f{n}")));
}

#[test]
fn tiny_constants_share_a_chunk() {
    let text: String = (0..100).map(|n| format!("A{n} = {n}\n")).collect();
    let chunked = cut(&file("x.py", text.as_bytes()));
    assert!(chunked.chunks.len() < 5, "{}", chunked.chunks.len());
}

#[test]
fn a_long_function_is_cut_between_statements_and_each_part_keeps_its_name() {
    let statement = "    if (ready(a, b)) {\n        send(a, b);\n        wait(1);\n    }\n";
    let text = format!("/** Sends. */\nvoid go(int a, int b) {{\n{}}}\n", statement.repeat(40));
    let chunked = cut(&file("x.c", text.as_bytes()));
    assert!(chunked.chunks.len() > 2);
    for (part, chunk) in chunked.chunks.iter().enumerate() {
        assert_eq!((chunk.name(), &*chunk.signature), ("go", "void go(int a, int b)"));
        assert_eq!(usize::from(chunk.part), part);
        assert_eq!(chunk.doc.is_empty(), part > 0);
        assert!(part == 0 || chunk.text.starts_with("    if (ready"), "{}", chunk.text);
    }
}

#[test]
fn a_large_class_keeps_its_fields_and_short_members() {
    let long = "        total += price(line) * rate(line);\n".repeat(20);
    let text = format!(
        "class Cart {{\n    int size;\n    int size() {{ return size; }}\n    int total() {{\n{long}    }}\n    int more;\n    \
         String currency = Locale.getDefault().getCurrency().orElse(\"EUR\");\n}}\n"
    );
    let chunked = cut(&file("Cart.java", text.as_bytes()));
    let found: Vec<_> =
        chunked.chunks.iter().map(|chunk| (chunk.kind, chunk.name(), chunk.lines, chunk.part)).collect();
    let expected = [
        (Kind::Type, "Cart", (1, 3), 0),
        (Kind::Method, "size", (3, 3), 0),
        (Kind::Method, "total", (4, 25), 0),
        (Kind::Type, "Cart", (26, 28), 1),
    ];
    assert_eq!(found, expected);
}

#[test]
fn functions_inside_of_a_long_function_can_be_found() {
    let inner = "  function open(door) {\n    unlock(door);\n    turn(door.handle, door.side);\n    push(door, door.weight * 2);\n    wait(door.time, door.clock);\n    log(door.name, door.state);\n  }\n";
    let short = format!("function house() {{\n{inner}}}\n");
    assert_eq!(symbols(&cut(&file("x.js", short.as_bytes()))), ["house"]);
    let long = format!("function house() {{\n{}{inner}}}\n", "  build(wall, stone, mortar);\n".repeat(60));
    assert!(symbols(&cut(&file("x.js", long.as_bytes()))).contains(&"house.open".to_owned()));
}

#[test]
fn large_data_falls_apart_by_its_keys() {
    let entries =
        |n: usize| (0..n).map(|at| format!("    \"key{at}\": \"value {at}\"")).collect::<Vec<_>>().join(",\n");
    let text = format!(
        "{{\n  \"small\": 1,\n  \"large\": {{\n{}\n  }},\n  \"other\": {{\n{}\n  }}\n}}\n",
        entries(30),
        entries(80)
    );
    let mut found = symbols(&cut(&file("x.json", text.as_bytes())));
    found.dedup();
    assert_eq!(found, ["large", "other"]);
}

#[test]
fn a_file_without_a_grammar_falls_apart_at_blank_lines() {
    let text = "some words that say nothing at all, again and again\n".repeat(9) + "\n";
    let chunked = cut(&file("notes.unknown", text.repeat(20).as_bytes()));
    assert!(chunked.chunks.iter().all(|chunk| chunk.kind == Kind::Window && chunk.lines.0 % 10 == 1), "{chunked:?}");
}

#[test]
fn a_line_that_is_too_long_is_cut_and_defines_nothing() {
    let text = format!("{}\nfunction short() {{}}\n", "function f(a){return a+1};".repeat(80_000));
    let chunked = cut(&file("x.min.js", text.as_bytes()));
    assert_eq!(symbols(&chunked), ["short"]);
    assert_eq!(chunked.chunks[0].lines, (1, 1));
}

#[test]
fn lines_may_end_as_on_windows_and_bytes_may_be_no_text() {
    let chunked = cut(&file(
        "x.py",
        b"import os\r\nimport re\r\nimport io\r\nimport ast\r\n\r\n# Caf\xe9.\r\ndef f():\r\n    return '\xff'\r\n",
    ));
    assert_eq!(chunked.imports, ["import os", "import re", "import io", "import ast"]);
    assert_eq!((&*chunked.chunks[1].doc, chunked.chunks[1].lines), ("Caf?.", (6, 8)));
}

#[test]
fn nothing_deep_or_broken_is_too_much() {
    let openers = ["(\n", "[", "{", "<a>", "class A {\n", "f(function() {\n", "- "];
    for &language in Language::ALL {
        for open in openers {
            cut(&file(&path(language), open.repeat(2_000).as_bytes()));
        }
    }
    for (path, open, close) in [("x.js", "[", "]"), ("x.json", "[\n", "]\n"), ("x.rs", "{", "}"), ("x.c", "(\n", ")\n")]
    {
        cut(&file(path, [open.repeat(100_000), close.repeat(100_000)].concat().as_bytes()));
    }
}

#[test]
fn a_file_at_which_the_scanner_despairs_is_cut_into_windows() {
    for (path, text) in [("x.lua", "[\n"), ("x.sh", "f(function() {\n"), ("x.sh", "<a>")] {
        let chunked = cut(&file(path, text.repeat(20_000).as_bytes()));
        assert!(chunked.chunks.iter().all(|chunk| chunk.kind == Kind::Window), "{path}");
    }
}

#[test]
fn characters_that_the_parser_reads_in_two_pages_are_whole() {
    for shift in 0..4 {
        let text = format!("#{}\n{}", " ".repeat(shift), "def größe日本(): return '日本語'\n".repeat(1_000));
        let chunked = cut(&file("x.py", text.as_bytes()));
        assert_eq!(chunked.chunks.iter().filter(|chunk| chunk.name() == "größe日本").count(), 1_000);
    }
}

#[test]
fn empty_files_have_no_chunks() {
    for &language in Language::ALL {
        for text in ["", "\n", " \n\t\n\r\n"] {
            assert_eq!(cut(&file(&path(language), text.as_bytes())).chunks, []);
        }
    }
}

proptest! {
    #[test]
    fn any_file_is_cut_whole(
        language in proptest::sample::select(Language::ALL),
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..400),
    ) {
        cut(&file(&path(language), words.concat().as_bytes()));
    }

    #[test]
    fn pieces_fit_and_keep_every_line(lengths in proptest::collection::vec(0..3_000usize, 0..80)) {
        let text: String = lengths.iter().map(|&length| "ab, ".repeat(length / 30) + "\n").collect();
        cut(&file("x.unknown", text.as_bytes()));
    }
}

/// Scraps of many languages, so that some of what comes out is code.
const WORDS: &[&str] = &[
    "\n",
    "\n",
    "\n    ",
    "\n  ",
    "\r\n",
    " ",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    ":",
    "=",
    "=>",
    "class A ",
    "def f",
    "function g",
    "fn h",
    "func k",
    "struct S ",
    "impl S ",
    "interface I ",
    "module M\n",
    "end\n",
    "namespace n ",
    "# note\n",
    "// note\n",
    "/* note */",
    "/** note\n * more */\n",
    "\"text\"",
    "'t'",
    "\"\"\"doc\"\"\"\n",
    "import x",
    "use y",
    "require('z')",
    "name",
    "call(1)",
    "a.b.c()",
    "-- note\n",
    "key: value\n",
    "- item\n",
    "<a>",
    "</a>",
    "@deco\n",
    "#[attr]\n",
    "pub ",
    "const x = ",
    "return ",
    "if ",
    "else ",
    "é",
    "日本",
    "\\",
    "CREATE TABLE t (a int);\n",
    "export ",
    "describe('x', () => {\n",
    "it('y', function () {\n",
    "template <class T> ",
    "type T = ",
    "do ",
    "|x|",
    "resource \"a\" \"b\" {\n",
    "enum E { A, B }\n",
    "void f(int a) {\n",
    "}\n",
    "}\n",
    "}\n",
    "    x = compute(a, b, c, d, e) + other(f, g) * 2\n",
];
