"""Write the golden file for other readers of the table.

Usage: golden.py TABLE OUT. Each line: {"text", "tokens": entries in order, "vector": the
first 8 dimensions of the text as a query}.
"""

import json
import sys
from pathlib import Path

from table import Table

TEXTS = [
    "", " ", "...", "!?*&^%$#@", "___", "a", "Z", "7", "_x_", "\t\n",
    "check if a variable is iterable", "how to read a file line by line", "parse JSON from a string",
    "getUserById", "HTTPServer", "parseHTTPResponse", "XMLHttpRequest", "iOSVersion", "snake_case_name",
    "SCREAMING_SNAKE_CASE", "kebab-case-name", "fooBar2Baz", "utf8", "UTF8Decoder", "sha256sum", "base64Encode",
    "x86_64", "v1.10.2", "3.14159", "1e-9", "0xDEADBEEF", "2024-01-31T12:00:00Z", "IPv6Address", "py3k", "ABCdef",
    "aB", "AB", "ABc", "A1b2C3", "__init__", "std::collections::HashMap<String, Vec<u8>>",
    "def add(self, other): return self.x + other.x", "fn main() { println!(\"hello\"); }",
    "SELECT * FROM users WHERE id = 1;", "https://example.org/a/b?c=d#e", "C:\\Users\\name\\file.txt",
    "don't stop", "naïve café résumé", "Straße GROẞE", "ÉCOLE élève", "İstanbul ıssız", "Привет, мир", "ΑΒΓδε",
    "数据库连接", "ファイルを開く", "한국어 문서", "مرحبا بالعالم", "हिन्दी पाठ", "½ ² ③ Ⅷ", "emoji 🎉 party",
    "e\u0301cole", "ǅungla", "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "q" * 60, "the the the the cat", "qwxzjkv zzzyyxq", "tokenizerTokenizers tokenizing",
]


def main():
    table = Table(Path(sys.argv[1]))
    with open(sys.argv[2], "w") as out:
        for text in TEXTS:
            tokens = [table.vocabulary.entries[i] for i in table.vocabulary.encode(text)]
            vector = [round(float(x), 6) for x in table.query(text)[:8]]
            out.write(json.dumps({"text": text, "tokens": tokens, "vector": vector}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
