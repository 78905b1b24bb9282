#!/usr/bin/env python3
"""Compares `bertlabel trace --output` with PyTorch: hooks on every module of transformers' BertModel, on one text.

    scripts/compare_trace.py BERTLABEL MODEL TEXT     BERTLABEL is the binary, MODEL a folder

Prints name, shape, largest error and largest magnitude of each tensor; exits 1 if one is off by more than 1e-4, or where its values are
above 10, 1e-5 of the largest. Needs torch, transformers, safetensors.
"""
import json
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import BertModel

# Float32 against float32, each sum in another order, through all layers: 1e-5 of the largest value is some 80 units of its last bit. MiniLM
# has a channel of 90 after its first layers.
TOLERANCE, RELATIVE = 1e-4, 1e-5
bertlabel, model, text = sys.argv[1:4]
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([bertlabel, "convert", "--model", model, "--output", folder + "/hf", "--to", "hf", "--quiet"], check=True)
    subprocess.run([bertlabel, "trace", "--model", model, "--output", folder + "/t.safetensors", "--quiet", text], check=True,
                   stdout=subprocess.DEVNULL)
    ours, bert = load_file(folder + "/t.safetensors"), BertModel.from_pretrained(folder + "/hf", attn_implementation="eager").eval()

theirs = {}


def keep(name, module, what=lambda inputs, output: output):
    """Has name set to the output of module, or what is made of its inputs and output."""
    module.register_forward_hook(lambda _, inputs, output: theirs.update({name: what(inputs, output)}))


e, scope = bert.embeddings, "bert/embeddings/"
for name, module in [("word", e.word_embeddings), ("token_type", e.token_type_embeddings), ("position", e.position_embeddings)]:
    keep(scope + name, module)
keep(scope + "sum", e.LayerNorm, lambda inputs, _: inputs[0])
keep(scope + "LayerNorm", e.LayerNorm)
keep("embedding_output", e)
for n, layer in enumerate(bert.encoder.layer):
    scope, self_, after = f"bert/encoder/layer_{n}/", layer.attention.self, layer.attention.output
    for name, module in [("query", self_.query), ("key", self_.key), ("value", self_.value)]:
        keep(f"{scope}attention/self/{name}", module)
    keep(scope + "attention/self/context", self_, lambda _, output: output[0])
    keep(scope + "attention/self/probs", self_, lambda _, output: output[1][0].flatten(0, 1))
    for name, module in [("attention/output/", after), ("output/", layer.output)]:
        keep(scope + name + "dense", module.dense)
        keep(scope + name + "sum", module.LayerNorm, lambda inputs, _: inputs[0])
        keep(scope + name + "LayerNorm", module.LayerNorm)
    keep(scope + "intermediate/dense", layer.intermediate.dense)
    keep(scope + "intermediate/act", layer.intermediate)
    keep(f"layer_{n}", layer, lambda _, output: output if torch.is_tensor(output) else output[0])
if bert.pooler is not None and "pooled_output" in ours:
    keep("bert/pooler/dense", bert.pooler.dense)
    keep("pooled_output", bert.pooler)
with torch.no_grad():
    bert(input_ids=ours["input_ids"].long(), token_type_ids=ours["segment_ids"].long(), output_attentions=True)
    heads = bert.config.num_attention_heads
    for n in range(len(bert.encoder.layer)):  # no module has the scores: softmax is not one
        scope = f"bert/encoder/layer_{n}/attention/self/"
        q, k = (theirs[scope + name][0].unflatten(-1, (heads, -1)).transpose(0, 1) for name in ("query", "key"))
        theirs[scope + "scores"] = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).flatten(0, 1)

head = {"input_ids", "segment_ids", "features", "logits", "probabilities"}
failed = sorted(set(ours) - set(theirs) - head) + sorted(set(theirs) - set(ours))
for name in failed:
    print(f"{name:52} | only one of the two has it")
worst = 0.0
for name in theirs:
    if name in ours:
        error = (theirs[name].reshape(ours[name].shape) - ours[name]).abs().max().item()
        largest = theirs[name].abs().max().item()
        worst = max(worst, error)
        print(f"{name:52} | {str(list(ours[name].shape)):12} | {error:.1e} | {largest:7.3f}")
        if not error <= max(TOLERANCE, RELATIVE * largest):
            failed.append(name)
print(json.dumps({"tensors": len(theirs), "worst": worst, "failed": failed}))
sys.exit(bool(failed))
