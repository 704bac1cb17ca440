#!/usr/bin/env python3
"""Questions with known answers from a checkout: symbol questions and twin questions.

    pip install tree-sitter tree-sitter-python tree-sitter-rust tree-sitter-go
    benches/queries.py CHECKOUT OUT

Writes OUT/symbol.queries.jsonl, OUT/symbol.corpus.jsonl, OUT/twin.queries.jsonl and OUT/twin.corpus.jsonl in the form
that `apprentice eval --data … --corpus …` reads. Both corpora hold functions of three lines and more, tests left out,
without doc comments.

symbol: the first sentence of a function's doc comment is the question, the function is the answer. Sentences of fewer
than four words, and those said of several functions, are left out. A leading mention of the function's own name (Go's
custom) is cut off: the question must not hold the answer's name.

twin: functions of one rare name (at least two words, borne by two to five functions of different files or types) are
versions of one contract: overriding methods, implementations of a trait or interface, parallel backends. Their authors
said so by naming them alike, without knowing of this test. One of them, its name masked wherever it stands, is the
question and leaves the corpus; the others are the answers.
"""

import collections
import json
import pathlib
import random
import re
import sys

import tree_sitter
import tree_sitter_go
import tree_sitter_python
import tree_sitter_rust

LANGUAGES = {
    ".py": ("python", tree_sitter_python, {"function_definition"}),
    ".rs": ("rust", tree_sitter_rust, {"function_item"}),
    ".go": ("go", tree_sitter_go, {"function_declaration", "method_declaration"}),
}
MOST_QUESTIONS = 500
MOST_DOCUMENTS = 8000
TEST = re.compile(r"(^|[/_.])(tests?|testing|testdata|benches|examples|fixtures)([/_.]|$)")


def text(node):
    return node.text.decode("utf-8", "replace")


def docstring(node):
    """A Python function's docstring as a node."""
    body = node.child_by_field_name("body")
    first = body.named_children[0] if body and body.named_children else None
    if first is not None and first.type == "expression_statement" and first.named_children:
        first = first.named_children[0]
    return first if first is not None and first.type == "string" else None


def comment_above(node):
    """The doc comment right above a Rust or Go function, bare of its marks."""
    lines, expected, at = [], node.start_point[0], node.prev_named_sibling
    while at is not None and (at.type == "attribute_item" or "comment" in at.type):
        if at.type == "attribute_item":
            expected = at.start_point[0]
        else:
            said = text(at).rstrip()
            last = at.start_point[0] + said.count("\n")
            if last != expected - 1 or not re.match(r"///|//[^/]|/\*\*", said):
                break
            lines.insert(0, re.sub(r"^\s*(/\*\*|\*/|\*|//[/!]?)", "", said, flags=re.MULTILINE))
            expected = at.start_point[0]
        at = at.prev_named_sibling
    return "\n".join(lines)


def functions(root):
    """Every function as a dictionary with path, name, owner, code without its doc comment, and the doc comment."""
    for path in sorted(root.rglob("*")):
        known = LANGUAGES.get(path.suffix)
        relative = path.relative_to(root).as_posix()
        if known is None or not path.is_file() or TEST.search(relative):
            continue
        language, grammar, kinds = known
        source = path.read_bytes()
        parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
        stack = [(parser.parse(source).root_node, "")]
        while stack:
            node, owner = stack.pop()
            if node.type in ("class_definition", "impl_item", "trait_item"):
                named = node.child_by_field_name("name") or node.child_by_field_name("type")
                owner = text(named) if named else owner
            if node.type in ("mod_item",) and "test" in text(node.child_by_field_name("name")):
                continue
            if node.type in kinds:
                found = function(node, source, language)
                if found:
                    yield {"path": relative, "owner": receiver(node) or owner, "language": language} | found
                continue
            stack.extend((child, owner) for child in reversed(node.named_children))


def receiver(node):
    given = node.child_by_field_name("receiver")
    return re.sub(r"[()*\s]|^\w+ ", "", text(given)) if given else ""


def function(node, source, language):
    name = text(node.child_by_field_name("name"))
    start, end = node.start_byte, node.end_byte
    line = source.rfind(b"\n", 0, start) + 1
    start = line if not source[line:start].strip() else start
    if language == "python":
        doc = docstring(node)
        said = text(doc).strip("rRuUbB").strip("\"'") if doc else ""
        code = source[start : doc.start_byte] + source[doc.end_byte : end] if doc else source[start:end]
    else:
        said, code = comment_above(node), source[start:end]
    code = re.sub(r"\n\s*\n", "\n", code.decode("utf-8", "replace"))
    return {"name": name, "doc": said, "code": code} if code.count("\n") >= 2 else None


def first_sentence(said):
    paragraph = re.split(r"\n\s*\n|\n\s*(?:[:@#*-])", said.strip())[0]
    sentence = re.split(r"(?<=[.!?])\s", " ".join(paragraph.split()))[0]
    return sentence.strip(" .")


def question(function):
    sentence = first_sentence(function["doc"])
    sentence = re.sub(rf"^`?{re.escape(function['name'])}`?\s+", "", sentence)
    words = re.findall(r"[A-Za-z]{2,}", sentence)
    return sentence if len(words) >= 4 and function["name"] not in sentence else None


def is_rare_name(name):
    return len(re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)) >= 2 and not name.startswith("__")


def document(idx, function):
    return {"idx": idx} | {key: function[key] for key in ("code", "path", "language")}


def write(out, name, questions, documents):
    for kind, rows in (("queries", questions), ("corpus", documents)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (out / f"{name}.{kind}.jsonl").write_text(lines, encoding="utf-8")
    print(f"{name}: {len(questions)} questions, {len(documents)} documents")


def cut(functions, wanted, draw):
    """At most so many documents, the wanted ones among them."""
    others = [number for number in range(len(functions)) if number not in wanted]
    kept = wanted | set(draw.sample(others, min(len(others), max(0, MOST_DOCUMENTS - len(wanted)))))
    return [document(number, functions[number]) for number in sorted(kept)]


def symbols(functions, draw, out):
    asked = collections.defaultdict(list)
    for number, one in enumerate(functions):
        if said := question(one):
            asked[said].append(number)
    once = sorted((said, numbers[0]) for said, numbers in asked.items() if len(numbers) == 1)
    chosen = draw.sample(once, min(MOST_QUESTIONS, len(once)))
    questions = [{"query": said, "relevant_idx": [number]} for said, number in chosen]
    write(out, "symbol", questions, cut(functions, {number for _, number in chosen}, draw))


def twins(functions, draw, out):
    named = collections.defaultdict(list)
    for number, one in enumerate(functions):
        if is_rare_name(one["name"]) and one["code"].count("\n") >= 4:
            named[one["name"]].append(number)
    groups = []
    for name, numbers in sorted(named.items()):
        places = {(functions[number]["path"], functions[number]["owner"]) for number in numbers}
        bearers = sum(one["name"] == name for one in functions) if 2 <= len(numbers) <= 5 else 0
        if 2 <= len(places) == len(numbers) == bearers:
            groups.append((name, draw.sample(numbers, len(numbers))))
    questions, gone, wanted = [], set(), set()
    for name, (first, *answers) in draw.sample(groups, min(MOST_QUESTIONS, len(groups))):
        masked = re.sub(rf"\b{re.escape(name)}\b", "f", functions[first]["code"])
        questions.append({"query": masked, "relevant_idx": answers})
        gone.add(first)
        wanted.update(answers)
    documents = [row for row in cut(functions, wanted | gone, draw) if row["idx"] not in gone]
    write(out, "twin", questions, documents)


def main():
    root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    found = list(functions(root))
    symbols(found, random.Random(1), out)
    twins(found, random.Random(2), out)


if __name__ == "__main__":
    main()
