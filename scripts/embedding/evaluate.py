"""Measure a table on a benchmark of queries against Python functions.

Usage: evaluate.py TABLE QUERIES CORPUS [WORK]. Prints the table alone, BM25 alone, and their
fusions; every choice of a weight is made on four fifths of the queries and measured on
the fifth. Intervals are 95 % bootstrap intervals over queries. With WORK, also the rank
correlation with the teacher on pairs of held-out sentences.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from table import Benchmark, Table, bm25, pooled
from tokens import words


def interval(values, seed=0):
    """95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(1)
    return np.percentile(means, [2.5, 97.5])


def zscore(x):
    return (x - x.mean(1, keepdims=True)) / np.maximum(x.std(1, keepdims=True), 1e-9)


def minmax(x):
    low, high = x.min(1, keepdims=True), x.max(1, keepdims=True)
    return (x - low) / np.maximum(high - low, 1e-9)


def places(x):
    """Rank (from 1) of every document for every query."""
    order = np.argsort(-x, axis=1, kind="stable")
    out = np.empty_like(order)
    np.put_along_axis(out, order, np.arange(1, x.shape[1] + 1)[None], axis=1)
    return out


def five_fold(per_choice, seed=0):
    """Values of the choice that is best on the other folds, and the choice made most."""
    size = per_choice.shape[1]
    fold = np.random.default_rng(seed).permutation(size) % 5
    out, picks = np.zeros(size), []
    for k in range(5):
        best = per_choice[:, fold != k].mean(1).argmax()
        out[fold == k] = per_choice[best, fold == k]
        picks.append(best)
    return out, max(set(picks), key=picks.count)


def row(name, bench, scores):
    ranks = bench.ranks(scores)
    mrr = np.where(ranks <= 10, 1 / ranks, 0)
    gain = np.zeros(len(ranks))
    order = np.argsort(-scores, axis=1)[:, :10]
    for i, relevant in enumerate(bench.relevant):
        hits = np.array([d in relevant for d in order[i]])
        ideal = (1 / np.log2(np.arange(2, 2 + min(10, len(relevant))))).sum()
        gain[i] = (hits / np.log2(np.arange(2, 12))).sum() / ideal
    low, high = interval(mrr)
    print(f"{name}: MRR@10 {mrr.mean():.4f} [{low:.3f}, {high:.3f}] nDCG@10 {gain.mean():.4f} recall@5 {(ranks <= 5).mean():.3f}", flush=True)


def main():
    table = Table(Path(sys.argv[1]))
    bench = Benchmark(sys.argv[2], sys.argv[3])
    q, *fields = bench.bags(table.vocabulary)
    dense = pooled([q], (1,), table.rows, table.alpha) @ pooled(fields, table.weights, table.rows, table.alpha).T
    print(f"{len(table.vocabulary.entries)} entries x {table.rows.shape[1]}, alpha {table.alpha:.2f}, weights {np.round(table.weights, 3)}")
    row("static table", bench, dense)
    lexical = bm25(bench.queries, bench.fields)
    row("BM25", bench, lexical)
    shares = np.round(np.arange(0, 1.001, 0.05), 2)
    place_d, place_l = places(dense), places(lexical)
    for name, make in (
        ("z-score sum", lambda s: s * zscore(dense) + (1 - s) * zscore(lexical)),
        ("min-max sum", lambda s: s * minmax(dense) + (1 - s) * minmax(lexical)),
        ("cosine + min-max BM25", lambda s: s * dense + (1 - s) * minmax(lexical)),
        ("reciprocal ranks, k=60", lambda s: s / (60 + place_d) + (1 - s) / (60 + place_l)),
        ("reciprocal ranks, k=10", lambda s: s / (10 + place_d) + (1 - s) / (10 + place_l)),
    ):
        per_choice = np.array([bench.mrr(make(s)) for s in shares])
        values, pick = five_fold(per_choice)
        low, high = interval(values)
        print(f"{name}: 5-fold MRR@10 {values.mean():.4f} [{low:.3f}, {high:.3f}], share of the table {shares[pick]} (there {per_choice[pick].mean():.4f})", flush=True)
    rerank(bench, dense, lexical)
    if len(sys.argv) > 4:
        similarity(table, Path(sys.argv[4]))


def rerank(bench, dense, lexical):
    """What simple extra features add to the z-scored sum."""
    base = 0.9 * zscore(dense) + 0.1 * zscore(lexical)
    asked = [set(words(q)) for q in bench.queries]
    names = [set(words(f[0])) for f in bench.fields]
    docs = [set(words(f[1])) for f in bench.fields]
    size = np.log1p([len(f[2]) for f in bench.fields])
    features = {
        "share of the name's words in the query": lambda q, i: len(q & names[i]) / max(1, len(names[i])),
        "share of the query's words in the name": lambda q, i: len(q & names[i]) / max(1, len(q)),
        "share of the query's words in the documentation": lambda q, i: len(q & docs[i]) / max(1, len(q)),
        "has documentation": lambda q, i: float(bool(docs[i])),
        "shortness of the code": lambda q, i: -size[i] / 3,
    }
    top = np.argsort(-base, axis=1)[:, :50]
    for name, feature in features.items():
        values = np.array([[feature(asked[n], i) for i in row_] for n, row_ in enumerate(top)])
        per_choice = []
        for strength in (0, 0.25, 0.5, 1.0, 2.0):
            scores = np.full_like(base, -99)
            np.put_along_axis(scores, top, np.take_along_axis(base, top, 1) + strength * values, 1)
            per_choice.append(bench.mrr(scores))
        got, pick = five_fold(np.array(per_choice))
        print(f"re-rank of 50 with {name}: 5-fold {got.mean():.4f} (without {per_choice[0].mean():.4f}), strength {(0, 0.25, 0.5, 1.0, 2.0)[pick]}")


def similarity(table, work):
    """Rank correlation with the teacher on pairs of held-out sentences."""
    arrays = np.load(work / "bags.npz")
    saved = np.load(work / "teach_q.npz")
    held, kinds = arrays["held"], arrays["kinds"]
    texts = (work / "texts.jsonl").read_text().splitlines()
    chosen = [k for k, r in enumerate(saved["rows"]) if held[r] and kinds[r] > 0]
    rng = np.random.default_rng(3)
    chosen = rng.permutation(chosen)[:3000]
    sentences = [json.loads(texts[saved["rows"][k]])[0] for k in chosen]
    mine = np.stack([table.query(s) for s in sentences])
    theirs = saved["vectors"][chosen].astype(np.float32)
    a, b = rng.integers(0, len(chosen), (2, 20000))
    near = np.argsort(-(theirs @ theirs.T), axis=1)[:, 1:11]
    print(f"sentences: Spearman with the teacher {spearmanr((mine[a] * mine[b]).sum(1), (theirs[a] * theirs[b]).sum(1))[0]:.3f} over 20000 random pairs of {len(chosen)} held-out sentences;", end=" ")
    got = np.argsort(-(mine @ mine.T) + 9 * np.eye(len(chosen)), axis=1)[:, :10]
    print(f"the teacher's 10 nearest are found at {np.mean([len(set(x) & set(y)) / 10 for x, y in zip(near, got)]):.3f}")


if __name__ == "__main__":
    main()
