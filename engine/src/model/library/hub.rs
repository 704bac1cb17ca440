//! Which files has a repository of Hugging Face, and which of them is meant?

use serde::Deserialize;

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Stored {
    pub(super) path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Lfs {
    /// SHA-256 of the content.
    oid: String,
    size: Option<u64>,
}

impl Stored {
    /// Its length in bytes, where that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.lfs.as_ref().and_then(|lfs| lfs.size).or(Some(self.size)).filter(|&bytes| bytes > 0)
    }

    /// Its SHA-256 in hex, where that is known.
    pub(super) fn sha256(&self) -> Option<String> {
        let oid = self.lfs.as_ref()?.oid.trim_start_matches("sha256:").to_ascii_lowercase();
        (oid.len() == 64 && oid.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(oid)
    }
}

/// The most names that an error lists.
const NAMED: usize = 12;

/// The file that is named, else the only model, else the one that is stored as `Q4_K_M`.
pub(super) fn choose(files: &[Stored], named: Option<&str>) -> Result<Stored, String> {
    let is_model = |path: &str| {
        let path = path.to_ascii_lowercase();
        path.ends_with(".gguf") && !path.contains("mmproj") && !path.contains("-of-0")
    };
    let models: Vec<&Stored> = files.iter().filter(|file| is_model(&file.path)).collect();
    let found = match (named, &models[..]) {
        (Some(named), _) => files.iter().find(|file| file.path == named),
        (None, [only]) => Some(*only),
        (None, several) => several.iter().copied().find(|file| file.path.to_ascii_lowercase().contains("q4_k_m")),
    };
    if let Some(found) = found {
        return Ok(found.clone());
    }
    let names: Vec<&str> = models.iter().take(NAMED).map(|file| file.path.as_str()).collect();
    Err(match names.is_empty() {
        true => "the repository has no GGUF model that is one file".to_owned(),
        false => format!("name one of its files: {}", names.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<Stored> {
        names.iter().map(|name| Stored { path: (*name).to_owned(), size: 7, lfs: None }).collect()
    }

    #[test]
    fn the_file_that_is_meant_is_named_or_alone_or_the_usual_one() {
        let path = |names: &[&str], named| choose(&files(names), named).map(|file| file.path);
        assert_eq!(path(&["README.md", "a.gguf"], None).unwrap(), "a.gguf");
        assert_eq!(path(&["a-q8_0.gguf", "sub/a-Q4_K_M.gguf"], None).unwrap(), "sub/a-Q4_K_M.gguf");
        assert_eq!(path(&["a-q8_0.gguf", "b.gguf"], Some("b.gguf")).unwrap(), "b.gguf");
        assert_eq!(path(&["a-q8_0.gguf", "b.gguf"], None).unwrap_err(), "name one of its files: a-q8_0.gguf, b.gguf");
        assert!(path(&["a-q4_k_m-00001-of-00002.gguf", "mmproj-a.gguf"], None).unwrap_err().contains("no GGUF model"));
        assert!(path(&["a.gguf"], Some("c.gguf")).is_err());
    }

    #[test]
    fn a_sum_is_one_or_none() {
        let stored = |oid: &str| -> Stored {
            serde_json::from_value(serde_json::json!({ "path": "a", "lfs": { "oid": oid, "size": 9 } })).unwrap()
        };
        let sum = "AB".repeat(32);
        assert_eq!((stored(&sum).sha256(), stored(&sum).bytes()), (Some(sum.to_lowercase()), Some(9)));
        assert_eq!((stored("").sha256(), stored(&"x".repeat(64)).sha256()), (None, None));
    }
}
