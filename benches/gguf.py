"""How good are the trainer's GGUF files beside llama.cpp's own, on real weights?

    gguf.py perplexity LIBRARIES TEXT WINDOW MODEL…    as llama.cpp reads them, by the second half of each window
    gguf.py folder MODEL FOLDER                        a GGUF file as a folder of the hub, written by transformers
    gguf.py compare MODEL MODEL                        whether two files have the same tensors, byte for byte

LIBRARIES is bins/linux-x64 of npm's @node-llama-cpp/linux-x64. `perplexity` needs numpy, `compare` PyPI's gguf, `folder`
transformers, torch and gguf. What was measured is in docs/decisions/0013-gguf.md.
"""

import importlib.util
import math
import os
import sys

# Scripts beside this one have the names of packages.
sys.path.pop(0)


def llama():
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "../trainer/src/gguf/tests/llama.py")
    spec = importlib.util.spec_from_file_location("llama", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def perplexity(libraries, text, window, *models):
    import numpy

    asked, window = llama(), int(window)
    loaded = asked.load(libraries)
    for path in models:
        model = asked.Model(loaded, path, window)
        with open(text, "rb") as file:
            ids = model.tokens(file.read())
        total, count = 0.0, 0
        for start in range(0, len(ids) - window + 1, window):
            part = ids[start : start + window]
            rows = model.logits(part)[window // 2 : window - 1]
            logits = numpy.stack([numpy.ctypeslib.as_array(row, (model.words,)).astype(float) for row in rows])
            after = numpy.array(part[window // 2 + 1 :])
            most = logits.max(1)
            sums = most + numpy.log(numpy.exp(logits - most[:, None]).sum(1))
            total += (sums - logits[numpy.arange(len(after)), after]).sum()
            count += len(after)
        print(f"{math.exp(total / count):9.4f} by {count} tokens: {path}", flush=True)


def folder(path, out):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    at, name = os.path.split(os.path.abspath(path))
    read = AutoModelForCausalLM.from_pretrained(at, gguf_file=name, dtype=torch.float16)
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config).half()
    model.load_state_dict(read.state_dict())
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(at, gguf_file=name).save_pretrained(out)


def compare(one, other):
    import gguf
    import numpy

    one, other = ({tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors} for path in (one, other))
    same = [
        name
        for name, tensor in one.items()
        if name in other
        and tensor.tensor_type == other[name].tensor_type
        and numpy.array_equal(tensor.data, other[name].data)
    ]
    print(f"{len(same)} of {len(one)} and {len(other)} tensors are the same")


if __name__ == "__main__":
    {"perplexity": perplexity, "folder": folder, "compare": compare}[sys.argv[1]](*sys.argv[2:])
