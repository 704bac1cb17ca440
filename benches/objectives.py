"""What do TRL's own trainers say of the same numbers? Prints losses and gradients for trainer/src/objective/tests.rs.

    pip install torch transformers trl peft; python -P benches/objectives.py

The trainers' `_compute_loss` is called as it is, on a model that answers with given likelihoods.
"""

import json
import os
import types
from collections import defaultdict

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
import torch
import trl
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.dpo_trainer import DPOTrainer

# How likely four answers are now and were before, in nats; for DPO the first two are chosen, the others rejected.
NOW = [-11.25, -40.5, -9.75, -33.0]
BEFORE = [-12.0, -38.25, -10.5, -35.25]
# Answers to other questions, for the divergence.
CROSSED_NOW = [-50.0, -61.5, -47.25, -58.0]
CROSSED_BEFORE = [-50.5, -62.0, -47.0, -58.75]
LABELS = [True, True, False, False]
LENGTH = 5


class Anything(types.SimpleNamespace):
    """Has every attribute; what is not given does nothing."""

    def __getattr__(self, name):
        return Anything()

    def __call__(self, *args, **kwargs):
        return args[0] if args else Anything()


class Model:
    training = False

    def __init__(self, now, crossed):
        self.now, self.crossed = now, crossed

    def __call__(self, input_ids, **_):
        likely = self.crossed if input_ids[0, 0] == 1 else self.now
        log_probs = torch.zeros(len(likely), LENGTH)
        log_probs = torch.cat([likely[:, None], log_probs[:, 1:]], 1)
        nothing = torch.zeros_like(log_probs)
        return types.SimpleNamespace(log_probs=log_probs, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())


def trainer(**given):
    same = types.SimpleNamespace(device=torch.device("cpu"), gather_for_metrics=lambda x: x, gather=lambda x: x)
    metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
    base = dict(
        model=types.SimpleNamespace(training=True), accelerator=same, _metrics=metrics, aux_loss_enabled=False,
        precompute_ref_logps=True, ld_alpha=None, f_divergence_type="reverse_kl", loss_weights=[1.0],
        use_weighting=False, args=Anything(), state=Anything(), _tp_size=1, _total_train_tokens=0,
    )
    return Anything(**(base | given))


def inputs(first):
    ids = torch.full((4, LENGTH + 1), first)
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), completion_mask=torch.ones_like(ids))


def dpo(kind, noise):
    now = torch.tensor(NOW, requires_grad=True)
    before = torch.tensor(BEFORE)
    given = inputs(0) | dict(ref_chosen_logps=before[:2], ref_rejected_logps=before[2:])
    own = trainer(beta=0.1, loss_types=[kind], label_smoothing=noise)
    loss = DPOTrainer._compute_loss(own, Model(now, None), given, False)
    loss.backward()
    return loss.item(), now.grad.tolist()


def kto(kind):
    now = torch.tensor(NOW, requires_grad=True)
    crossed = torch.tensor(CROSSED_NOW)
    own = trainer(beta=0.1, loss_type=kind, calculate_KL=kind == "kto", desirable_weight=1.0, undesirable_weight=0.8)
    own._compute_kl_logps = types.MethodType(KTOTrainer._compute_kl_logps, own)
    crossed_inputs = {"KL_" + name: value for name, value in inputs(1).items()}
    given = inputs(0) | crossed_inputs | dict(
        label=torch.tensor(LABELS), ref_logps=torch.tensor(BEFORE), ref_KL_logps=torch.tensor(CROSSED_BEFORE)
    )
    loss = KTOTrainer._compute_loss(own, Model(now, crossed), given, False)
    loss.backward()
    return loss.item(), now.grad.tolist()


print(json.dumps({
    "trl": trl.__version__,
    "dpo": dpo("sigmoid", 0.0),
    "robust dpo": dpo("robust", 0.1),
    "kto": kto("kto"),
    "apo zero": kto("apo_zero_unpaired"),
}, indent=1))
