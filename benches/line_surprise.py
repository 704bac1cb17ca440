"""Does it help to look first at lines that a model would not have written?

    python3 benches/line_surprise.py TRAINER MODEL.gguf CASES.jsonl [MOST]

TRAINER is the built `apprentice-trainer`; CASES has one object a line with `buggy` (a program) and `bug_lines` (1-based),
as `apprentice eval` reads them. Of each program: how likely a faulty line has a higher figure than another one of it (AUROC),
for the line's surprise in nats, for that divided by its characters, and for its characters alone. Means over programs.
"""

import json
import subprocess
import sys
import tempfile


def auroc(faulty, others):
    pairs = [(a > b) + 0.5 * (a == b) for a in faulty for b in others]
    return sum(pairs) / len(pairs)


def surprise(trainer, model, text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        # apprentice: allow python/request-reaches-command -- whoever runs this names the program to run
        ran = subprocess.run([trainer, "gpt", "surprise", model, file.name], capture_output=True, text=True, check=True)
    return [float(line[:7]) for line in ran.stdout.splitlines()]


def main():
    trainer, model, cases = sys.argv[1:4]
    most = int(sys.argv[4]) if len(sys.argv) > 4 else 100
    with open(cases, encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row.get("bug_lines")][:most]
    found = {"nats": [], "nats a character": [], "characters": []}
    for row in rows:
        lines = row["buggy"].splitlines()
        nats = surprise(trainer, model, row["buggy"])
        code = [at for at, line in enumerate(lines) if line.strip()]
        faulty = [at for at in code if at + 1 in row["bug_lines"]]
        others = [at for at in code if at not in faulty]
        if not faulty or not others:
            continue
        length = {at: len(lines[at].strip()) for at in code}
        figures = {"nats": nats, "nats a character": {at: nats[at] / length[at] for at in code}, "characters": length}
        for name, figure in figures.items():
            found[name].append(auroc([figure[at] for at in faulty], [figure[at] for at in others]))
    for name, values in found.items():
        print(f"{name:<18} {sum(values) / len(values):.3f} over {len(values)} programs")


if __name__ == "__main__":
    main()
