"""Mine (title, documentation, code) records and prose from the fetched sources.

Usage: extract.py WORK [--exclude FILE]. Writes WORK/records.jsonl, one record a line:
{"p": package, "l": language, "n": symbol path, "s": file stem, "d": documentation,
"c": code without documentation} for functions, and the same with "l": "prose", "n":
heading, "d": text for documentation sections. A record whose code, or whose name and
documentation, also occurs in FILE (JSON lines with a "code" field) is left out, so that
the functions of a benchmark never train the table.
"""

import ast
import hashlib
import json
import multiprocessing
import random
import re
import sys
import warnings
from pathlib import Path

PER_PACKAGE = 3500
BYTES_PER_PACKAGE = 8_000_000
MAX_CODE, MAX_DOC = 2400, 900
LANGUAGES = {".py": "python", ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript",
             ".ts": "typescript", ".tsx": "typescript", ".rs": "rust", ".go": "go", ".java": "java"}
JSDOC = re.compile(r"/\*\*(.*?)\*/\s*\n?([^\n]*(?:\n[^\n]*){0,40})", re.S)
LINE_DOC = re.compile(r"((?:^[ \t]*///?(?!/)[^\n]*\n)+)((?:[ \t]*#\[[^\n]*\n)*[^\n]+(?:\n[^\n]*){0,40})", re.M)
NAME = {
    "js": re.compile(r"(?:function\s*\*?|class|interface|const|let|var|type|enum|get|set|static|async|public|private|protected|readonly|export|default|declare|abstract|\s)*\s*([A-Za-z_$][\w$]*)\s*[(:=<{?]"),
    "java": re.compile(r"([A-Za-z_]\w*)\s*\([^;{]*\)[^;{]*[{;]|(?:class|interface|enum|record)\s+(\w+)"),
    "rust": re.compile(r"\b(?:fn|struct|enum|trait|macro_rules!|const|static|type|mod)\s+([A-Za-z_]\w*)"),
    "go": re.compile(r"^(?:func\s+(?:\([^)]*\)\s*)?|type\s+|var\s+|const\s+)([A-Za-z_]\w*)"),
}


def digest(text):
    """A short hash of a text with its white space taken out."""
    return hashlib.blake2b(re.sub(r"\s+", "", text).encode(), digest_size=8).hexdigest()


def clean_doc(text, limit=MAX_DOC):
    """Strip markup that says nothing about the meaning."""
    text = re.sub(r"\{@\w+\s+([^}]*)\}", r"\1", text)
    text = re.sub(r":\w+:`([^`]*)`", r"\1", text)
    text = re.sub(r"<[^>\n]{1,60}>", " ", text)
    text = re.sub(r"https?://\S+|\S+@\S+\.\S+", " ", text)
    return text.strip()[:limit]


def python_records(source):
    """Functions of one Python file: (symbol path, documentation, code)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    lines = source.splitlines()
    found = []

    def visit(node, path):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, path + [child.name])
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if child.end_lineno - child.lineno < 150:
                    doc = ast.get_docstring(child) or ""
                    block = lines[child.lineno - 1:child.end_lineno]
                    if doc:
                        first = child.body[0]
                        block = lines[child.lineno - 1:first.lineno - 1] + lines[first.end_lineno:child.end_lineno]
                    found.append((".".join(path + [child.name]), doc, "\n".join(block)))
                visit(child, path)
            elif isinstance(child, (ast.If, ast.Try, ast.With)):
                visit(child, path)

    visit(tree, [])
    return found


def until_closed(block):
    """Cut a block of brace code after the brace that closes its first one."""
    depth = 0
    for at, char in enumerate(block):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth <= 0:
                return block[:at + 1]
        elif char == ";" and depth == 0:
            return block[:at + 1]
    return block


def brace_records(source, language):
    """Documented declarations of a language with braces."""
    key = {"javascript": "js", "typescript": "js"}.get(language, language)
    pattern = LINE_DOC if key in ("rust", "go") else JSDOC
    for match in pattern.finditer(source):
        doc = re.sub(r"^[ \t]*(\*|///?)[ \t]?", "", match.group(1), flags=re.M)
        block = match.group(2)
        head = "\n".join(x for x in block.split("\n")[:6] if not x.strip().startswith(("@", "#[")))
        name = NAME[key].search(head) if key in ("rust", "java") else NAME[key].match(head.strip())
        if name and not doc.lstrip().lower().startswith(("copyright", "@license", "license")):
            yield next(g for g in name.groups() if g), doc, until_closed(block)


def sections(source):
    """Headings of a Markdown or reStructuredText file with the text under them."""
    source = re.sub(r"^(.{3,80})\n([=\-~^*#])\2{3,}\s*$", r"# \1", source, flags=re.M)
    parts = re.split(r"^#{1,5}\s+(.+)$", source, flags=re.M)
    for heading, text in zip(parts[1::2], parts[2::2]):
        text = re.sub(r"```.*?```|^\s*[.:!\[|<].*$", " ", text, flags=re.S | re.M) if len(text) < 20000 else ""
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        if 40 < len(text.strip()) and 3 < len(heading) < 90:
            yield heading.strip("# *`"), text.strip()


def package_records(folder):
    """All records of one package, at most PER_PACKAGE of them."""
    folder = Path(folder)
    rng = random.Random(folder.name)
    files = sorted(p for p in folder.rglob("*") if p.suffix in {*LANGUAGES, ".md", ".rst", ".txt"} and p.is_file())
    rng.shuffle(files)
    out, size = [], 0
    for path in files:
        if size > BYTES_PER_PACKAGE or len(out) > 2 * PER_PACKAGE:
            break
        source = path.read_text("utf-8", "replace")
        size += len(source)
        language = LANGUAGES.get(path.suffix)
        try:
            if language is None:
                found = ((h, t, "") for h, t in sections(source))
            elif language == "python":
                found = python_records(source)
            else:
                found = brace_records(source, language)
            for name, doc, code in found:
                doc = clean_doc(doc)
                words = len(doc.split())
                telling = words >= 3 or len(re.split(r"[_.]", name)) >= 3
                wanted = words > 6 if language is None else len(code) > 30 and telling
                if wanted and sum(c.isascii() for c in doc) >= 0.9 * len(doc):
                    out.append({"p": f"{folder.parent.name}/{folder.name}", "l": language or "prose", "n": name,
                                "s": path.stem, "d": doc, "c": code[:MAX_CODE]})
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    documented = [r for r in out if r["d"]]
    bare = [r for r in out if not r["d"]]
    rng.shuffle(documented)
    rng.shuffle(bare)
    documented = documented[:PER_PACKAGE]
    return documented + bare[:min(PER_PACKAGE - len(documented), len(documented) // 3 + 20)]


def excluded(path):
    """Hashes of code, and of name and documentation, in a benchmark's corpus."""
    hashes = set()
    for line in open(path):
        code = json.loads(line)["code"]
        hashes.add(digest(code))
        name = re.search(r"def\s+(\w+)", code)
        doc = re.search(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'', code, re.S)
        if doc:
            text = doc.group(1) or doc.group(2) or ""
            hashes.add(digest(code.replace(doc.group(0), "")))
            if name:
                hashes.add(digest(name.group(1) + clean_doc(text)))
                hashes.add(digest(name.group(1) + clean_doc(text).split("\n")[0]))
    return hashes


def main():
    work = Path(sys.argv[1])
    banned = excluded(sys.argv[sys.argv.index("--exclude") + 1]) if "--exclude" in sys.argv else set()
    folders = sorted(str(p) for p in work.glob("src/*/*") if p.is_dir() and p.parent.name in ("pypi", "npm", "crates", "go", "maven"))
    seen, counts, dropped = set(), {}, 0
    with open(work / "records.jsonl", "w") as out, multiprocessing.Pool(2) as pool:
        for records in pool.imap(package_records, folders, chunksize=4):
            for record in records:
                key = digest(record["d"] + record["c"])
                short = record["n"].split(".")[-1]
                if banned and {digest(record["c"]), digest(short + record["d"]), digest(short + record["d"].split("\n")[0])} & banned:
                    dropped += 1
                elif key not in seen:
                    seen.add(key)
                    counts[record["l"]] = counts.get(record["l"], 0) + 1
                    out.write(json.dumps(record) + "\n")
    print(counts, "dropped as part of the benchmark:", dropped)


if __name__ == "__main__":
    main()
