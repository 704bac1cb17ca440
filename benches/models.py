"""Measures the local engine beside llama.cpp: speed and logits, on the same files, with the same threads.

    pip install llama-cpp-python numpy
    cargo build --release -p apprentice-engine --example model_speed --example logits
    python benches/models.py target/release/examples FILE.gguf… [--prompt 512] [--new 128] [--logits TEXT]

Rounds are interleaved (ours, theirs, ours, theirs), and the best of each is kept: the machine may be busy with other
things. Prints Markdown tables. benches/synthetic_gguf.py writes files to measure with.
"""

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = len(os.sched_getaffinity(0))


def theirs(file: str, prompt: int, new: int) -> dict:
    """Speed of llama.cpp, with as little Python between the tokens as there can be."""
    import llama_cpp

    started = time.perf_counter()
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(file.encode(), llama_cpp.llama_model_default_params())
    options = llama_cpp.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch = prompt + new, 512, 512
    options.n_threads = options.n_threads_batch = THREADS
    context = llama_cpp.llama_init_from_model(model, options)
    load_ms = (time.perf_counter() - started) * 1e3

    def read(tokens: list[int]) -> None:
        # The batch holds no reference to its tokens.
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(tokens))) != 0:
            raise RuntimeError("llama_decode")

    tokens = [1000 + (n + 1) * 7_368_787 % 40_009 for n in range(prompt)]
    started = time.perf_counter()
    for at in range(0, prompt, 512):
        read(tokens[at : at + 512])
    llama_cpp.llama_get_logits_ith(context, -1)
    first_token = time.perf_counter() - started
    started = time.perf_counter()
    for n in range(new - 1):
        read([1000 + n])
        llama_cpp.llama_get_logits_ith(context, -1)
    decode = (new - 1) / (time.perf_counter() - started)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"load_ms": load_ms, "prefill": prompt / first_token, "decode": decode, "peak_mb": peak_mb}


def speed(options: argparse.Namespace) -> None:
    print(f"{options.prompt} tokens read, {options.new} answered, {THREADS} threads, best of {options.rounds}\n")
    print("| file | | read, tok/s | answer, tok/s | load, ms | peak, MB |\n|---|---|--:|--:|--:|--:|")
    numbers = [str(options.prompt), str(options.new)]
    sides = {
        "ours": [str(Path(options.examples) / "model_speed")],
        "llama.cpp": [sys.executable, __file__, "--theirs"],
    }
    for file in options.files:
        found: dict[str, list[dict]] = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side, command in sides.items():
                out = subprocess.run([*command, file, *numbers], capture_output=True, text=True, check=True).stdout
                found[side].append(json.loads(out.splitlines()[-1]))
        best = {}
        for side, runs in found.items():
            most = {key: max(run[key] for run in runs) for key in ("prefill", "decode")}
            least = {key: min(run[key] for run in runs) for key in ("load_ms", "peak_mb")}
            best[side] = most | least
            cells = " | ".join(f"{best[side][key]:.0f}" for key in ("prefill", "decode", "load_ms", "peak_mb"))
            print(f"| {Path(file).name} | {side} | {cells} |")
        ratio = [best["ours"][key] / best["llama.cpp"][key] for key in ("prefill", "decode", "load_ms", "peak_mb")]
        print(f"| {Path(file).name} | ratio | " + " | ".join(f"{value:.2f}" for value in ratio) + " |", flush=True)


def logits(options: argparse.Namespace) -> None:
    import numpy as np
    from llama_cpp import Llama

    print("\n| file | same likeliest token | mean difference | spread of llama.cpp's | mean cosine |")
    print("|---|--:|--:|--:|--:|")
    for file in options.files:
        model = Llama(file, n_ctx=512, n_threads=THREADS, logits_all=True, verbose=False)
        tokens = model.tokenize(Path(options.logits).read_bytes(), add_bos=False)[:200]
        model.eval(tokens)
        a = np.array(model.scores[: len(tokens)], np.float32)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokens").write_text(json.dumps(tokens))
            command = [str(Path(options.examples) / "logits"), file, f"{folder}/tokens", f"{folder}/out"]
            subprocess.run(command, check=True)
            b = np.fromfile(f"{folder}/out", np.float32).reshape(a.shape)
        same = (a.argmax(1) == b.argmax(1)).mean()
        cosine = ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()
        name = Path(file).name
        print(f"| {name} | {same:.1%} | {np.abs(a - b).mean():.4f} | {a.std():.2f} | {cosine:.6f} |", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--theirs"]:
        print(json.dumps(theirs(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--logits", metavar="TEXT", help="compare logits over the first 200 tokens of this file")
    options = parser.parse_args()
    speed(options)
    if options.logits:
        logits(options)


if __name__ == "__main__":
    main()
