//! What has to stand before a question or a passage, so that a model takes it for one?

/// What a family of models was trained to see before each kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) query: &'static str,
    pub(super) passage: &'static str,
}

const REPRESENT: &str = "Represent this sentence for searching relevant passages: ";
const INSTRUCT: &str = "Instruct: Given a question, find the code or the documentation that answers it\nQuery: ";

/// Families by a part of their name, and what their model cards ask for; the first that fits counts.
const FAMILIES: [(&str, &str, &str); 13] = [
    ("nomic-embed-code", "Represent this query for searching relevant code: ", ""),
    ("nomic-embed", "search_query: ", "search_document: "),
    ("mxbai-embed-large", REPRESENT, ""),
    ("mxbai-embed-xsmall", REPRESENT, ""),
    ("bge-m3", "", ""),
    ("bge-", REPRESENT, ""),
    ("e5-mistral", INSTRUCT, ""),
    ("e5-large-instruct", INSTRUCT, ""),
    ("e5-", "query: ", "passage: "),
    ("snowflake-arctic-embed2", "query: ", ""),
    ("snowflake-arctic-embed", REPRESENT, ""),
    ("embeddinggemma", "task: code retrieval | query: ", "title: none | text: "),
    ("qwen3-embedding", INSTRUCT, ""),
];

/// The prefixes for a model by its name, as in `registry/owner/name:tag`; empty ones for a model that is not known.
pub(super) fn prefixes(model: &str) -> Prefixes {
    let name = model.to_ascii_lowercase();
    let own = name.rsplit('/').next().unwrap_or_default();
    let base = own.split(':').next().unwrap_or_default();
    let found = FAMILIES.iter().find(|(family, ..)| base.contains(family));
    found.map_or(Prefixes { query: "", passage: "" }, |&(_, query, passage)| Prefixes { query, passage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_known_by_its_name_whoever_publishes_it_and_whatever_its_tag() {
        let query = |model: &str| prefixes(model).query;
        assert_eq!(query("nomic-embed-text"), "search_query: ");
        assert_eq!(prefixes("nomic-embed-text:v1.5").passage, "search_document: ");
        assert_eq!(query("jeffh/intfloat-multilingual-e5-large-instruct:f16"), INSTRUCT);
        assert_eq!(prefixes("yxchia/multilingual-e5-base").passage, "passage: ");
        assert_eq!((query("bge-m3"), query("bge-large")), ("", REPRESENT));
        assert_eq!((query("snowflake-arctic-embed2"), query("snowflake-arctic-embed:22m")), ("query: ", REPRESENT));
        assert_eq!(prefixes("all-minilm"), Prefixes { query: "", passage: "" });
        assert_eq!(query("e5-fans/other"), "");
    }

    #[test]
    fn no_family_hides_a_later_one() {
        for (n, (family, ..)) in FAMILIES.iter().enumerate() {
            let first = FAMILIES.iter().position(|(other, ..)| family.contains(other));
            assert_eq!(first, Some(n), "{family}");
        }
    }
}
