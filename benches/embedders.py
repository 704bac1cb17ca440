"""Sentences a second of MiniLM in Apprentice, sentence-transformers (torch) and onnxruntime, same texts and threads.

    pip install sentence-transformers onnxruntime onnx
    cargo build --release --example embed_speed -p apprentice-engine
    benches/embedders.py target/release/examples/embed_speed FOLDER

FOLDER holds config.json, tokenizer.json and model.safetensors of all-MiniLM-L6-v2. The texts are functions of Python's
own standard library: `full` are cut to 128 tokens that are all there, `mixed` are functions as they come. Every
implementation runs in a process of its own, all of them in turn, several rounds; the best round counts.
"""

import ast
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

TOKENS = 128
BATCH = 32
ROUNDS = 3


def functions(count):
    """Functions of the standard library, every so-manyth, the same each time."""
    found = []
    for path in sorted(pathlib.Path(os.__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                found.append(ast.get_source_segment(text, node))
    step = max(1, len(found) // count)
    return found[::step][:count]


def full(texts):
    """Texts joined until each has more tokens than are looked at."""
    joined, part = [], ""
    for text in texts:
        part += text + "\n"
        if len(part) > 1500:
            joined.append(part)
            part = ""
    return joined


def torch_encoder(folder, threads):
    """sentence-transformers as its page says, in f32."""
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.set_num_threads(threads)
    bert = models.Transformer(folder, max_seq_length=TOKENS)
    pooling = models.Pooling(bert.get_word_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[bert, pooling, models.Normalize()], device="cpu")
    return lambda texts: model.encode(texts, batch_size=BATCH)


def onnx_encoder(path, folder, threads):
    """onnxruntime over texts sorted by length, padded to the longest of a batch."""
    import numpy
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding()

    def encode(texts):
        vectors = numpy.zeros((len(texts), 384), "<f4")
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        for first in range(0, len(order), BATCH):
            which = order[first : first + BATCH]
            tokens = tokenizer.encode_batch([texts[n] for n in which])
            ids = numpy.array([one.ids for one in tokens])
            mask = numpy.array([one.attention_mask for one in tokens])
            (rows,) = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask * 0})
            mean = (rows * mask[:, :, None]).sum(1)
            vectors[which] = mean / numpy.linalg.norm(mean, axis=1, keepdims=True)
        return vectors

    return encode


def export(folder, work):
    """Writes the model for onnxruntime, in f32 and with int8 weights (dynamic quantization)."""
    import torch
    from onnxruntime.quantization import quantize_dynamic
    from transformers import AutoModel

    bert = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    bert.config.return_dict = False
    names = ["input_ids", "attention_mask", "token_type_ids"]
    inputs = tuple(torch.ones((2, 8), dtype=torch.long) for _ in names)
    axes = {name: {0: "texts", 1: "tokens"} for name in [*names, "rows"]}

    class Rows(torch.nn.Module):
        """The rows of the last layer alone."""

        def __init__(self):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]

    plain, small = work + "/model.onnx", work + "/model-int8.onnx"
    torch.onnx.export(Rows(), inputs, plain, input_names=names, output_names=["rows"], dynamic_axes=axes, dynamo=False)
    quantize_dynamic(plain, small)


def worker(kind, folder, work, texts, threads, vectors):
    """One pass in this process, as a JSON line."""
    started = time.perf_counter()
    if kind == "torch":
        encode = torch_encoder(folder, threads)
    else:
        encode = onnx_encoder(f"{work}/{kind}.onnx", folder, threads)
    load = time.perf_counter() - started
    lines = [json.loads(line) for line in open(texts, encoding="utf-8")]
    encode(lines[:BATCH])
    started, cpu = time.perf_counter(), time.process_time()
    found = encode(lines)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    found.astype("<f4").tofile(vectors)
    print(json.dumps({"load_ms": load * 1e3, "wall_s": wall, "cpu_s": cpu}))


def measure(command, threads):
    """Runs a pass in a process of its own: its figures, and its largest memory in MB."""
    names = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
    environment = {**os.environ, **dict.fromkeys(names, str(threads)), "TOKENIZERS_PARALLELISM": "false"}
    # apprentice: allow python/request-reaches-command -- run by hand, on programs that its caller names
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {command}")
    return {**json.loads(output.splitlines()[-1]), "mb": usage.ru_maxrss / 1024}


def cosine(work, kind):
    """Lowest cosine with the vectors of sentence-transformers."""
    import numpy

    ours, theirs = (numpy.fromfile(f"{work}/{name}.f32", "<f4").reshape(-1, 384) for name in (kind, "torch"))
    return (ours * theirs).sum(1).min()


def main(example, folder):
    """Measures and prints a table."""
    own = [sys.executable, __file__, "--worker"]
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, __file__, "--export", folder, work], check=True, stderr=subprocess.DEVNULL)
        texts = functions(600)
        print("| texts | threads | implementation | sentences/s | a CPU second | against torch | load ms | MB | cosine |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name, chosen in (("full", full(functions(1200))[:200]), ("mixed", texts)):
            path = f"{work}/{name}.jsonl"
            pathlib.Path(path).write_text("".join(json.dumps(text) + "\n" for text in chosen), encoding="utf-8")
            for threads in (1, 2):
                commands = {"apprentice": [example, folder, path, f"{work}/apprentice.f32"]}
                for kind in ("torch", "model", "model-int8"):
                    commands[kind] = [*own, kind, folder, work, path, str(threads), f"{work}/{kind}.f32"]
                rounds = [{kind: measure(command, threads) for kind, command in commands.items()} for _ in range(ROUNDS)]
                report(name, threads, len(chosen), rounds, work)


def report(name, threads, count, rounds, work):
    """One line for each implementation."""
    labels = {"apprentice": "**apprentice**", "torch": "sentence-transformers", "model": "onnxruntime", "model-int8": "onnxruntime int8"}
    best = {kind: {key: min(one[kind][key] for one in rounds) for key in rounds[0][kind]} for kind in labels}
    for kind, label in labels.items():
        own = best[kind]
        cells = [name, threads, label, f"{count / own['wall_s']:.1f}", f"{count / own['cpu_s']:.1f}"]
        cells += [f"{best['torch']['cpu_s'] / own['cpu_s']:.2f}", f"{own['load_ms']:.0f}", f"{own['mb']:.0f}"]
        print("|", " | ".join(map(str, cells)), f"| {cosine(work, kind):.5f} |", flush=True)


if sys.argv[1] == "--worker":
    worker(*sys.argv[2:6], int(sys.argv[6]), sys.argv[7])
elif sys.argv[1] == "--export":
    export(*sys.argv[2:4])
else:
    main(*sys.argv[1:3])
