"""What does llama.cpp make of a GGUF file? Its libraries are asked directly, so that nothing has to be compiled.

    llama.py LIBRARIES logits TOKENS OUT MODEL [ADAPTER]    f32 of each token, one after the other; windows of 256
    llama.py LIBRARIES tokens MODEL TEXT                    ids of a file's text, without special tokens
    llama.py LIBRARIES quantize MODEL OUT FILE_TYPE         llama.cpp's own file of another type
    llama.py LIBRARIES encode TYPE COLUMNS IN OUT           ggml's own packing of f32

LIBRARIES is the folder bins/linux-x64 of npm's @node-llama-cpp/linux-x64. Results are JSON on stdout.
"""

import ctypes as c
import glob
import json
import os
import sys

# Structures that are handed over by value are larger here than there: they come last, so that nobody minds. What is
# read of them has been in its place for years.
Large = c.c_uint32 * 256


class Params(c.Structure):
    _fields_ = [("words", Large)]


class Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.c_void_p),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    ]


def load(folder):
    found = {}
    for name in ("libggml-base", "libggml.", "libllama."):
        (path,) = glob.glob(os.path.join(folder, name + "*so*"))[:1]
        found[name] = c.CDLL(path, mode=c.RTLD_GLOBAL)
    base, ggml, llama = found.values()
    for library, name, result, arguments in [
        (ggml, "ggml_backend_load_all_from_path", None, [c.c_char_p]),
        (base, "ggml_quantize_chunk", c.c_size_t, [c.c_int, c.c_void_p, c.c_void_p] + [c.c_int64] * 3 + [c.c_void_p]),
        (base, "ggml_row_size", c.c_size_t, [c.c_int, c.c_int64]),
        (llama, "llama_backend_init", None, []),
        (llama, "llama_log_set", None, [c.c_void_p, c.c_void_p]),
        (llama, "llama_model_default_params", Params, []),
        (llama, "llama_context_default_params", Params, []),
        (llama, "llama_model_quantize_default_params", Params, []),
        (llama, "llama_model_load_from_file", c.c_void_p, [c.c_char_p, Params]),
        (llama, "llama_init_from_model", c.c_void_p, [c.c_void_p, Params]),
        (llama, "llama_set_n_threads", None, [c.c_void_p, c.c_int32, c.c_int32]),
        (llama, "llama_model_get_vocab", c.c_void_p, [c.c_void_p]),
        (llama, "llama_vocab_n_tokens", c.c_int32, [c.c_void_p]),
        (llama, "llama_tokenize", c.c_int32,
         [c.c_void_p, c.c_char_p, c.c_int32, c.POINTER(c.c_int32), c.c_int32, c.c_bool, c.c_bool]),
        (llama, "llama_batch_init", Batch, [c.c_int32, c.c_int32, c.c_int32]),
        (llama, "llama_decode", c.c_int32, [c.c_void_p, Batch]),
        (llama, "llama_get_logits_ith", c.POINTER(c.c_float), [c.c_void_p, c.c_int32]),
        (llama, "llama_get_memory", c.c_void_p, [c.c_void_p]),
        (llama, "llama_memory_clear", None, [c.c_void_p, c.c_bool]),
        (llama, "llama_adapter_lora_init", c.c_void_p, [c.c_void_p, c.c_char_p]),
        (llama, "llama_set_adapters_lora", c.c_int32,
         [c.c_void_p, c.POINTER(c.c_void_p), c.c_size_t, c.POINTER(c.c_float)]),
        (llama, "llama_model_quantize", c.c_uint32, [c.c_char_p, c.c_char_p, c.POINTER(Params)]),
    ]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
        setattr(llama, name, function)
    # Only what goes wrong is said, on stderr.
    kept = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)(
        lambda level, text, _: sys.stderr.write(text.decode(errors="replace")) if level >= 4 else None
    )
    llama.kept = kept
    llama.llama_log_set(c.cast(kept, c.c_void_p), None)
    llama.ggml_backend_load_all_from_path(os.fsencode(folder))
    llama.llama_backend_init()
    return llama


class Model:
    def __init__(self, llama, path, window=512, adapter=None):
        self.llama = llama
        self.model = llama.llama_model_load_from_file(os.fsencode(path), llama.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {path}")
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.words = llama.llama_vocab_n_tokens(self.vocab)
        params = llama.llama_context_default_params()
        params.words[0] = params.words[1] = params.words[2] = window  # n_ctx, n_batch, n_ubatch
        self.context = llama.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f"llama.cpp cannot run {path}")
        # Its threads wait for one another in loops: on a busy machine, several are slower than one.
        llama.llama_set_n_threads(self.context, 1, 1)
        if adapter:
            lora = llama.llama_adapter_lora_init(self.model, os.fsencode(adapter))
            if not lora:
                sys.exit(f"llama.cpp cannot load {adapter}")
            if llama.llama_set_adapters_lora(self.context, (c.c_void_p * 1)(lora), 1, (c.c_float * 1)(1.0)):
                sys.exit(f"llama.cpp cannot use {adapter}")

    def tokens(self, text):
        most = len(text) + 16
        ids = (c.c_int32 * most)()
        count = self.llama.llama_tokenize(self.vocab, text, len(text), ids, most, False, False)
        return list(ids[:count])

    def logits(self, tokens):
        """A pointer to the logits after each token, all read at once from nothing."""
        self.llama.llama_memory_clear(self.llama.llama_get_memory(self.context), True)
        batch = self.llama.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for n, token in enumerate(tokens):
            batch.token[n], batch.pos[n], batch.n_seq_id[n], batch.logits[n] = token, n, 1, 1
            batch.seq_id[n][0] = 0
        if self.llama.llama_decode(self.context, batch):
            sys.exit("llama.cpp cannot decode")
        return [self.llama.llama_get_logits_ith(self.context, n) for n in range(len(tokens))]


def logits(llama, tokens, out, path, adapter=None):
    tokens = [int(token) for token in tokens.split(",")]
    model = Model(llama, path, 256, adapter)
    with open(out, "wb") as file:
        for start in range(0, len(tokens), 256):
            for row in model.logits(tokens[start : start + 256]):
                file.write(c.string_at(row, 4 * model.words))
    return {"words": model.words}


def tokens(llama, path, text):
    with open(text, "rb") as file:
        return Model(llama, path).tokens(file.read())


def quantize(llama, path, out, file_type):
    params = llama.llama_model_quantize_default_params()
    params.words[1] = int(file_type)  # nthread, ftype
    return {"failed": llama.llama_model_quantize(os.fsencode(path), os.fsencode(out), c.byref(params))}


def encode(llama, kind, columns, path, out):
    with open(path, "rb") as file:
        numbers = (c.c_char * os.path.getsize(path)).from_buffer_copy(file.read())
    columns = int(columns)
    rows = len(numbers) // 4 // columns
    packed = (c.c_char * (rows * llama.ggml_row_size(int(kind), columns)))()
    llama.ggml_quantize_chunk(int(kind), numbers, packed, 0, rows, columns, None)
    with open(out, "wb") as file:
        file.write(packed)
    return {"bytes": len(packed)}


def main():
    folder, what, *arguments = sys.argv[1:]
    known = {"logits": logits, "tokens": tokens, "quantize": quantize, "encode": encode}
    json.dump(known[what](load(folder), *arguments), sys.stdout)


if __name__ == "__main__":
    main()
