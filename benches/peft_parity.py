"""Do PEFT and we read each other's adapters, to the same logits?

    pip install torch transformers peft tokenizers numpy; cargo build --release -p apprentice-trainer --example adapter_logits
    python -P benches/peft_parity.py target/release/examples/adapter_logits

For llama, qwen2 and qwen3: a small random model as transformers saves it, a random adapter as PEFT saves it; our logits
against theirs, and theirs once more with the adapter as we saved it.
"""

import json
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SAME = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=0)


def tokenizer(folder):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(["a model reads a text"], trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet))
    made.save(f"{folder}/tokenizer.json")
    with open(f"{folder}/tokenizer_config.json", "w") as file:
        json.dump({"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "chat_template": "{{ messages[0].content }}"}, file)
    return made.get_vocab_size()


def random(model):
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        about = 1.0 if "norm" in name else 0.0
        weight.data = about + 0.1 * torch.randn(weight.shape, generator=generator)


def logits(model, tokens):
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens])).logits[0].numpy()


def main(program):
    for config, kind in [(LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)]:
        with tempfile.TemporaryDirectory() as folder:
            base, adapter, saved = (f"{folder}/{name}" for name in ("base", "adapter", "saved"))
            os.makedirs(base)
            words = tokenizer(base)
            more = {"head_dim": 24} if config is Qwen3Config else {}
            model = kind(config(vocab_size=words, tie_word_embeddings=config is not Qwen2Config, **SAME, **more))
            random(model)
            model.save_pretrained(base)
            adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules=LINEAR, task_type="CAUSAL_LM"))
            random(adapted)
            adapted.save_pretrained(adapter)
            base_weights = kind.from_pretrained(base)
            tokens = [(7 * n) % words for n in range(40)]
            theirs = logits(PeftModel.from_pretrained(kind.from_pretrained(base), adapter), tokens)
            with open(f"{folder}/tokens.json", "w") as file:
                json.dump(tokens, file)
            subprocess.run([program, base, adapter, f"{folder}/tokens.json", f"{folder}/out", saved], check=True)  # apprentice: allow python/request-reaches-command -- the program whose numbers are looked at
            ours = np.fromfile(f"{folder}/out", dtype="<f4").reshape(theirs.shape)
            again = logits(PeftModel.from_pretrained(base_weights, saved), tokens)
            size = np.abs(theirs).max()
            print(f"{kind.__name__:18} largest logit {size:.3f}, largest difference {np.abs(ours - theirs).max():.1e}, "
                  f"with the adapter as we saved it {np.abs(again - theirs).max():.1e}")
            assert np.abs(ours - theirs).max() < 1e-4 * size and np.abs(again - theirs).max() < 1e-4 * size


main(sys.argv[1])
