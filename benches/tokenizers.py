"""Are our tokens llama.cpp's? Holds examples/tokenize.rs against llama-cpp-python, text by text.

    python benches/tokenizers.py TOKENIZE TEXTS... -- FILE.gguf...

TOKENIZE is the built example; TEXTS are folders, all readable files of which are taken. Prints a Markdown table and, for
each file, the first texts that differ. llama-cpp-python 0.3.36; vocabularies are in its source package
(`pip download --no-binary llama-cpp-python --no-deps llama-cpp-python==0.3.36`), vendor/llama.cpp/models.
"""

import json
import pathlib
import random
import subprocess
import sys
import time

from llama_cpp import Llama

COUNT = 20_000
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
          (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x2000, 0x206F), (0x2190, 0x21FF), (0x3000, 0x30FF),
          (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x1F300, 0x1F64F), (0x1D400, 0x1D7FF), (0x20000, 0x2A6DF)]
BITS = [" ", "  ", "\t", "\n", "\r\n", "\n\n", "\r", "'s", "'LL", "'re", "1", "42", "1234567890", "٣٤", "½", "_", "::", "->",
        "a", "the", "Über", "ßtraße", "e\u0301", "👩‍👩‍👧", "🇩🇪", "中文", "日本語テスト", "مرحبا", "שלום", "हिन्दी", "ไทย", "한국어", "\u00a0",
        "\u3000", "\u200b", "\ufeff", "ſ", "'ſ", "HTMLParser", "camelCase", "()", "{}", ";", "/*", "*/", "//", "\u0085", "\x0b",
        "\x00", "\x7f", "\u2028", "…", "—", "“", "$", "+", "~", "^", "|", "`", "<", ">", "="]
NAMES = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>",
         "<start_of_turn>", "<end_of_turn>", "<|user|>", "<0x0A>", "<|end|>", "<｜User｜>", "<think>", "[INST]", "<bos>"]


def texts(folders):
    random.seed(1)
    files = [f for folder in folders for f in sorted(pathlib.Path(folder).rglob("*")) if f.is_file()]
    random.shuffle(files)
    found = []
    for file in files:
        try:
            # Newlines as they are.
            lines = file.read_bytes().decode().splitlines(keepends=True)
        except UnicodeDecodeError:
            continue
        for _ in range(min(12, len(lines))):
            start, many = random.randrange(len(lines)), random.choice([1, 1, 1, 2, 5, 12])
            text = "".join(lines[start:start + many])[:2000]
            found.append(text.rstrip("\n") if many == 1 else text)
        if len(found) >= COUNT * 2 // 3:
            break
    while len(found) < COUNT:
        made = [random.choice(BITS + NAMES) if random.random() < 0.6 else
                "".join(chr(random.randint(*random.choice(RANGES))) for _ in range(random.randint(1, 6)))
                for _ in range(random.randint(1, 24))]
        found.append("".join(made))
    return [text for text in found if text]


def theirs(model, lines, special):
    return [model.tokenize(line.encode(), add_bos=False, special=special) for line in lines]


def ours(tokenize, file, lines, special):
    start = time.monotonic()
    # apprentice: allow python/request-reaches-command -- the one who runs the bench names the program
    done = subprocess.run([tokenize, file] + ["special"] * special, input="".join(json.dumps(x) + "\n" for x in lines),
                          text=True, capture_output=True)
    if done.returncode:
        return done.stderr.strip()[:200], 0
    return [json.loads(line) for line in done.stdout.splitlines()], time.monotonic() - start


def main():
    tokenize, *rest = sys.argv[1:]
    at = rest.index("--")
    lines = texts(rest[:at])
    size = sum(len(line.encode()) for line in lines)
    print(f"{len(lines)} texts, {size / 1e6:.1f} MB\n\n| file | special | equal | tokens | ours s (load included) | llama.cpp s |")
    print("|---|---|---|---|---|---|")
    differ = []
    for file in rest[at + 1:]:
        try:
            model = Llama(model_path=file, vocab_only=True, verbose=False)
        except Exception as why:
            print(f"| {pathlib.Path(file).name} | | llama.cpp: {why} |")
            continue
        for special in (False, True):
            start = time.monotonic()
            want = theirs(model, lines, special)
            took = time.monotonic() - start
            got, seconds = ours(tokenize, file, lines, special)
            name = pathlib.Path(file).name
            if isinstance(got, str):
                print(f"| {name} | {special} | {got} |")
                continue
            wrong = [(line, a, b) for line, a, b in zip(lines, want, got) if a != b]
            print(f"| {name} | {special} | {len(lines) - len(wrong)} of {len(lines)} | {sum(map(len, want))} "
                  f"| {seconds:.2f} | {took:.2f} |", flush=True)
            differ += [(name, special, model, *one) for one in wrong[:4]]
    for name, special, model, line, want, got in differ:
        at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
        piece = lambda ids: [model.detokenize([i], special=True) for i in ids[max(0, at - 1):at + 4]]
        print(f"\n{name} special={special} {line[:120]!r}\n  llama.cpp {want[max(0, at - 1):at + 4]} {piece(want)}\n"
              f"  ours      {got[max(0, at - 1):at + 4]} {piece(got)}")


main()
