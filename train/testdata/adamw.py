"""Makes adamw.json: steps of torch.optim.AdamW in float32, from random weights and gradients.

    python adamw.py               # Python 3.11, torch 2.13.0
"""

import json
import pathlib

import torch

STEPS, WEIGHT_DECAY = 8, 0.01
torch.manual_seed(1)
weights, bias = torch.randn(3, 7), torch.randn(3)
start = {"output_weights": weights.flatten().tolist(), "output_bias": bias.tolist()}
groups = [{"params": [weights], "weight_decay": WEIGHT_DECAY}, {"params": [bias], "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=1.0, foreach=False, fused=False)

steps = []
for step in range(STEPS):
    rate = 0.05 * (1 - step / STEPS)
    for group in optimizer.param_groups:
        group["lr"] = rate
    weights.grad = torch.randn(3, 7) * 10.0 ** (step - 6)  # small ones too, where epsilon counts
    bias.grad = torch.randn(3) * 10.0 ** (step - 6)
    optimizer.step()
    steps.append(
        {
            "learning_rate": rate,
            "gradients": {"output_weights": weights.grad.flatten().tolist(), "output_bias": bias.grad.tolist()},
            "weights": {"output_weights": weights.flatten().tolist(), "output_bias": bias.tolist()},
        }
    )

out = pathlib.Path(__file__).with_suffix(".json")
out.write_text(json.dumps({"weight_decay": WEIGHT_DECAY, "start": start, "steps": steps}, indent=1) + "\n")
