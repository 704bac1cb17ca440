//! Under which licence is a text, and does it let everybody learn from it? By SPDX headers, licence files and manifests.
//!
//! The identifiers are those of the SPDX License List; expressions are read as SPDX 2.3, annex D has them.

use std::{collections::BTreeMap, sync::OnceLock};

use engine::source::RepoPath;
use regex::Regex;

/// Licences that ask for little more than to be named.
const PERMISSIVE: [&str; 19] = [
    "0BSD",
    "Apache-2.0",
    "BlueOak-1.0.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
];

/// Words by which a licence is known, in lower case and with single blanks. The one that stands first in a text is it.
const WORDS: [(&str, &str); 26] = [
    ("apache license version 2.0", "Apache-2.0"),
    ("licensed under the apache license, version 2.0", "Apache-2.0"),
    ("gnu affero general public license", "AGPL-3.0-or-later"),
    ("gnu lesser general public license", "LGPL-3.0-or-later"),
    ("gnu library general public license", "LGPL-2.0-or-later"),
    ("gnu general public license", "GPL-3.0-or-later"),
    ("mozilla public license", "MPL-2.0"),
    ("eclipse public license", "EPL-2.0"),
    ("common development and distribution license", "CDDL-1.0"),
    ("european union public licence", "EUPL-1.2"),
    ("business source license", "BUSL-1.1"),
    ("server side public license", "SSPL-1.0"),
    ("elastic license", "Elastic-2.0"),
    ("functional source license", "FSL-1.1"),
    ("polyform", "LicenseRef-PolyForm"),
    ("boost software license", "BSL-1.0"),
    ("this is free and unencumbered software released into the public domain", "Unlicense"),
    ("cc0 1.0 universal", "CC0-1.0"),
    ("attribution-noncommercial", "CC-BY-NC-4.0"),
    ("attribution-sharealike", "CC-BY-SA-4.0"),
    ("attribution 4.0 international", "CC-BY-4.0"),
    ("python software foundation license", "PSF-2.0"),
    ("do what the fuck you want to", "WTFPL"),
    ("altered source versions must be plainly marked", "Zlib"),
    ("all rights reserved. this program is confidential", "LicenseRef-Proprietary"),
    ("blue oak model license", "BlueOak-1.0.0"),
];

/// The bytes of a file in which its own licence is looked for.
const HEAD: usize = 4_000;

/// The licence that the beginning of a file names.
pub(super) fn of_head(text: &str) -> Option<String> {
    let head = text.get(..floor(text, HEAD)).unwrap_or(text);
    if let Some(found) = spdx().captures(head) {
        let expression = found.get(1).map_or("", |found| found.as_str()).trim();
        let expression = expression.trim_end_matches(['*', '/', '-', '>', ' ', '"', '\'']);
        return Some(expression.to_owned()).filter(|expression| !expression.is_empty());
    }
    let lower = head.to_ascii_lowercase();
    let is_told = ["licen", "permission", "redistribution"].iter().any(|word| lower.contains(word));
    is_told.then(|| of_words(&folded(&lower))).flatten().map(str::to_owned)
}

/// The licence that a licence's own file holds.
fn of_file(text: &str) -> Option<String> {
    of_words(&folded(&text.to_ascii_lowercase())).map(str::to_owned)
}

fn of_words(folded: &str) -> Option<&'static str> {
    let named = WORDS.iter().filter_map(|(words, id)| Some((folded.find(words)?, *id)));
    let grants = [
        ("permission is hereby granted, free of charge", granted as fn(&str) -> &'static str),
        ("redistribution and use in source and binary forms", redistributed),
        ("permission to use, copy, modify, and", permitted),
    ];
    let granted = grants.into_iter().filter_map(|(words, which)| {
        let at = folded.find(words)?;
        Some((at, which(folded.get(at..).unwrap_or_default())))
    });
    named.chain(granted).min().map(|(_, id)| id)
}

fn granted(rest: &str) -> &'static str {
    if rest.contains("this permission notice") { "MIT" } else { "MIT-0" }
}

fn redistributed(rest: &str) -> &'static str {
    match () {
        () if rest.contains("all advertising materials") => "BSD-4-Clause",
        () if rest.contains("neither the name") || rest.contains("may not be used to endorse") => "BSD-3-Clause",
        () if rest.contains("in binary form must reproduce") => "BSD-2-Clause",
        () => "BSD-1-Clause",
    }
}

fn permitted(rest: &str) -> &'static str {
    if rest.contains("provided that the above") { "ISC" } else { "0BSD" }
}

/// Words with single blanks between them, and without the marks of comments.
fn folded(lower: &str) -> String {
    let words = lower.split(|c: char| c.is_whitespace() || matches!(c, '*' | '#' | '/' | ';' | '"' | '`' | '%'));
    words
        .filter(|word| !word.is_empty() && *word != "--")
        .collect::<Vec<_>>()
        .join(" ")
        .replace("license, version", "license version")
        .replace("under the apache license version", "under the apache license, version")
}

/// The last place at or before this byte where a character begins.
fn floor(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Whether an SPDX expression lets one choose a permissive licence. What is not understood does not.
pub(super) fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at, 0) == Some(true) && at == words.len()
}

/// The deepest expression that is read.
const DEEPEST: usize = 16;

fn either(words: &[&str], at: &mut usize, depth: usize) -> Option<bool> {
    let mut is_good = both(words, at, depth)?;
    while words.get(*at).is_some_and(|word| word.eq_ignore_ascii_case("or")) {
        *at += 1;
        is_good |= both(words, at, depth)?;
    }
    Some(is_good)
}

fn both(words: &[&str], at: &mut usize, depth: usize) -> Option<bool> {
    let mut is_good = one(words, at, depth)?;
    while words.get(*at).is_some_and(|word| word.eq_ignore_ascii_case("and")) {
        *at += 1;
        is_good &= one(words, at, depth)?;
    }
    Some(is_good)
}

fn one(words: &[&str], at: &mut usize, depth: usize) -> Option<bool> {
    let word = words.get(*at)?;
    *at += 1;
    if *word == "(" {
        let is_good = (depth < DEEPEST).then(|| either(words, at, depth + 1)).flatten()?;
        let is_closed = words.get(*at) == Some(&")");
        *at += 1;
        return is_closed.then_some(is_good);
    }
    if words.get(*at).is_some_and(|word| word.eq_ignore_ascii_case("with")) {
        // An exception takes nothing away.
        *at += 2;
    }
    Some(PERMISSIVE.iter().any(|id| id.eq_ignore_ascii_case(word.trim_end_matches('+'))))
}

/// The licences of a tree's folders.
#[derive(Debug, Default)]
pub(super) struct Licences(BTreeMap<String, String>);

impl Licences {
    /// Those that the licence files and manifests among these paths name.
    pub(super) fn of(paths: &[RepoPath], read: &dyn Fn(&RepoPath) -> Option<String>) -> Self {
        let mut files: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
        let mut manifests: BTreeMap<String, String> = BTreeMap::new();
        for path in paths {
            if is_licence(path.file_name()) {
                let own = read(path).and_then(|text| of_file(&text));
                // A document may be about licences.
                let is_loud = path.file_name().starts_with(|c: char| c.is_ascii_uppercase());
                if own.is_none() && !is_loud {
                    continue;
                }
                let is_choice = path.file_name().to_ascii_lowercase().contains("licen");
                let id = own.unwrap_or_else(|| "LicenseRef-unknown".to_owned());
                files.entry(path.parent().to_owned()).or_default().push((id, is_choice));
            } else if matches!(path.file_name(), "Cargo.toml" | "pyproject.toml" | "package.json" | "composer.json") {
                let named = read(path).and_then(|text| of_manifest(&text));
                manifests.extend(named.map(|named| (path.parent().to_owned(), named)));
            }
        }
        let joined = |mut all: Vec<(String, bool)>| {
            all.sort();
            all.dedup();
            let word = if all.iter().all(|(_, is_choice)| *is_choice) { " OR " } else { " AND " };
            all.into_iter().map(|(id, _)| id).collect::<Vec<_>>().join(word)
        };
        manifests.extend(files.into_iter().map(|(folder, all)| (folder, joined(all))));
        Self(manifests)
    }

    /// The licence of the nearest folder above a path that has one.
    pub(super) fn of_path(&self, path: &RepoPath) -> Option<&str> {
        let mut folder = path.parent();
        loop {
            if let Some(found) = self.0.get(folder) {
                return Some(found);
            }
            folder = match folder.rsplit_once('/') {
                Some((above, _)) => above,
                None if folder.is_empty() => return None,
                None => "",
            };
        }
    }
}

/// Whether a file of this name holds a licence.
fn is_licence(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let mut parts = upper.split(['.', '-', '_']);
    // What others ask for who are quoted is no choice of ours.
    let is_others = ["THIRD", "3RD", "3P", "VENDOR"].iter().any(|word| upper.contains(word));
    let is_text =
        !matches!(upper.rsplit_once('.').map(|(_, end)| end), Some("PY" | "RS" | "JS" | "TS" | "GO" | "JAVA" | "RB"));
    is_text && !is_others && parts.any(|part| matches!(part, "LICENSE" | "LICENCE" | "COPYING" | "UNLICENSE"))
}

fn of_manifest(text: &str) -> Option<String> {
    let found = manifest().captures(text)?;
    found.get(1).or_else(|| found.get(2)).map(|found| found.as_str().replace('/', " OR "))
}

macro_rules! regex {
    ($name:ident, $pattern:expr) => {
        fn $name() -> &'static Regex {
            static REGEX: OnceLock<Regex> = OnceLock::new();
            REGEX.get_or_init(|| Regex::new($pattern).expect("a regular expression"))
        }
    };
}

regex!(spdx, r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() \t-]+)");
regex!(manifest, r#"(?m)^\s*license\s*=\s*(?:\{\s*text\s*=\s*)?"([^"\n]{1,80})"|^\s*"license"\s*:\s*"([^"\n]{1,80})""#);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_has_them() {
        for good in
            ["MIT", "mit OR GPL-3.0", "(MIT AND Apache-2.0)", "Apache-2.0 WITH LLVM-exception", "GPL-2.0 OR (MIT OR X)"]
        {
            assert!(is_permissive(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT OR", "MIT )", "LicenseRef-unknown", "MIT Apache-2.0"]
        {
            assert!(!is_permissive(bad), "{bad}");
        }
        assert!(!is_permissive(&format!("{}MIT{}", "(".repeat(100), ")".repeat(100))));
    }

    #[test]
    fn heads_of_files_name_their_licence() {
        for (head, id) in [
            ("// SPDX-License-Identifier: MIT OR Apache-2.0\n", Some("MIT OR Apache-2.0")),
            ("/* SPDX-License-Identifier: GPL-2.0 */\n", Some("GPL-2.0")),
            ("# Licensed under the Apache License, Version 2.0 (the \"License\")\n", Some("Apache-2.0")),
            (
                "/*\n * This program is free software under the GNU General\n * Public License.\n */",
                Some("GPL-3.0-or-later"),
            ),
            ("def licence(): pass\n", None),
        ] {
            assert_eq!(of_head(head).as_deref(), id, "{head}");
        }
    }

    #[test]
    fn the_nearest_licence_holds() {
        let mit =
            "Permission is hereby granted, free of charge, ... The above copyright notice and this permission notice";
        let texts = [
            ("LICENSE-MIT", mit.to_owned()),
            ("LICENSE-APACHE", "Apache License\n  Version 2.0, January 2004".to_owned()),
            ("old/COPYING", "GNU GENERAL PUBLIC LICENSE\n Version 2 ... GNU Lesser General Public License".to_owned()),
            ("docs/license.rst", "How we came to our licence".to_owned()),
            ("sub/Cargo.toml", "[package]\nlicense = \"BSD-3-Clause\"\n".to_owned()),
        ];
        let path = |text: &str| RepoPath::new(text).expect("a path");
        let paths: Vec<RepoPath> = texts.iter().map(|(name, _)| path(name)).collect();
        let read =
            |wanted: &RepoPath| texts.iter().find(|(name, _)| *name == wanted.as_str()).map(|(_, text)| text.clone());
        let licences = Licences::of(&paths, &read);
        assert_eq!(licences.of_path(&path("src/deep/a.rs")), Some("Apache-2.0 OR MIT"));
        assert_eq!(licences.of_path(&path("old/x/a.c")), Some("GPL-3.0-or-later"));
        assert_eq!(licences.of_path(&path("sub/a.rs")), Some("BSD-3-Clause"));
        assert_eq!(licences.of_path(&path("docs/a.rst")), Some("Apache-2.0 OR MIT"));
        assert_eq!(Licences::default().of_path(&path("a.rs")), None);
    }

    #[test]
    fn the_usual_licences_are_known_by_their_words() {
        for (text, id) in [
            (
                "Redistribution and use in source and binary forms, ... Redistributions in binary form must reproduce",
                "BSD-2-Clause",
            ),
            (
                "Redistribution and use in source and binary forms ... Neither the name of the copyright holder",
                "BSD-3-Clause",
            ),
            (
                "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright",
                "ISC",
            ),
            ("Mozilla Public License Version 2.0", "MPL-2.0"),
            ("GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3", "AGPL-3.0-or-later"),
        ] {
            assert_eq!(of_file(text).as_deref(), Some(id));
        }
    }
}
