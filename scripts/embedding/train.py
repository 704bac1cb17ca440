"""Train the table: distillation from the teacher and contrast between pairs, together.

Usage: train.py WORK OUT [--steps N] [--dims D] [--queries FILE --corpus FILE] …
A batch holds records; each gives a query (a variant of its summary, its name, its heading)
and a passage (title, documentation, code; the part that the query was made from is often
left out). The loss is the sum of
  - the cosine distance of both vectors to the teacher's, where the teacher has read them,
  - cross-entropy over the batch, both ways, against a mixture of "the own passage" and the
    teacher's similarities.
"""

import argparse
import time
from pathlib import Path

import numba
import numpy as np
import scipy.sparse as sp

from prepare import load_matrix
from table import Benchmark, pooled, unit, write
from tokens import Vocabulary


@numba.njit(fastmath=True)
def adam(table, grad, first, second, rate, bias1, bias2):
    """One Adam step on the rows that have a gradient."""
    for i in range(table.shape[0]):
        touched = False
        for j in range(table.shape[1]):
            if grad[i, j] != 0:
                touched = True
                break
        if touched:
            for j in range(table.shape[1]):
                g = grad[i, j]
                first[i, j] = 0.9 * first[i, j] + 0.1 * g
                second[i, j] = 0.99 * second[i, j] + 0.01 * g * g
                table[i, j] -= rate * (first[i, j] * bias1) / (np.sqrt(second[i, j] * bias2) + 1e-9)


@numba.njit(fastmath=True)
def gather(indptr, ids, values, table, out):
    """out = sparse @ table."""
    for r in range(len(indptr) - 1):
        for k in range(indptr[r], indptr[r + 1]):
            v = values[k]
            row = table[ids[k]]
            for j in range(table.shape[1]):
                out[r, j] += v * row[j]


@numba.njit(fastmath=True)
def scatter(indptr, ids, values, grad, out):
    """out += sparse.T @ grad."""
    for r in range(len(indptr) - 1):
        g = grad[r]
        for k in range(indptr[r], indptr[r + 1]):
            v = values[k]
            if v != 0:
                row = out[ids[k]]
                for j in range(out.shape[1]):
                    row[j] += v * g[j]


class Field:
    """One sparse batch of token counts and its product with the table."""

    def __init__(self, matrix, rows, rng, drop):
        part = matrix[rows]
        self.indptr, self.ids = part.indptr, part.indices
        self.values = part.data * (rng.random(len(part.data), dtype=np.float32) >= drop)

    def times(self, table):
        self.product = np.zeros((len(self.indptr) - 1, table.shape[1]), np.float32)
        gather(self.indptr, self.ids, self.values, table, self.product)
        return self.product

    def back(self, grad, out, weight=1.0):
        scatter(self.indptr, self.ids, self.values * np.float32(weight), grad, out)


def lengths(x):
    return np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)


def back_unit(grad, vector, length):
    """Gradient through the normalization."""
    return (grad - (grad * vector).sum(1, keepdims=True) * vector) / length


def softmax(x):
    x = x - x.max(1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(1, keepdims=True)
    return x


def projection(vectors, dims):
    """The `dims` main directions of the teacher's vectors, not centered."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return axes[:, ::-1][:, :dims].astype(np.float32)


class Data:
    """All fields of all records, with counts raised to alpha."""

    def __init__(self, work, alpha):
        arrays = np.load(work / "bags.npz")
        self.entries = (work / "vocabulary.txt").read_text().split("\n")
        size = len(self.entries)
        fields = {k: load_matrix(arrays, k, size) for k in ("title", "path", "doc", "rest", "code", "q0", "q1", "q2", "q3")}
        self.used = np.asarray((fields["doc"] + fields["code"] + fields["title"]).sum(0)).ravel() + 3 * np.asarray(fields["q1"].sum(0)).ravel()
        self.full = fields["title"] + fields["path"]
        for matrix in [*fields.values(), self.full]:
            np.power(matrix.data, np.float32(alpha), out=matrix.data)
        self.kinds, self.held, self.keys = arrays["kinds"], arrays["held"], arrays["keys"]
        self.count = len(self.kinds)
        empty = sp.csr_matrix((self.count, size), dtype=np.float32)
        self.queries = sp.vstack([fields["q0"], fields["q1"], fields["q2"], fields["q3"]]).tocsr()
        self.titles = sp.vstack([fields["title"], self.full, empty]).tocsr()
        self.docs = sp.vstack([fields["doc"], fields["rest"], empty]).tocsr()
        self.code = fields["code"]
        self.filled = np.diff(fields["q0"].indptr) > 1


def sample(data, rows, rng, plain):
    """Choose each record's query variant (`plain` is the share of unchanged summaries) and
    which fields its passage shows."""
    kinds, size = data.kinds[rows], len(rows)
    rewritten = rng.choice([1, 2, 3], size, p=[0.41, 0.41, 0.18])
    variant = np.where(rng.random(size) < plain, 0, rewritten)
    named = (kinds == 1) & (variant == 3) | (kinds == 0)
    title = np.where(named, 2, rng.integers(0, 2, size))
    doc = np.where(named, 0, rng.choice([0, 1, 2], size, p=[0.3, 0.3, 0.4]))
    prose = kinds == 2
    title = np.where(prose, 2, title)
    doc = np.where(prose, 0, doc)
    return variant, title, doc


def measures(table, weights, alpha, bench, bags, held):
    """Figures on the benchmark, if one is given."""
    out = []
    if bench:
        q = pooled(bags[:1], (1,), table, alpha)
        p = pooled(bags[1:], weights, table, alpha)
        out.append(f"bench {bench.mrr(q @ p.T).mean():.4f}")
    if held:
        queries, titles, code = held
        q, p = pooled([queries], (1,), table, 1), pooled([titles, code], (weights[0], weights[2]), table, 1)
        scores = q @ p.T
        ranks = 1 + (scores > np.diag(scores)[:, None]).sum(1)
        out.append(f"held-out {np.where(ranks <= 10, 1 / ranks, 0).mean():.4f}")
    return " ".join(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--dims", type=int, default=384)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument("--soft", type=float, default=0.3)
    parser.add_argument("--distill", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--taught", type=float, default=0.3, help="share of batches whose queries and passages the teacher has read")
    parser.add_argument("--heard", type=float, default=0.3, help="share of batches whose queries it has read")
    parser.add_argument("--sif", type=float, default=1e-3)
    parser.add_argument("--queries")
    parser.add_argument("--corpus")
    a = parser.parse_args()
    rng = np.random.default_rng(a.seed)
    data = Data(a.work, a.alpha)

    words = np.load(a.work / "words.npy")
    taught = {}
    for key in "qp":
        path = a.work / f"teach_{key}.npz"
        place, vectors = np.full(data.count, -1, np.int32), np.zeros((0, words.shape[1]), np.float32)
        if path.exists():
            saved = np.load(path)
            vectors = saved["vectors"].astype(np.float32)
            place[saved["rows"]] = np.arange(len(vectors))
        taught[key] = (place, vectors)
    sample_of = np.concatenate([words[::4], taught["q"][1][:40000], taught["p"][1][:40000]])
    axes = projection(sample_of, a.dims)
    target = {k: (place, unit(vectors @ axes)) for k, (place, vectors) in taught.items()}
    share = data.used / data.used.sum()
    table = unit((words - words.mean(0)) @ axes).astype(np.float32) * (a.sif / (a.sif + share))[:, None]
    table = np.ascontiguousarray(table, np.float32)
    # a passage's field weights are learned with the table
    logs = np.log(np.array([1.0, 1.0, 0.3]))
    log_state = np.zeros((2, 3))
    first, second = np.zeros_like(table), np.zeros_like(table)

    usable = np.flatnonzero(~data.held & data.filled)
    usable = np.concatenate([usable[data.kinds[usable] > 0], rng.permutation(usable[data.kinds[usable] == 0])[:40000]])
    both = np.flatnonzero((target["q"][0] >= 0) & (target["p"][0] >= 0) & ~data.held & data.filled)
    heard = np.flatnonzero((target["q"][0] >= 0) & ~data.held & data.filled)
    bench = bags = held = None
    if a.queries:
        bench = Benchmark(a.queries, a.corpus)
        bags = bench.bags(Vocabulary(data.entries))
    aside = np.flatnonzero(data.held & data.filled & (data.kinds == 1))
    aside = np.random.default_rng(0).permutation(aside)[:1500]
    held = (data.queries[data.count + aside], data.titles[aside], data.code[aside])
    print(len(usable), "records to train on,", len(both), "of them taught,", len(heard), "with a taught summary;", measures(table, np.exp(logs), a.alpha, bench, bags, held), flush=True)

    began, losses = time.time(), []
    for step in range(1, a.steps + 1):
        chance = rng.random() if len(both) else 1
        pool = both if chance < a.taught else heard if chance < a.taught + a.heard else usable
        rows = np.sort(rng.choice(pool, min(a.batch, len(pool)), replace=False))
        variant, title, doc = sample(data, rows, rng, 0.4 if pool is heard else 0.15)
        asked = Field(data.queries, variant * data.count + rows, rng, 0.1)
        parts = [Field(data.titles, title * data.count + rows, rng, 0.05),
                 Field(data.docs, doc * data.count + rows, rng, 0.15),
                 Field(data.code, rows, rng, 0.15)]
        weights = np.exp(logs).astype(np.float32)
        raw_q = asked.times(table)
        raw_p = sum(w * f.times(table) for w, f in zip(weights, parts))
        len_q, len_p = lengths(raw_q), lengths(raw_p)
        q, p = raw_q / len_q, raw_p / len_p
        scores = q @ p.T
        scores /= a.temperature
        same = data.keys[rows][:, None] == data.keys[rows][None, :]
        np.fill_diagonal(same, False)
        scores[same] = -30
        at_q, at_p = target["q"][0][rows], target["p"][0][rows]
        goal = np.zeros_like(scores)
        np.fill_diagonal(goal, 1)
        forward, backward = softmax(scores), softmax(scores.T)
        loss = -np.log(np.maximum(np.diag(forward), 1e-9)).mean()
        goal_back = goal
        if pool is both:
            near = target["q"][1][at_q] @ target["p"][1][at_p].T
            near /= a.temperature
            goal_back = (1 - a.soft) * goal + a.soft * softmax(near.T)
            goal = (1 - a.soft) * goal + a.soft * softmax(near)
        slope = ((forward - goal) + 0.5 * (backward - goal_back).T) / (len(rows) * a.temperature)
        grad_q, grad_p = slope @ p, slope.T @ q
        for at, (_, vectors), grad, factor in ((at_q, target["q"], grad_q, 1.0), (at_p, target["p"], grad_p, 1.0)):
            known = np.flatnonzero(at >= 0)
            if len(known):
                grad[known] -= np.float32(a.distill * factor * 8 / len(rows)) * vectors[at[known]]
        grad_q, grad_p = back_unit(grad_q, q, len_q), back_unit(grad_p, p, len_p)
        grad = np.zeros_like(table)
        asked.back(grad_q, grad)
        slopes = np.zeros(3)
        for k, (field, weight) in enumerate(zip(parts, weights)):
            field.back(grad_p, grad, weight)
            slopes[k] = (grad_p * field.product).sum() * weight
        warm = min(1, step / 100) * max(0.02, 1 - step / a.steps)
        bias1, bias2 = 1 / (1 - 0.9 ** step), 1 / (1 - 0.99 ** step)
        adam(table, grad, first, second, np.float32(a.rate * warm), np.float32(bias1), np.float32(bias2))
        log_state[0] = 0.9 * log_state[0] + 0.1 * slopes
        log_state[1] = 0.99 * log_state[1] + 0.01 * slopes ** 2
        logs -= 5e-3 * warm * log_state[0] * bias1 / (np.sqrt(log_state[1] * bias2) + 1e-9)
        losses.append(loss)
        if step % 100 == 0 or step == a.steps:
            w = np.exp(logs)
            text = measures(table, w, a.alpha, bench, bags, held) if step % 300 == 0 or step == a.steps else ""
            print(f"{step} {time.time() - began:.0f}s loss {np.mean(losses[-100:]):.3f} weights {np.round(w / w[1], 3)} {text}", flush=True)
    weights = np.exp(logs - logs[1])
    np.savez(a.out.with_suffix(".npz"), table=table, weights=weights, alpha=a.alpha, axes=axes)
    size = write(a.out, data.entries, table, a.alpha, weights)
    print("wrote", size, "bytes")


if __name__ == "__main__":
    main()
