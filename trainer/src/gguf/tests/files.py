"""What does PyPI's `gguf` read in GGUF files? For each, its tensors' types and dimensions, and their numbers as f32.

    files.py MODEL OUT [MODEL OUT …]    numbers one tensor after the other into OUT; JSON on stdout
"""

import json
import sys

import gguf
import numpy

said = []
for path, out in zip(sys.argv[1::2], sys.argv[2::2]):
    reader = gguf.GGUFReader(path)
    keys = {key: str(field.types[0].name) for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    tensors = []
    with open(out, "wb") as file:
        for tensor in reader.tensors:
            kind, sizes = tensor.tensor_type, [int(size) for size in tensor.shape]
            tensors.append([tensor.name, kind.name, sizes])
            numbers = gguf.quants.dequantize(tensor.data, kind).astype(numpy.float32)
            numbers.reshape(-1).tofile(file)
    said.append({"keys": keys, "tensors": tensors})
json.dump(said, sys.stdout)
