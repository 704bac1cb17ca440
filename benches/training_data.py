"""Does TRL run what `apprentice-trainer lessons build --format trl --output FOLDER` wrote, as it is?

    pip install torch trl peft          # TRL 1.16 was used
    python benches/training_data.py FOLDER

Trains a tiny random model for two steps by each configuration in FOLDER, on the processor, and says what came of it.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

# A neighbor of this file is named like a package.
sys.path.pop(0)

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny(folder: pathlib.Path, texts: list[str]) -> None:
    """A model that no one would ask, with a chat template."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=4096, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def main() -> int:
    folder = pathlib.Path(sys.argv[1]).resolve()
    rows = [json.loads(line) for line in (folder / "sft/train.jsonl").read_text().splitlines()]
    texts = [message["content"] for row in rows for message in row["messages"]]
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        model = pathlib.Path(place) / "model"
        tiny(model, texts)
        for kind in ["sft", "dpo", "kto"]:
            if not (folder / f"{kind}.yaml").exists():
                print(f"{kind}: no rows")
                continue
            out = pathlib.Path(place) / kind
            trl = shutil.which("trl") or str(pathlib.Path(sys.executable).with_name("trl"))
            command = [
                trl, kind, "--config", f"{kind}.yaml", "--model_name_or_path", str(model), "--output_dir", str(out),
                "--max_steps", "2", "--use_cpu", "true", "--bf16", "false", "--logging_steps", "1", "--eval_strategy", "steps",
                "--eval_steps", "2",
            ]
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            said = [line for line in (ran.stdout + ran.stderr).splitlines() if "loss" in line or "Error" in line]
            is_there = (out / "adapter_model.safetensors").exists()
            print(f"{kind}: exit {ran.returncode}, adapter {'written' if is_there else 'missing'}; {' | '.join(said[-3:])[:400]}")
            failed += ran.returncode != 0 or not is_there
    return failed


if __name__ == "__main__":
    sys.exit(main())
