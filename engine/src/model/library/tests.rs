//! Are models taken in whole, told by their headers however hostile these are, and taken out again?

use std::collections::BTreeMap;

use super::*;

/// The beginning of a GGUF file with these properties, in the format's own bytes.
fn gguf(pairs: &[(&str, Property<'_>)]) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(7_u64.to_le_bytes());
    bytes.extend((pairs.len() as u64).to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    for (key, value) in pairs {
        text(&mut bytes, key);
        match value {
            Property::Text(value) => {
                bytes.extend(8_u32.to_le_bytes());
                text(&mut bytes, value);
            }
            Property::Number(value) => {
                bytes.extend(4_u32.to_le_bytes());
                bytes.extend(value.to_le_bytes());
            }
            Property::Texts(values) => {
                bytes.extend(9_u32.to_le_bytes());
                bytes.extend(8_u32.to_le_bytes());
                bytes.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| text(&mut bytes, value));
            }
        }
    }
    bytes
}

enum Property<'a> {
    Text(&'a str),
    Number(u32),
    Texts(&'a [&'a str]),
}

fn model() -> Vec<u8> {
    gguf(&[
        ("general.architecture", Property::Text("qwen2")),
        ("tokenizer.ggml.tokens", Property::Texts(&["a", "b", "größe"])),
        ("general.name", Property::Text("Tiny\x1b[31m")),
        ("qwen2.context_length", Property::Number(32_768)),
        ("general.file_type", Property::Number(15)),
        ("general.description", Property::Text(&"x".repeat(1_000))),
        ("general.size_label", Property::Text("0.5B")),
    ])
}

fn import_all(folder: &Path, file: &Path) -> Result<Imported, LibraryError> {
    import(folder, file, &AtomicBool::new(false), &mut |_, _, _| {})
}

#[test]
fn a_model_is_taken_in_told_and_taken_out() {
    let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path().join("models");
    assert_eq!(list(&folder).unwrap(), []);
    let file = outside.path().join("tiny.gguf");
    fs::write(&file, model()).unwrap();
    let imported = import_all(&folder, &file).unwrap();
    assert!(imported.is_linked && imported.sha256.len() == 64);
    let about = imported.entry.about.clone().unwrap();
    assert_eq!((about.architecture.as_str(), about.quantization.as_str()), ("qwen2", "Q4_K_M"));
    assert_eq!((about.name.as_deref(), about.size.as_deref()), (Some("Tiny [31m"), Some("0.5B")));
    assert_eq!((about.context, about.tensors), (Some(32_768), 7));
    // Again is no error, another file of the same name is.
    assert_eq!(import_all(&folder, &file).unwrap().sha256, imported.sha256);
    let other = outside.path().join("sub").join("tiny.gguf");
    fs::create_dir(other.parent().unwrap()).unwrap();
    fs::write(&other, [model(), vec![0]].concat()).unwrap();
    assert!(matches!(import_all(&folder, &other), Err(LibraryError::There(_))));

    fs::write(folder.join("broken.gguf"), "GGUF").unwrap();
    fs::write(folder.join(".begun.gguf.part"), "GGUF").unwrap();
    fs::write(folder.join(".begun.gguf.part.json"), "{}").unwrap();
    fs::create_dir(folder.join("folder.gguf")).unwrap();
    let listed = list(&folder).unwrap();
    let wrong: BTreeMap<&str, Option<&str>> =
        listed.iter().map(|entry| (entry.file.as_str(), entry.wrong.as_deref())).collect();
    let not_whole = Some("it is not whole yet; pulling it again goes on");
    let expected = [("begun.gguf", not_whole), ("broken.gguf", Some("it is cut off")), ("tiny.gguf", None)];
    assert_eq!(wrong, BTreeMap::from(expected));
    assert_eq!(remove(&folder, "begun").unwrap().bytes, 4);
    assert!(!folder.join(".begun.gguf.part.json").exists());
    assert_eq!(show(&folder, "tiny").unwrap(), imported.entry);
    assert_eq!(find(&folder, Path::new("tiny.gguf")).unwrap(), imported.entry);
    assert_eq!(find(Path::new("nowhere"), &file).unwrap().path, file);
    assert!(find(&folder, Path::new("sub/../tiny.gguf")).is_err());
    assert_eq!(remove(&folder, "tiny.gguf").unwrap().file, "tiny.gguf");
    assert!(matches!(show(&folder, "tiny"), Err(LibraryError::None { .. })));
    assert!(file.exists(), "what was taken in was not taken away");
}

#[test]
fn a_copy_is_whole_or_not_there() {
    let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("a.gguf"), folder.path().join("a.gguf"));
    fs::write(&from, vec![7; 3 << 20]).unwrap();
    let stop = AtomicBool::new(false);
    let stopped = copy(&from, &to, &stop, &mut |_, _, _| stop.store(true, Ordering::Relaxed));
    assert!(matches!(stopped, Err(LibraryError::Stopped)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    copy(&from, &to, &AtomicBool::new(false), &mut |_, _, _| {}).unwrap();
    assert_eq!(fs::read(&to).unwrap().len(), 3 << 20);
}

#[test]
fn names_that_lead_elsewhere_are_none() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["../a", "a/b", "/etc/passwd", "", ".hidden", "a b", "a\0", "..", &"x".repeat(300)] {
        let found = show(folder.path(), name);
        assert!(matches!(found, Err(LibraryError::Name(_) | LibraryError::None { .. })), "{name}");
        assert!(remove(folder.path(), name).is_err(), "{name}");
    }
}

#[test]
fn no_model_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let why = |bytes: &[u8]| {
        let file = folder.path().join("a.gguf");
        fs::write(&file, bytes).unwrap();
        header::read(&file).unwrap_err()
    };
    assert_eq!(why(b""), "it is cut off");
    assert_eq!(why(b"PK\x03\x04 a zip"), "it does not begin as one");
    assert_eq!(why(b"GGUF\x09\0\0\0"), "its version is 9, and 2 and 3 are known");
    assert_eq!(why(&gguf(&[])), "it names no architecture");
    let mut many = b"GGUF\x03\0\0\0".to_vec();
    many.extend([0xff; 16]);
    assert!(why(&many).starts_with("it claims"));
}

#[test]
fn no_damage_to_a_header_does_harm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.gguf");
    let whole = model();
    for end in 0..whole.len() {
        fs::write(&file, &whole[..end]).unwrap();
        assert!(header::read(&file).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            fs::write(&file, &damaged).unwrap();
            // Either it is told what is wrong or what the file says; it ends and takes no memory.
            let _ = header::read(&file);
        }
    }
}
