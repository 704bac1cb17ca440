#!/usr/bin/env python3
"""Weights of fields and features, learned on questions and checked on others.

    pip install numpy
    cargo run --release --example retrieval_features -- QUESTIONS CORPUS > set.jsonl
    benches/learn_fusion.py set.jsonl [OTHER.jsonl …]

Every set counts alike: what is raised is the mean over the sets of MRR@10. Coordinate ascent from the weight 1 of the
cosine, over a fixed grid of steps; a step is taken only if it brings 0.001, so weights that bring nothing stay 0. Prints
for each set MRR@10 of the parts, of five folds learned on all sets but the fold, and of the set when it is left out of
learning; then the weights.
"""

import json
import sys

import numpy

NAMES = [
    "words",
    "meaning",
    "ranks",
    "name",
    "symbol",
    "covered",
    "definition",
    "test",
    "part",
    "recent",
    "near",
    "code",
]
FIELDS = ["symbol", "path", "signature", "doc", "body"]
LEARNED = ["words", "ranks", "name", "symbol", "covered", "definition", "part", "code"]
STEPS = [0.02, 0.05, 0.1, 0.2, 0.4]
LEAST_GAIN = 0.001


class Set:
    """Candidates of all questions as flat arrays."""

    def __init__(self, path):
        self.name = path.rsplit("/", 1)[-1].removesuffix(".jsonl")
        features, fields, question, document, relevant = [], [], [], [], []
        self.count = 0
        with open(path, encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        for number, row in enumerate(rows):
            wanted = set(row["relevant"])
            for candidate in row["candidates"]:
                features.append(candidate["features"])
                fields.append(candidate["fields"])
                question.append(number)
                document.append(candidate["document"])
                relevant.append(candidate["document"] in wanted)
            self.count += 1
        self.features = numpy.array(features, "f4")
        self.fields = numpy.array(fields, "f4")
        self.question = numpy.array(question)
        self.document = numpy.array(document)
        self.relevant = numpy.array(relevant)

    def words(self, weights):
        """BM25 over weighed fields, over the best of the question."""
        sums = self.fields @ numpy.array([weights[name] for name in FIELDS], "f4")
        best = numpy.full(self.count, 1e-9, "f4")
        numpy.maximum.at(best, self.question, sums)
        return sums / best[self.question]

    def reciprocal(self, scores):
        """1 / rank of each question's first relevant document, 0 beyond ten."""
        best = numpy.full(self.count, -numpy.inf, "f4")
        numpy.maximum.at(best, self.question[self.relevant], scores[self.relevant])
        above = scores > best[self.question]
        # Several chunks of one document above the answer are one document.
        pairs = numpy.unique(numpy.stack([self.question[above], self.document[above]]), axis=1)[0]
        rank = 1 + numpy.bincount(pairs, minlength=self.count)
        return numpy.where(numpy.isfinite(best) & (rank <= 10), 1.0 / rank, 0.0)

    def score(self, weights):
        columns = [NAMES.index(name) for name in weights]
        return self.features[:, columns] @ numpy.array(list(weights.values()), "f4")


def folds(count):
    return numpy.arange(count) * 7919 % 5


def learned(sets, kept):
    """Weights by coordinate ascent on the questions that are kept, one mask a set."""
    weights = {"meaning": 1.0}

    def worth(weights):
        return numpy.mean([one.reciprocal(one.score(weights))[mask].mean() for one, mask in zip(sets, kept)])

    best, improved = worth(weights), True
    while improved:
        improved = False
        tries = []
        for name in LEARNED:
            for step in STEPS:
                for sign in (1, -1):
                    changed = weights | {name: round(weights.get(name, 0) + sign * step, 3)}
                    if changed[name] < 0 and name not in ("part", "definition"):
                        continue
                    tries.append((worth(changed), changed))
        top, changed = max(tries, key=lambda one: one[0])
        if top > best + LEAST_GAIN:
            best, weights, improved = top, changed, True
    return weights


def learned_fields(sets):
    """Field weights by coordinate ascent on BM25 alone."""
    weights = dict.fromkeys(FIELDS, 1.0)

    def worth(weights):
        return numpy.mean([one.reciprocal(one.words(weights)).mean() for one in sets])

    best, improved = worth(weights), True
    while improved:
        improved = False
        tries = []
        for name in FIELDS:
            for factor in (0, 0.5, 0.7, 1.4, 2):
                changed = weights | {name: round(weights[name] * factor, 2)}
                tries.append((worth(changed), changed))
        top, changed = max(tries, key=lambda one: one[0])
        if top > best + LEAST_GAIN:
            best, weights, improved = top, changed, True
    return weights


def main():
    sets = [Set(path) for path in sys.argv[1:]]
    fields = learned_fields(sets)
    print("fields", fields)
    for one in sets:
        others = [other for other in sets if other is not one]
        held = one.reciprocal(one.words(learned_fields(others))).mean() if others else float("nan")
        shipped = one.reciprocal(one.features[:, 0]).mean()
        now = one.reciprocal(one.words(fields)).mean()
        print(f"  {one.name:16} words {shipped:.3f}, fields learned {now:.3f}, held out {held:.3f}")
        one.features[:, 0] = one.words(fields)
    everything = [numpy.ones(one.count, bool) for one in sets]
    print("weights", learned(sets, everything))
    crossed = [numpy.zeros(one.count) for one in sets]
    for fold in range(5):
        weights = learned(sets, [folds(one.count) != fold for one in sets])
        for one, values in zip(sets, crossed):
            mask = folds(one.count) == fold
            values[mask] = one.reciprocal(one.score(weights))[mask]
    for one, values in zip(sets, crossed):
        others = [other for other in sets if other is not one]
        held = learned(others, [numpy.ones(other.count, bool) for other in others]) if others else {}
        parts = {
            name: one.reciprocal(one.features[:, NAMES.index(name)]).mean() for name in ("words", "meaning", "ranks")
        }
        figures = ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
        held = f"{one.reciprocal(one.score(held)).mean():.3f} by {held}" if held else "-"
        print(f"  {one.name:16} {figures}, five folds {values.mean():.3f}, held out {held}")


if __name__ == "__main__":
    main()
