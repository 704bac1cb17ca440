"""The table's file format, pooling, and the measures."""

import ast
import json
import re
import struct
import warnings

import numpy as np
import scipy.sparse as sp

from tokens import Vocabulary, words

BODY_WORDS = 400


def write(path, entries, rows, alpha, weights):
    """Write entries (sorted by bytes) and float rows as the binary table."""
    dims = rows.shape[1]
    scale = np.abs(rows).max(1) / 127
    safe = np.where(scale > 0, scale, 1)
    small = np.clip(np.round(rows / safe[:, None]), -127, 127).astype(np.int8)
    blobs = [e.encode() for e in entries]
    assert blobs == sorted(blobs)
    offsets = np.concatenate([[0], np.cumsum([len(b) for b in blobs])]).astype("<u4")
    out = bytearray(b"APEMBED1")
    out += struct.pack("<IIffffI", dims, len(entries), alpha, *weights, offsets[-1])
    out += offsets.tobytes() + b"".join(blobs)
    out += bytes(-len(out) % 64)
    out += scale.astype("<f4").tobytes()
    out += bytes(-len(out) % 64)
    out += small.tobytes()
    path.write_bytes(out)
    return len(out)


class Table:
    """A table read back from its file."""

    def __init__(self, path):
        data = path.read_bytes()
        assert data[:8] == b"APEMBED1"
        dims, count, self.alpha, *weights, size = struct.unpack_from("<IIffffI", data, 8)
        self.weights = tuple(weights)
        at = 36
        offsets = np.frombuffer(data, "<u4", count + 1, at)
        at += 4 * (count + 1)
        blob = data[at:at + size]
        entries = [blob[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]
        at += size
        at += -at % 64
        scale = np.frombuffer(data, "<f4", count, at)
        at += 4 * count
        at += -at % 64
        rows = np.frombuffer(data, np.int8, count * dims, at).reshape(count, dims)
        self.rows = rows.astype(np.float32) * scale[:, None]
        self.vocabulary = Vocabulary(entries)

    def field(self, text, limit=None):
        """Weighted token counts of one field."""
        ids, counts = np.unique(np.array(self.vocabulary.encode(text, limit), np.int64), return_counts=True)
        return ids, counts.astype(np.float32) ** self.alpha

    def query(self, text):
        """The vector of a text as a query."""
        ids, counts = self.field(text)
        total = counts @ self.rows[ids] if len(ids) else np.zeros(self.rows.shape[1], np.float32)
        return total / max(np.linalg.norm(total), 1e-12)

    def passage(self, title, doc, body):
        """The vector of a passage with fields."""
        total = np.zeros(self.rows.shape[1], np.float32)
        for weight, text, limit in zip(self.weights, (title, doc, body), (None, None, BODY_WORDS)):
            ids, counts = self.field(text, limit)
            if len(ids):
                total += weight * (counts @ self.rows[ids])
        return total / max(np.linalg.norm(total), 1e-12)


def function_fields(code):
    """Name, documentation and code without it, of one Python function."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            node = ast.parse(code).body[0]
        doc = ast.get_docstring(node) or ""
        if doc:
            first, lines = node.body[0], code.splitlines()
            code = "\n".join(lines[:first.lineno - 1] + lines[first.end_lineno:])
        return node.name, doc, code
    except (SyntaxError, ValueError, IndexError, AttributeError, TypeError):
        name = re.search(r"\b(?:def|class)\s+(\w+)", code)
        found = re.search(r'[rRuU]?("""|\'\'\')(.*?)\1', code, re.S)
        doc = found.group(2) if found else ""
        return name.group(1) if name else "", doc, code.replace(found.group(0), "", 1) if found else code


class Benchmark:
    """Queries against functions, from two JSON-lines files."""

    def __init__(self, queries, corpus):
        self.fields = [function_fields(json.loads(l)["code"]) for l in open(corpus)]
        rows = [json.loads(l) for l in open(queries)]
        self.queries = [r["query"] for r in rows]
        self.relevant = [set(r["relevant_idx"]) for r in rows]

    def bags(self, vocabulary):
        """Token counts of the queries and of the three fields."""
        size = len(vocabulary.entries)
        out = [count_matrix([vocabulary.encode(q) for q in self.queries], size)]
        for k, limit in ((0, None), (1, None), (2, BODY_WORDS)):
            out.append(count_matrix([vocabulary.encode(f[k], limit) for f in self.fields], size))
        return out

    def ranks(self, scores):
        """For each query the rank (from 1) of its best relevant function; ties by position."""
        out = []
        for row, relevant in zip(scores, self.relevant):
            first = min(relevant, key=lambda i: (-row[i], i))
            out.append(1 + int((row > row[first]).sum()) + int((row[:first] == row[first]).sum()))
        return np.array(out)

    def mrr(self, scores):
        """Reciprocal ranks, zero past 10."""
        ranks = self.ranks(scores)
        return np.where(ranks <= 10, 1 / ranks, 0)


def count_matrix(lists, size):
    """Sparse counts of lists of token ids."""
    ends = np.concatenate([[0], np.cumsum([len(l) for l in lists])])
    ids = np.concatenate([np.array(l, np.int32) for l in lists])
    matrix = sp.csr_matrix((np.ones(len(ids), np.float32), ids, ends), shape=(len(lists), size))
    matrix.sum_duplicates()
    return matrix


def unit(x):
    """Rows scaled to length one."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def pooled(matrices, weights, rows, alpha):
    """Normalized weighted sums of token rows over fields."""
    total = 0
    for matrix, weight in zip(matrices, weights):
        powered = matrix.copy()
        powered.data = powered.data ** alpha
        total = total + weight * (powered @ rows)
    return unit(total)


def bm25(queries, fields, k1=1.2, b=0.75):
    """BM25 scores of query texts against documents given as lists of texts."""
    docs = [words(" ".join(f)) for f in fields]
    index = {}
    for doc in docs:
        for word in doc:
            index.setdefault(word, len(index))
    lists = [[index[w] for w in doc] for doc in docs]
    counts = count_matrix(lists, len(index)).tocsc()
    lengths = np.array([len(d) for d in docs], np.float32)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    present = np.diff(counts.indptr)
    idf = np.log(1 + (len(docs) - present + 0.5) / (present + 0.5))
    rows = np.repeat(np.arange(len(index)), present)
    counts.data = counts.data * (k1 + 1) / (counts.data + norm[counts.indices]) * idf[rows]
    asked = [[index[w] for w in set(words(q)) if w in index] for q in queries]
    return (count_matrix(asked, len(index)) @ counts.T.tocsc()).toarray()
