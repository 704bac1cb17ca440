//! Can those for whom each format is made read it, whatever stands in a path or in the code?
#![expect(clippy::disallowed_methods, reason = "a test reads the schemas it holds output against")]

use std::path::Path;

use kit::TempRepo;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

const RULE: &str = "category: bug\nseverity: error\nconfidence: high\ncwe: 684\nwhat: \"`bad` is called with $N\"\n\
                    why: |\n  It forgets: 100% of it, <all> & \"more\".\n  Call `good`.\n\
                    references: [\"https://example.org/a?b=c&d=%20\"]\nlanguages: [python]\nrule:\n  pattern: bad($N)\n\
                    fix: good($N)\napplicability: safe\nvalid: [good(1)]\ninvalid:\n  - code: bad(1)\n    fixed: good(1)\n";

/// Code and paths with everything that some format gives a meaning.
fn nasty() -> TempRepo {
    let repo = TempRepo::empty();
    repo.write(".apprentice/rules/python/bad-call.yml", RULE);
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message=rules"]);
    let code = "x = '𝒳ü'; bad('a%0Ab,c:d::e]]>&amp;<\"\\t|`*_#')\nbad(\n    'two\u{202e}lines')\n\
                bad(1)  # apprentice: allow python/bad-call -- because \"we\" <may>\n";
    for path in ["ü b/a%2C,:b.py", "-dash.py", "back`tick & <x>.py"] {
        repo.write(path, code);
    }
    repo.write("binary.bin", b"\0\x01\x02");
    repo.write("conflict.txt", "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> topic\n");
    repo.git(&["add", "--all"]);
    repo
}

fn review(repo: &TempRepo, format: &str) -> String {
    let only = "rules.only=['python/bad-call', 'any/conflict-marker']";
    repo.apprentice(&["review", "--no-linters", "--set", only, "--format", format]).expect_code(1).out
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn is_valid(schema: &Value, instance: &Value) {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    json(&std::fs::read_to_string(path).expect("a schema of ours"))
}

fn told(repo: &TempRepo) -> Vec<Value> {
    json(&review(repo, "json"))["findings"].as_array().expect("findings").clone()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn json_and_json_lines_say_the_same_and_keep_to_our_schema() {
    let repo = nasty();
    let whole = json(&review(&repo, "json"));
    is_valid(&json(&engine::report::schema()), &whole);
    let lines: Vec<Value> = review(&repo, "jsonl").lines().map(json).collect();
    assert_eq!(whole["findings"], Value::Array(lines));
    assert!(told(&repo).len() >= 7, "{whole}");
}

#[test]
fn sarif_keeps_to_the_official_schema() {
    let repo = nasty();
    let log = json(&review(&repo, "sarif"));
    is_valid(&schema("sarif-schema-2.1.0.json"), &log);
    let results = log["runs"][0]["results"].as_array().expect("results");
    let suppressed = results.iter().filter(|result| result.get("suppressions").is_some()).count();
    assert_eq!((results.len() - suppressed, suppressed), (told(&repo).len(), 3));
    for result in results {
        let place = &result["locations"][0]["physicalLocation"];
        let path = percent_decoded(text(&place["artifactLocation"]["uri"]));
        let region = &place["region"];
        if region["startLine"] == region["endLine"] {
            let line = repo.text(&path).lines().nth(number(&region["startLine"]) - 1).expect("the line").to_owned();
            let units: Vec<u16> = line.encode_utf16().collect();
            let marked = &units[number(&region["startColumn"]) - 1..number(&region["endColumn"]) - 1];
            assert!(String::from_utf16_lossy(marked).starts_with("bad("), "{result}");
        }
    }
}

#[test]
fn an_incomplete_review_and_an_empty_one_are_valid_sarif_too() {
    let repo = nasty();
    repo.git(&["reset", "-q", "--hard"]);
    let schema = schema("sarif-schema-2.1.0.json");
    let empty = repo.apprentice(&["review", "--no-linters", "--format", "sarif"]).expect_code(0);
    is_valid(&schema, &json(&empty.out));
    repo.write(".apprentice/rules/python/broken.yml", "category: [\n");
    let ran = repo.apprentice(&["review", "--no-linters", "--format", "sarif"]).expect_code(2);
    is_valid(&schema, &json(&ran.out));
    assert_eq!(json(&ran.out)["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number")
}

fn percent_decoded(uri: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), uri.as_bytes());
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail) {
            let digits = String::from_utf8_lossy(&[*high, *low]).into_owned();
            bytes.push(u8::from_str_radix(&digits, 16).expect("two hex digits"));
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn rdjson_keeps_to_reviewdogs_format() {
    let repo = nasty();
    let result = json(&review(&repo, "rdjson"));
    is_valid(&schema("rdjson.schema.json"), &result);
    assert_eq!(result["diagnostics"].as_array().map(Vec::len), Some(told(&repo).len()));
}

/// The elements of an XML document with their attributes, unescaped.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let element = |start: &BytesStart<'_>| {
        let attribute = |attribute: Result<quick_xml::events::attributes::Attribute<'_>, _>| {
            let attribute = attribute.expect("a well-formed attribute");
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            (name, attribute.unescape_value().expect("a well-formed value").into_owned())
        };
        let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
        (name, start.attributes().map(attribute).collect())
    };
    let mut found = Vec::new();
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(start) | Event::Empty(start) => found.push(element(&start)),
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn get<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    attributes
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn checkstyle_has_the_elements_that_its_readers_look_for() {
    let repo = nasty();
    let found = elements(&review(&repo, "checkstyle"));
    assert_eq!(found[0].0, "checkstyle");
    let (mut file, mut rows) = (String::new(), Vec::new());
    for (name, attributes) in &found[1..] {
        match name.as_str() {
            "file" => file = get(attributes, "name").to_owned(),
            "error" => {
                assert!(["error", "warning", "info", "ignore"].contains(&get(attributes, "severity")));
                assert!(get(attributes, "source").contains('/'));
                rows.push((file.clone(), get(attributes, "line").to_owned(), get(attributes, "column").to_owned()));
            }
            other => panic!("<{other}> is not of checkstyle"),
        }
    }
    let place = |finding: &Value| {
        let span = &finding["span"];
        (text(&finding["path"]).to_owned(), span["start_line"].to_string(), span["start_column"].to_string())
    };
    assert_eq!(rows, told(&repo).iter().map(place).collect::<Vec<_>>());
}

#[test]
fn junit_counts_what_it_lists() {
    let repo = nasty();
    let found = elements(&review(&repo, "junit"));
    let many = |wanted: &str| found.iter().filter(|(name, _)| name == wanted).count();
    let suite = &found.iter().find(|(name, _)| name == "testsuite").expect("a suite").1;
    assert_eq!(
        (get(suite, "tests"), get(suite, "failures")),
        (&*many("testcase").to_string(), &*many("failure").to_string())
    );
    assert_eq!(many("failure"), told(&repo).len());
    for (_, attributes) in found.iter().filter(|(name, _)| name == "testcase") {
        assert!(!get(attributes, "classname").is_empty() && !get(attributes, "name").is_empty());
    }
}

/// A workflow command as GitHub's runner reads it.
fn command(line: &str) -> (String, Vec<(String, String)>, String) {
    let (head, message) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a workflow command");
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let data = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let property = |text: &str| data(&text.replace("%3A", ":").replace("%2C", ","));
    let pair =
        |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), property(value))).expect("KEY=VALUE");
    (name.to_owned(), properties.split(',').map(pair).collect(), data(message))
}

#[test]
fn github_commands_come_back_as_they_were() {
    let repo = nasty();
    let output = review(&repo, "github");
    let commands: Vec<_> = output.lines().filter(|line| line.starts_with("::error")).map(command).collect();
    let told = told(&repo);
    assert_eq!(commands.len(), told.len(), "{output}");
    for ((name, properties, message), finding) in commands.iter().zip(&told) {
        assert_eq!(name, "error");
        assert_eq!(get(properties, "file"), text(&finding["path"]));
        assert_eq!(get(properties, "line"), finding["span"]["start_line"].to_string());
        assert_eq!(get(properties, "title"), text(&finding["check"]));
        let first = message.lines().next().expect("a message");
        assert!(!first.contains('\u{202e}'), "a control of direction went through");
        assert!(first.starts_with(&text(&finding["what"])[..20]), "{first} / {}", finding["what"]);
    }
    assert!(!output.contains('\r'));
}

#[test]
fn no_format_lets_controls_of_the_terminal_through() {
    let repo = nasty();
    repo.write("esc.py", "bad('\u{1b}[2J\u{7}\u{202e}')\n");
    repo.git(&["add", "esc.py"]);
    for format in ["text", "github", "markdown", "checkstyle", "junit"] {
        let output = review(&repo, format);
        let bad: Vec<char> = output.chars().filter(|c| c.is_control() && !"\n\t".contains(*c)).collect();
        assert!(bad.is_empty(), "{format}: {bad:?}");
    }
}
