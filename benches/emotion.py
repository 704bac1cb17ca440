#!/usr/bin/env python3
"""Is the emotion classifier better than what one would take otherwise, in the same folds?

Usage: emotion.py PREDICTIONS ROWS.jsonl [MORE.jsonl …]
PREDICTIONS is what `train_emotion --predictions FILE` wrote for these rows. Needs scikit-learn and vaderSentiment,
installs nothing. Prints macro-F1, recall of negative and expected calibration error (15 bins), each the mean over
repeats with a 95 % bootstrap interval over rows.
"""

import json
import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

NAMES = ["negative", "neutral", "positive"]


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def measures(labeled, guessed, sure):
    f1 = []
    for name in range(3):
        both = ((labeled == name) & (guessed == name)).sum()
        f1.append(2 * both / max(1, (labeled == name).sum() + (guessed == name).sum()))
    negative = labeled == 0
    recall = (guessed[negative] == 0).mean() if negative.any() else 0.0
    bins = np.minimum(14, (sure * 15).astype(int))
    right = (labeled == guessed).astype(float)
    ece = sum(abs((sure[bins == b] - right[bins == b]).sum()) for b in range(15)) / len(labeled)
    return np.array([np.mean(f1), recall, ece])


def row(name, labeled, repeats, has_probabilities=True):
    """`repeats` are (guessed, sure) pairs over all rows."""
    mean = lambda rows: np.mean([measures(labeled[rows], g[rows], s[rows]) for g, s in repeats], axis=0)
    everything, random = np.arange(len(labeled)), np.random.default_rng(1)
    drawn = np.array([mean(random.integers(0, len(labeled), len(labeled))) for _ in range(1000)])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    cells = [f"{m:.3f} [{l:.3f}, {h:.3f}]" for m, l, h in zip(mean(everything), low, high)]
    print(f"| {name} | {cells[0]} | {cells[1]} | {cells[2] if has_probabilities else '–'} |", flush=True)


def vader(rows):
    reader = SentimentIntensityAnalyzer()
    scores = np.array([reader.polarity_scores(r["text"])["compound"] for r in rows])
    return np.where(scores >= 0.05, 2, np.where(scores <= -0.05, 0, 1))


def tfidf(measured, others, fold_of):
    """TF-IDF of words and pairs of words, logistic regression, all at scikit-learn's usual settings."""
    guessed, sure = np.zeros(len(measured), int), np.zeros(len(measured))
    for fold in sorted(set(fold_of)):
        learned = [r for r, f in zip(measured, fold_of) if f != fold] + others
        tested = [at for at, f in enumerate(fold_of) if f == fold]
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        model = LogisticRegression(max_iter=1000, class_weight="balanced")
        model.fit(words.fit_transform(r["text"] for r in learned), [NAMES.index(r["polarity"]) for r in learned])
        chances = model.predict_proba(words.transform(measured[at]["text"] for at in tested))
        guessed[tested], sure[tested] = chances.argmax(1), chances.max(1)
    return guessed, sure


def main():
    predictions, measured = read(sys.argv[1]), read(sys.argv[2])
    same = lambda r: " ".join(r["text"].lower().split())
    known = {same(r) for r in measured}
    others = [r for path in sys.argv[3:] for r in read(path) if same(r) not in known]
    labeled = np.array([NAMES.index(r["polarity"]) for r in measured])
    repeats = [[p for p in predictions if p["repeat"] == n] for n in sorted({p["repeat"] for p in predictions})]
    ours, folds = [], []
    for repeat in repeats:
        repeat.sort(key=lambda p: p["row"])
        assert [NAMES.index(p["labeled"]) for p in repeat] == list(labeled), "the predictions are of other rows"
        guessed = np.array([NAMES.index(p["read"]) for p in repeat])
        ours.append((guessed, np.array([p["probabilities"][g] for p, g in zip(repeat, guessed)])))
        folds.append([p["fold"] for p in repeat])
    ones = np.ones(len(measured))
    print("| | macro-F1 | recall of negative | ECE |\n|---|---|---|---|")
    row("this classifier", labeled, ours)
    row("TF-IDF + logistic regression", labeled, [tfidf(measured, others, fold) for fold in folds])
    row("VADER", labeled, [(vader(measured), ones)], False)
    row("always neutral", labeled, [(np.ones(len(measured), int), ones)], False)
    if all(r.get("votes") for r in measured):
        raters = [np.array([NAMES.index(r["votes"][n]) for r in measured]) for n in range(3)]
        row("one of the three raters, against what was agreed", labeled, [(rater, ones) for rater in raters], False)
        others_of = [(raters[a], raters[b]) for a in range(3) for b in range(3) if a != b]
        print("two raters against each other, macro-F1:", f"{np.mean([measures(a, b, ones)[0] for a, b in others_of]):.3f}")


if __name__ == "__main__":
    main()
