"""Average tables that were trained with different seeds.

Usage: average.py WORK OUT TRAINED.npz …. The runs start from the same rows, so their mean
is a table too, and a better one than each of them. Every run is first turned back into the
teacher's space, for its axes depend on what the run saw.
"""

import sys
from pathlib import Path

import numpy as np

from table import write


def main():
    work, out = Path(sys.argv[1]), Path(sys.argv[2])
    runs = [np.load(path) for path in sys.argv[3:]]
    rows = np.mean([run["table"] @ run["axes"].T for run in runs], axis=0) @ runs[0]["axes"]
    weights = np.mean([run["weights"] for run in runs], axis=0)
    entries = (work / "vocabulary.txt").read_text().split("\n")
    print("wrote", write(out, entries, rows.astype(np.float32), float(runs[0]["alpha"]), weights), "bytes")


if __name__ == "__main__":
    main()
