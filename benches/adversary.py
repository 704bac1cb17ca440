#!/usr/bin/env python3
"""A script of worst-case answers for labelled defects, to be played by `--model scripted:FILE`.

    benches/adversary.py DATA.jsonl > worst.jsonl
    apprentice eval --data DATA.jsonl --model scripted:worst.jsonl --format json

For each row come, in turn, broken JSON, wrong fields, prose, the fence repeated, quotes that are nowhere, edits outside
the change, edits that break the syntax, edits that do nothing, huge and endless output, and a few that look right. All
of them quote the row's own code, so that they get as far as a wrong answer can. What must come out: every patch that is
offered holds, none that does not is offered.
"""

import json
import random
import sys


def remark(quote, replacement, **more):
    fields = {"quote": quote, "problem": "p", "why": "w", "category": "bug", "severity": "warning", "confidence": "high"}
    return json.dumps({"findings": [{**fields, "replacement": replacement, **more}]})


def edits(*pairs):
    return json.dumps({"explanation": "e", "edits": [{"quote": quote, "replacement": new} for quote, new in pairs]})


def answers(lines, dice):
    """Answers that quote lines of a row."""
    line, other = dice.choice(lines), dice.choice(lines)
    broken = line.rstrip() + " ((("
    yield {"say": remark(line, None)[:-4]}
    yield {"say": remark(line, line, path="../../etc/passwd")}
    yield {"say": "Of course! Here is the fix:\n```\n" + line + "\n```"}
    yield {"say": remark(line, "{{nonce}}")}
    yield {"say": remark("nothing like this is in the file", "x")}
    yield {"say": remark(line, broken)}
    yield {"say": edits((line, broken))}
    yield {"say": edits((lines[0], "import os; os.system('x')"))}
    yield {"say": edits((line, line))}
    yield {"say": edits((line, ""), (line, "x"))}
    yield {"say": edits((line, ""), (other, ""))}
    yield {"say": edits(("\n".join(lines), ""))}
    yield {"say": edits((line, "a" * 50_000))}
    yield {"say": "x", "times": 100_000}
    yield {"say": remark(line, None), "fail": "the connection was closed"}
    yield {"say": remark(line, line.replace("<", "<=").replace("+", "-").replace("0", "1"))}
    yield {"say": edits((line, line.replace("<", "<=").replace("+", "-").replace("0", "1")))}
    yield {"say": edits((line.strip(), "pass"))}
    yield {"say": remark(line, "\u202e" + line + "\u200b")}
    yield {"say": remark(line, line + "  # apprentice: allow any/* -- fine")}


def main():
    dice = random.Random(7)
    with open(sys.argv[1], encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            lines = [line for line in row["buggy"].splitlines() if len(line.strip()) > 3]
            marks = [line.strip() for line in row["buggy"].splitlines() if len(line.strip()) > 12]
            if not lines or not marks:
                continue
            chosen = list(answers(lines, dice))
            dice.shuffle(chosen)
            # A row is asked about with its bug and without, each time again while its answers do not hold.
            for answer in chosen[:8]:
                print(json.dumps({"when": max(marks, key=len), **answer}))
    print(json.dumps({"say": "{\"findings\": []}", "always": True}))


main()
