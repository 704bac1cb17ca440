#!/usr/bin/env python3
"""Search of Apprentice against rank-bm25 and sentence-transformers, same questions and documents.

    pip install rank-bm25 sentence-transformers numpy
    benches/retrieval.py target/release/apprentice QUESTIONS CORPUS [MINILM_FOLDER] [VECTORS]

Prints a table in Markdown: MRR@10 with the middle 95 % of 2,000 means of questions drawn again with repetition, nDCG@10,
recall@5. With the folder of all-MiniLM-L6-v2, sentence-transformers and `--set model.embedder=minilm:FOLDER` are measured
too; VECTORS keeps what sentence-transformers made for the next run.
"""

import json
import os
import re
import subprocess
import sys

import numpy
from rank_bm25 import BM25Okapi

TOKENS = 128
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def words(text):
    """Identifiers cut where camelCase, an HTTPServer or a digit begins something new, in lower case."""
    return [word.lower() for word in WORDS.findall(text)]


def plain(text):
    return re.findall(r"\w+", text.lower())


def measures(scores, relevant, indices):
    """MRR@10, nDCG@10 and recall@5 of each question: `[questions, 3]`."""
    figures = []
    for line, wanted in zip(scores, relevant):
        order = [indices[at] for at in numpy.argsort(-line, kind="stable")[:10]]
        ranks = [rank for rank, document in enumerate(order, 1) if document in wanted]
        ideal = sum(1 / numpy.log2(1 + rank) for rank in range(1, min(10, len(wanted)) + 1))
        gained = sum(1 / numpy.log2(1 + rank) for rank in ranks)
        figures.append([1 / ranks[0] if ranks else 0, gained / ideal, sum(rank <= 5 for rank in ranks) / len(wanted)])
    return numpy.array(figures)


def tell(name, figures):
    draw = numpy.random.default_rng(1).integers(len(figures), size=(2000, len(figures)))
    low, high = numpy.percentile(figures[draw, 0].mean(axis=1), [2.5, 97.5])
    row(name, *figures.mean(axis=0), low, high)


def row(name, mrr, ndcg, recall, low, high):
    print(f"| {name} | {mrr:.3f} [{low:.3f}, {high:.3f}] | {ndcg:.3f} | {recall:.3f} |", flush=True)


def bm25(split, questions, texts):
    index = BM25Okapi([split(text) for text in texts])
    return numpy.array([index.get_scores(split(question)) for question in questions])


def sentence_vectors(folder, kept, questions, texts):
    if kept and os.path.exists(kept):
        return numpy.load(kept)
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.set_num_threads(os.cpu_count())
    bert = models.Transformer(folder, max_seq_length=TOKENS)
    modules = [bert, models.Pooling(384, pooling_mode="mean"), models.Normalize()]
    vectors = SentenceTransformer(modules=modules, device="cpu").encode(questions + texts, batch_size=32)
    if kept:
        numpy.save(kept, vectors)
    return vectors


def ours(program, paths, label, *settings):
    command = [program, *settings, "eval", "--data", paths[0], "--corpus", paths[1], "--format", "json"]
    # apprentice: allow python/request-reaches-command -- run by hand, on a program that its caller names
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for name in ("lexical", "embedder", "reciprocal ranks", "fused", "fused and re-ranked"):
        of = told["by_source"][name]
        figures = [of[key] for key in ("mrr_at_10", "ndcg_at_10", "recall_at_5", "mrr_at_10_low", "mrr_at_10_high")]
        row(f"Apprentice, {label}: {name}", *figures)


def main():
    program, *paths = sys.argv[1:4]
    folder, kept = (sys.argv[4:] + [None, None])[:2]
    asked, corpus = rows(paths[0]), rows(paths[1])
    indices = [one["idx"] for one in corpus]
    relevant = [set(one["relevant_idx"]) for one in asked]
    questions, texts = [one["query"] for one in asked], [one["code"] for one in corpus]
    print("| | MRR@10 [95 %] | nDCG@10 | recall@5 |\n|---|---|---|---|")
    tell("rank-bm25, plain words", measures(bm25(plain, questions, texts), relevant, indices))
    tell("rank-bm25, split identifiers", measures(bm25(words, questions, texts), relevant, indices))
    if folder:
        vectors = sentence_vectors(folder, kept, questions, texts)
        scores = vectors[: len(questions)] @ vectors[len(questions) :].T
        tell("sentence-transformers, all-MiniLM-L6-v2", measures(scores, relevant, indices))
    ours(program, paths, "static table")
    if folder:
        ours(program, paths, "MiniLM", "--set", f"model.embedder=minilm:{folder}")


if __name__ == "__main__":
    main()
