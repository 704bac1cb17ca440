"""Writes a GGUF file of a real model's shape with random weights: for measurements of speed, and nothing else.

    pip install gguf numpy
    python benches/synthetic_gguf.py TOKENIZER.gguf OUT.gguf --shape qwen3-0.6b --mix q4_k_m

The vocabulary is that of TOKENIZER.gguf. Mixes are those of llama.cpp's `llama-quantize`.
"""

import argparse

import gguf
import numpy as np

# architecture, layers, width, heads, heads of keys, size of a head, inner width
SHAPES = {
    "qwen3-0.6b": ("qwen3", 28, 1024, 16, 8, 128, 3072),
    "qwen2-1.5b": ("qwen2", 28, 1536, 12, 2, 128, 8960),
    "llama-1b": ("llama", 16, 2048, 32, 8, 64, 8192),
    "gemma3-tiny": ("gemma3", 8, 512, 4, 1, 128, 1024),
    "qwen3-tiny": ("qwen3", 3, 256, 4, 2, 64, 512),
    "qwen2-tiny": ("qwen2", 3, 256, 4, 2, 64, 512),
    "llama-tiny": ("llama", 3, 256, 4, 2, 64, 512),
}
TYPES = gguf.GGMLQuantizationType
BLOCKS = {TYPES.Q4_K: (256, 144), TYPES.Q6_K: (256, 210), TYPES.Q8_0: (32, 34)}
STANDARD_DEVIATION = 0.02


def half(value: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.full((*shape, 1), value, np.float16).view(np.uint8)


def random_blocks(rng: np.random.Generator, kind: TYPES, rows: int, columns: int) -> np.ndarray:
    """Rows of blocks whose values have mean 0, made without rounding any."""
    if kind in (TYPES.F32, TYPES.F16):
        values = rng.standard_normal((rows, columns), np.float32) * STANDARD_DEVIATION
        return values.astype(np.float32 if kind == TYPES.F32 else np.float16)
    numbers, size = BLOCKS[kind]
    shape = (rows, columns // numbers)
    data = rng.integers(0, 256, (*shape, size), np.uint8)
    if kind == TYPES.Q8_0:
        data[..., :2] = half(STANDARD_DEVIATION / 74, shape)
    elif kind == TYPES.Q4_K:
        # Scale and least value are equal, so that 7.5 steps are taken off; blocks from 4 on are packed otherwise.
        low, high = rng.integers(32, 48, (*shape, 4), np.uint8), rng.integers(32, 48, (*shape, 4), np.uint8)
        data[..., :2] = half(STANDARD_DEVIATION / 4.6 / 40, shape)
        data[..., 2:4] = half(7.5 * STANDARD_DEVIATION / 4.6 / 40, shape)
        data[..., 4:8] = data[..., 8:12] = low | (high >> 4) << 6
        data[..., 12:16] = (high & 15) | (high & 15) << 4
    else:
        data[..., 192:208] = rng.integers(3, 8, (*shape, 16), np.uint8)
        data[..., 208:] = half(STANDARD_DEVIATION / 18.5 / 5, shape)
    return data.reshape(rows, -1)


def more_bits(layer: int, layers: int) -> bool:
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def copy_tokenizer(writer: gguf.GGUFWriter, source: gguf.GGUFReader) -> int:
    for key, field in source.fields.items():
        if key.startswith("tokenizer."):
            kind, sub = field.types[0], field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), kind, sub_type=sub)
    return len(source.fields["tokenizer.ggml.tokens"].contents())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("out")
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--mix", choices=["q4_k_m", "q8_0", "f16", "f32"], required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    architecture, layers, width, heads, key_heads, size, inner = SHAPES[options.shape]
    rng = np.random.default_rng(options.seed)
    writer = gguf.GGUFWriter(options.out, architecture)
    words = copy_tokenizer(writer, gguf.GGUFReader(options.tokenizer))
    writer.add_name(f"random {options.shape}")
    writer.add_context_length(32768)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1_000_000.0)
    if architecture == "llama":
        writer.add_rope_dimension_count(size)
        writer.add_vocab_size(words)
    if architecture == "gemma3":
        writer.add_sliding_window(64)
        writer.add_float32("gemma3.rope.freq_base_swa", 10_000.0)
    plain = {"q4_k_m": TYPES.Q4_K, "q8_0": TYPES.Q8_0, "f16": TYPES.F16, "f32": TYPES.F32}[options.mix]
    fine = TYPES.Q6_K if options.mix == "q4_k_m" else plain

    def matrix(name: str, rows: int, columns: int, kind: TYPES) -> None:
        writer.add_tensor(name, random_blocks(rng, kind, rows, columns), raw_dtype=kind)

    def row(name: str, count: int, around: float) -> None:
        writer.add_tensor(name, (around + rng.standard_normal(count) * 0.05).astype(np.float32))

    matrix("token_embd.weight", words, width, fine)
    row("output_norm.weight", width, 1.0)
    for layer in range(layers):
        better = fine if more_bits(layer, layers) else plain
        row(f"blk.{layer}.attn_norm.weight", width, 1.0)
        row(f"blk.{layer}.ffn_norm.weight", width, 1.0)
        matrix(f"blk.{layer}.attn_q.weight", heads * size, width, plain)
        matrix(f"blk.{layer}.attn_k.weight", key_heads * size, width, plain)
        matrix(f"blk.{layer}.attn_v.weight", key_heads * size, width, better)
        matrix(f"blk.{layer}.attn_output.weight", width, heads * size, plain)
        matrix(f"blk.{layer}.ffn_gate.weight", inner, width, plain)
        matrix(f"blk.{layer}.ffn_up.weight", inner, width, plain)
        matrix(f"blk.{layer}.ffn_down.weight", width, inner, better)
        if architecture == "qwen2":
            for part, count in [("q", heads * size), ("k", key_heads * size), ("v", key_heads * size)]:
                row(f"blk.{layer}.attn_{part}.bias", count, 0.0)
        if architecture in ("qwen3", "gemma3"):
            row(f"blk.{layer}.attn_q_norm.weight", size, 1.0)
            row(f"blk.{layer}.attn_k_norm.weight", size, 1.0)
        if architecture == "gemma3":
            row(f"blk.{layer}.post_attention_norm.weight", width, 1.0)
            row(f"blk.{layer}.post_ffw_norm.weight", width, 1.0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
