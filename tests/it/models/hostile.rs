//! Files that claim to be models and to be large: no claim is believed, so none takes memory.

use kit::TempRepo;

/// Kilobytes of data that the command may have, heap and stacks: enough for it, and for little more.
const MOST: usize = 450_000;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// The beginning of a file that has so many tensors and values.
fn beginning(tensors: u64, values: u64) -> Vec<u8> {
    [&b"GGUF"[..], &3_u32.to_le_bytes(), &tensors.to_le_bytes(), &values.to_le_bytes()].concat()
}

/// A value of this kind under this key, without what it is.
fn key(name: &str, kind: u32) -> Vec<u8> {
    [text(name), kind.to_le_bytes().to_vec()].concat()
}

fn array(kind: u32, count: u64) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat()
}

/// Files whose numbers say that gigabytes follow.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let architecture = || [key("general.architecture", 8), text("llama")].concat();
    let mut files = Vec::new();
    // Some that would be had for the asking, some that nobody has.
    for many in [1 << 26, 1 << 40, u64::MAX] {
        files.push(("tensors", [beginning(many, 1), architecture()].concat()));
        files.push(("values", [beginning(1, many), architecture()].concat()));
        files.push(("a text", [beginning(1, 1), key("a", 8), many.to_le_bytes().to_vec()].concat()));
        files.push(("a key", [beginning(1, 1), many.to_le_bytes().to_vec()].concat()));
        for kind in [0, 8, 12] {
            files.push(("an array", [beginning(1, 1), key("a", 9), array(kind, many), vec![0; 64]].concat()));
        }
        let nested = [beginning(1, 1), key("a", 9), array(9, many), array(9, many), array(4, many)].concat();
        files.push(("arrays of arrays", nested));
        let name = [text("t"), 1_u32.to_le_bytes().to_vec(), many.to_le_bytes().to_vec()].concat();
        let tensor = [name, 0_u32.to_le_bytes().to_vec(), 0_u64.to_le_bytes().to_vec()].concat();
        files.push(("a tensor", [beginning(1, 1), architecture(), tensor].concat()));
    }
    // Much that is really there: each byte of it becomes a value in memory.
    let much = (4 << 20) - 8;
    files.push(("many small values", [beginning(1, 1), key("a", 9), array(0, much), vec![0; much as usize]].concat()));
    files
}

#[test]
#[cfg(target_os = "linux")]
fn no_file_takes_more_memory_than_it_is_long() {
    let repo = TempRepo::with(&[("a.py", "x = 1\n")]);
    repo.stage("a.py", "x = 2\n");
    let model_show = "model show ./m.gguf";
    let run = |most: usize, command: &str| {
        let mut child = repo.command("sh");
        child.args(["-c", &format!("ulimit -d {most}; exec \"$A\" {command}")]).env("A", kit::binary());
        kit::run(child, b"")
    };
    // The bound is one: with a tenth of it nothing runs, with it everything does.
    repo.write("m.gguf", "GGML");
    assert_ne!(run(MOST / 100, "--model ./m.gguf review").code, 2);
    assert_eq!(run(MOST, "--model none review").code, 0);
    for (what, bytes) in files() {
        repo.write("m.gguf", bytes);
        let ran = run(MOST, "--model ./m.gguf review");
        assert_eq!(ran.code, 2, "{what}: {}", ran.said());
        assert!(ran.said().contains("cannot use the model"), "{what}: {}", ran.said());
        let ran = run(MOST, model_show);
        assert!(matches!(ran.code, 0 | 2), "{what}: {}", ran.said());
    }
}
