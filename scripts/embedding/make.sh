#!/usr/bin/env bash
# From nothing to the table: fetches the packages, mines them, runs the teacher, trains.
# Usage: make.sh WORK OUT [--exclude FILE] — WORK is an empty folder with 6 GB to spare.
# Needs python3 (3.10+) with venv, npm, cargo, go and mvn.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
out=$2
shift 2
export PYTHONHASHSEED=0 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q -r "$here/requirements.txt"
python=$work/venv/bin/python
"$python" "$here/fetch.py" "$work"
"$python" "$here/extract.py" "$work" "$@"
"$python" "$here/prepare.py" "$work" 52000
"$python" "$here/teach.py" "$work" 180000 60000
for seed in 1 2 3; do
    "$python" "$here/train.py" "$work" "$work/run$seed.bin" --seed "$seed"
done
"$python" "$here/average.py" "$work" "$out" "$work"/run[123].npz
"$python" "$here/golden.py" "$out" "$here/golden.jsonl"
cp "$work/licenses.tsv" "$here/licenses.tsv"
