//! Are texts taken once, with their licence, the same each time?

use super::*;

fn write(folder: &Path, path: &str, text: &str) {
    files::replace(&folder.join(path), |out| io::Write::write_all(out, text.as_bytes())).expect("written");
}

const MIT: &str = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy ...\n\
                   The above copyright notice and this permission notice shall be included ...\n";

fn code(seed: usize) -> String {
    (0..30).map(|n| format!("def function_{seed}_{n}(argument_{n}):\n    return argument_{n} + {n}\n\n")).collect()
}

/// A folder with a licence and files of its own, and one that lies in it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    write(folder, "texts/LICENSE", MIT);
    for n in 0..5 {
        write(folder, &format!("texts/src/file_{n}.py"), &code(n));
    }
    write(folder, "texts/README.md", "# Demo\n\nA text that people read, by ada@engine.org, of some length.\n");
    write(folder, "texts/src/copy.py", &code(1).replace('\n', "\n\n"));
    write(folder, "texts/src/near.py", &format!("{}# and one line\n", code(2)));
    write(folder, "texts/src/gpl.py", &format!("# SPDX-License-Identifier: GPL-3.0-only\n{}", code(7)));
    write(folder, "texts/vendor/there.py", &code(8));
    write(folder, "texts/.ai_coder_ignore", "/private/\n");
    write(folder, "texts/private/own.py", &code(9));
    place
}

fn settings() -> Settings {
    Settings { any_licence: false, most_documents: 1_000 }
}

fn built(folder: &Path, settings: Settings) -> Manifest {
    build(folder, settings, &mut |_, _, _| {}).expect("built")
}

fn paths(folder: &Path) -> Vec<String> {
    documents(folder).expect("a corpus").map(|document| document.expect("a document").path).collect()
}

#[test]
fn texts_are_taken_once_and_what_is_left_out_is_told() {
    let place = place();
    let corpus = place.path().join("corpus");
    add(&corpus, &place.path().join("texts"), false).expect("added");
    let manifest = built(&corpus, settings());
    let expected = ["README.md", "src/copy.py", "src/file_0.py", "src/file_2.py", "src/file_3.py", "src/file_4.py"];
    assert_eq!(paths(&corpus), expected.map(|path| format!("texts/{path}")), "{manifest:#?}");
    let left_out: Vec<&str> = manifest.left_out.keys().map(String::as_str).collect();
    for why in [
        "came from elsewhere (vendored)",
        "kept from models by .ai_coder_ignore",
        "licence: GPL-3.0-only",
        "says nearly the same as another",
        "says the same as another",
    ] {
        assert!(left_out.contains(&why), "{why}: {left_out:?}");
    }
    assert_eq!(manifest.licences.keys().collect::<Vec<_>>(), ["MIT"]);
    assert_eq!(manifest.languages["python"].documents, 5);
    let text: String = documents(&corpus).expect("a corpus").map(|document| document.expect("one").text).collect();
    assert!(!text.contains("engine.org"));
    // Whoever says that licences do not matter has them all.
    add(&corpus, &place.path().join("texts"), true).expect("said");
    assert_eq!(built(&corpus, settings()).all.documents, 7);
    assert_eq!(sources(&corpus).expect("sources").len(), 1);
}

#[test]
fn the_same_sources_make_the_same_bytes_and_old_files_go() {
    let place = place();
    let (one, other) = (place.path().join("one"), place.path().join("other"));
    for corpus in [&one, &other] {
        add(corpus, &place.path().join("texts"), false).expect("added");
    }
    let first = built(&one, settings());
    assert_eq!(first, built(&other, settings()));
    let bytes = |corpus: &Path| files::read(&corpus.join(&first.files[0].name)).expect("a file");
    assert_eq!(bytes(&one), bytes(&other));
    write(place.path(), "texts/src/new.py", &code(20));
    let second = built(&one, settings());
    assert_ne!(first.files, second.files);
    assert_ne!(first.sources[0].state, second.sources[0].state);
    assert!(!files::exists(&one.join(&first.files[0].name)));
    assert_eq!(built(&one, Settings { most_documents: 3, ..settings() }).all.documents, 3);
}

#[test]
fn one_builds_at_a_time_and_what_killed_ones_left_is_taken_away() {
    let place = place();
    let corpus = place.path().join("corpus");
    add(&corpus, &place.path().join("texts"), false).expect("added");
    write(&corpus, ".new-left", "half a file");
    let lock = files::Claim::take(&corpus).expect("a lock").expect("it is free");
    assert!(!files::exists(&corpus.join(".new-left")));
    assert!(matches!(build(&corpus, settings(), &mut |_, _, _| {}), Err(CorpusError::Busy(_))));
    drop(lock);
    assert_eq!(built(&corpus, settings()).all.documents, 6);
}

#[test]
fn added_documents_and_answers_are_texts_too() {
    use engine::feedback::{Entry, Journal, Kind as Answer, Permission};
    let place = place();
    let corpus = place.path().join("corpus");
    let db = rusqlite::Connection::open(place.path().join("corpus.db")).expect("a database");
    db.execute_batch(
        "CREATE TABLE documents(id INTEGER PRIMARY KEY, address TEXT, text TEXT);
         INSERT INTO documents(address, text) VALUES
             ('https://example.com/a', 'How one does this, in words enough to be worth reading by anybody at all.'),
             ('https://example.com/b', NULL);",
    )
    .expect("made");
    let journal = Journal::open(&place.path().join("state.db")).expect("a journal");
    let about = crate::lessons::tests::told(3);
    journal.tell(std::slice::from_ref(&about)).expect("told");
    let reply = |key: &str, what: &str| Entry {
        what: Some(what.into()),
        ..crate::lessons::tests::answer(&about, Answer::Rejected, key)
    };
    let stranger = Entry { permission: Permission::Read, ..reply("b", "a stranger's words") };
    journal.append(&[reply("a", "we evaluate our own files here, ask ada@engine.org"), stranger]).expect("written");
    for (file, kind) in [("corpus.db", Kind::Documents), ("state.db", Kind::Answers)] {
        assert_eq!(add(&corpus, &place.path().join(file), false).expect("added").kind, kind);
    }
    let manifest = built(&corpus, settings());
    assert_eq!(manifest.left_out["licence: none was found"].documents, 1, "nobody knows whose a page is");
    let texts: Vec<Document> = documents(&corpus).expect("a corpus").map(|one| one.expect("a document")).collect();
    assert_eq!((texts.len(), texts[0].licence.as_str(), texts[0].language.as_str()), (1, "own", PROSE));
    assert!(texts[0].text.contains("we evaluate our own files here, ask someone@example.com"), "{}", texts[0].text);
    assert!(!texts[0].text.contains("stranger"));
    assert_eq!(built(&corpus, Settings { any_licence: true, ..settings() }).all.documents, 2);
    let forget = crate::lessons::tests::answer(&about, Answer::Forgotten, "forget");
    journal.append(&[forget]).expect("forgotten");
    assert_eq!(built(&corpus, settings()).all.documents, 0);
}

#[test]
fn damage_is_found_and_named() {
    let place = place();
    let corpus = place.path().join("corpus");
    assert!(matches!(build(&corpus, settings(), &mut |_, _, _| {}), Err(CorpusError::Empty(_))));
    add(&corpus, &place.path().join("texts"), false).expect("added");
    assert!(matches!(documents(&corpus), Err(CorpusError::Unbuilt(_))));
    let manifest = built(&corpus, settings());
    let name = &manifest.files[0].name;
    let text = String::from_utf8(files::read(&corpus.join(name)).expect("a file")).expect("a text");
    write(&corpus, name, &text.replacen("function_2", "function_3", 1));
    let last = documents(&corpus).expect("a corpus").last().expect("documents");
    assert!(matches!(&last, Err(CorpusError::Damaged { why, .. }) if why.contains("not those")), "{last:?}");
    write(&corpus, name, &text[..text.len() / 2]);
    let read: Vec<_> = documents(&corpus).expect("a corpus").collect();
    assert!(matches!(read.last(), Some(Err(CorpusError::Damaged { .. }))));
    for bad in ["https://example.com/a.git", "/nowhere/at/all"] {
        assert!(matches!(add(&corpus, Path::new(bad), false), Err(CorpusError::NoSource { .. })), "{bad}");
    }
    assert!(add(&corpus, &place.path().join("texts/LICENSE"), false).is_err(), "a file of its own is no source");
}
