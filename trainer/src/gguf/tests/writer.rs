//! Is a file whole, the same each time, and refused where ggml would refuse it?

use std::fs;

use candle_core::quantized::{GgmlDType, gguf_file::Value};
use tempfile::TempDir;

use super::super::file::{self, Entry, WriteError};
use crate::base::Base;

fn entry(name: &str, sizes: &[usize], kind: GgmlDType) -> Entry {
    Entry { name: name.into(), sizes: sizes.to_vec(), kind }
}

/// Writes zeros for these entries; what went wrong, or the bytes.
fn written(metadata: &[(String, Value)], entries: &[Entry]) -> Result<Vec<u8>, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/one.gguf");
    let length = file::write(&path, metadata, entries, &mut |entry, out| {
        out.write_all(&vec![0; entry.bytes().unwrap() as usize]).unwrap();
        Ok(())
    });
    let length = length.map_err(|why| why.to_string())?;
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

#[test]
fn a_file_is_written_as_the_format_says() {
    let metadata = [
        ("general.architecture".to_owned(), Value::String("llama".into())),
        ("a.list".to_owned(), Value::Array(vec![Value::I32(-1), Value::I32(2)])),
        ("a.flag".to_owned(), Value::Bool(true)),
    ];
    let entries = [entry("one", &[3], GgmlDType::F32), entry("two", &[32, 2], GgmlDType::Q8_0)];
    let bytes = written(&metadata, &entries).unwrap();
    let mut wanted = b"GGUF".to_vec();
    let put = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.bytes());
    };
    wanted.extend([3_u32.to_le_bytes().as_slice(), &2_u64.to_le_bytes(), &3_u64.to_le_bytes()].concat());
    put(&mut wanted, "general.architecture");
    wanted.extend(8_u32.to_le_bytes());
    put(&mut wanted, "llama");
    put(&mut wanted, "a.list");
    wanted.extend([9_u32.to_le_bytes(), 5_u32.to_le_bytes()].concat());
    wanted.extend(2_u64.to_le_bytes());
    wanted.extend([(-1_i32).to_le_bytes(), 2_i32.to_le_bytes()].concat());
    put(&mut wanted, "a.flag");
    wanted.extend([7, 0, 0, 0, 1]);
    put(&mut wanted, "one");
    wanted.extend(
        [1_u32.to_le_bytes().as_slice(), &3_u64.to_le_bytes(), &0_u32.to_le_bytes(), &0_u64.to_le_bytes()].concat(),
    );
    put(&mut wanted, "two");
    wanted.extend([2_u32.to_le_bytes().as_slice(), &32_u64.to_le_bytes(), &2_u64.to_le_bytes()].concat());
    wanted.extend([8_u32.to_le_bytes().as_slice(), &32_u64.to_le_bytes()].concat());
    wanted.resize(wanted.len().next_multiple_of(32), 0);
    // Three numbers and the way to the next 32 bytes; two rows of 34 bytes and the way to the next 32.
    wanted.extend([0; 32 + 96]);
    assert_eq!(bytes, wanted);
}

#[test]
fn what_ggml_would_refuse_is_not_written() {
    let of = |entries: &[Entry]| written(&[], entries).unwrap_err();
    let long = "n".repeat(64);
    insta::assert_snapshot!(of(&[entry(&long, &[1], GgmlDType::F32)]), @"a GGUF file cannot hold `nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn`: a name has between 1 and 63 bytes");
    let twice = [entry("one", &[1], GgmlDType::F32), entry("one", &[1], GgmlDType::F32)];
    insta::assert_snapshot!(of(&twice), @"a GGUF file cannot hold `one`: there are two of this name");
    insta::assert_snapshot!(of(&[entry("one", &[], GgmlDType::F32)]), @"a GGUF file cannot hold `one`: it has the dimensions []");
    insta::assert_snapshot!(of(&[entry("one", &[4, 0], GgmlDType::F32)]), @"a GGUF file cannot hold `one`: it has the dimensions [4, 0]");
    insta::assert_snapshot!(of(&[entry("one", &[1, 1, 1, 1, 1], GgmlDType::F32)]), @"a GGUF file cannot hold `one`: it has the dimensions [1, 1, 1, 1, 1]");
    insta::assert_snapshot!(of(&[entry("one", &[96], GgmlDType::Q4K)]), @"a GGUF file cannot hold `one`: Q4K cannot have the dimensions [96]");
    insta::assert_snapshot!(of(&[entry("one", &[usize::MAX / 2, 9], GgmlDType::F32)]), @"a GGUF file cannot hold `one`: F32 cannot have the dimensions [9223372036854775807, 9]");
    let mixed = [("list".to_owned(), Value::Array(vec![Value::U32(1), Value::Bool(true)]))];
    insta::assert_snapshot!(written(&mixed, &[]).unwrap_err(), @"a GGUF file cannot hold `list`: an array has values of one type");
    let same = [("key".to_owned(), Value::U32(1)), ("key".to_owned(), Value::U32(2))];
    insta::assert_snapshot!(written(&same, &[]).unwrap_err(), @"a GGUF file cannot hold `key`: a key is there once, and has between 1 and 65535 bytes");
}

#[test]
fn what_fails_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("one.gguf");
    fs::write(&path, "old").unwrap();
    let entries = [entry("one", &[8], GgmlDType::F32)];
    let short = file::write(&path, &[], &entries, &mut |_, out| {
        out.write_all(&[0; 31]).unwrap();
        Ok(())
    });
    assert!(matches!(short, Err(WriteError::Format { .. })), "{short:?}");
    let full = file::write(&path, &[], &entries, &mut |_, _| {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(WriteError::File { file: String::new(), source })
    });
    let said = full.unwrap_err().to_string();
    assert!(said.contains("one.gguf") && said.contains("no storage space"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_was_written_is_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("one.gguf");
    let entries = [entry("one", &[2, 3], GgmlDType::F32), entry("two", &[2], GgmlDType::F16)];
    file::write(&path, &[("a.key".to_owned(), Value::F32(1.5))], &entries, &mut |entry, out| {
        let bytes: Vec<u8> = match entry.name.as_str() {
            "one" => (0..6_u8).flat_map(|n| f32::from(n).to_le_bytes()).collect(),
            _ => [1.0, -2.0].into_iter().flat_map(|n| half::f16::from_f32(n).to_le_bytes()).collect(),
        };
        out.write_all(&bytes).unwrap();
        Ok(())
    })
    .unwrap();
    let base = Base::open(&path).unwrap();
    assert_eq!(base.floats("one").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(base.rows("one", 1..2).unwrap(), [2.0, 3.0]);
    assert_eq!(base.floats("two").unwrap(), [1.0, -2.0]);
    assert_eq!((base.size("one"), base.sizes("one")), (Some((3, 2)), Some(vec![2, 3])));
    assert!(base.rows("one", 2..4).is_err() && base.floats("three").is_err());
    assert!(matches!(base.metadata().get("a.key"), Some(Value::F32(1.5))));
}
