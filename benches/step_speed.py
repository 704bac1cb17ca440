"""How long does a step take with PyTorch, on SmolLM2-135M's shapes? The same work as `step_speed` in trainer/examples.

    pip install torch transformers peft
    cargo build --release -p apprentice-trainer --example step_speed
    target/release/examples/step_speed lora 1024; python -P benches/step_speed.py lora 1024

One text of so many tokens, of which the second half is asked for; forward, backward, clipping, AdamW.
"""

import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

what, tokens = sys.argv[1], int(sys.argv[2])
steps = int(sys.argv[3]) if len(sys.argv) > 3 else 5
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
    num_key_value_heads=3, tie_word_embeddings=True, max_position_embeddings=8192, attn_implementation="sdpa"))
if what == "lora":
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=linear, task_type="CAUSAL_LM"))
learned = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(learned, lr=2e-4)
ids = (torch.arange(tokens) * 2654435761 % 49152)[None]
labels = ids.clone()
labels[:, : tokens // 2] = -100
times = []
for step in range(steps):
    started = time.time()
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learned, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.time() - started)
    print(f"{step + 1} {times[-1]:.3f} s, loss {loss.item():.3f}", file=sys.stderr)
median = sorted(times[1:])[len(times[1:]) // 2]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"median {median:.3f} s a step, {tokens / median:.0f} tokens/s, peak {peak} kB")
