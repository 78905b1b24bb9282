"""Compares every stage of `bertlabel trace --output F.safetensors` with PyTorch, layer by layer: the same equations in torch's own modules,
whose outputs forward hooks record. They compute in float64, so that the errors are those of the trace alone: torch in float32 is itself
off by as much.

    bertlabel trace --model MODEL --output trace.safetensors "A text."
    bertlabel convert --model MODEL --to hf --output hf
    python3 scripts/compare_trace.py trace.safetensors hf

Prints name, shape, largest error and largest magnitude of each. Fails if an error is over 1e-4 or, where values are above 50, over 2e-6 of the
largest, some 20 units of its last bit: MiniLM's first layers have channels of 200. Needs torch and safetensors.
"""
import json
import math
import sys

import torch
from safetensors.torch import load_file

trace, weights = load_file(sys.argv[1]), load_file(sys.argv[2] + "/model.safetensors")
config = json.load(open(sys.argv[2] + "/config.json"))
heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
approximate = {"gelu": "none", "gelu_new": "tanh"}[config["hidden_act"]]
weights = {k[5:] if k.startswith("bert.") else k: v.double() for k, v in weights.items()}
torch.set_default_dtype(torch.float64)
got = {}


def module(name, stage, layer):
    layer.weight.data, layer.bias.data = weights[name + ".weight"], weights[name + ".bias"]
    layer.register_forward_hook(lambda m, x, y: got.__setitem__(stage, y))
    return layer


def dense(name, stage):
    return module(name, stage, torch.nn.Linear(*weights[name + ".weight"].shape[::-1]))


def norm(name, stage):
    return module(name, stage, torch.nn.LayerNorm(len(weights[name + ".weight"]), eps=eps))


@torch.no_grad()
def main():
    ids, segments, e = trace["input_ids"].long(), trace["segment_ids"].long(), "bert/embeddings/"
    got[e + "word"] = weights["embeddings.word_embeddings.weight"][ids]
    got[e + "token_type"] = weights["embeddings.token_type_embeddings.weight"][segments]
    got[e + "position"] = weights["embeddings.position_embeddings.weight"][: len(ids)]
    got[e + "sum"] = got[e + "word"] + got[e + "token_type"] + got[e + "position"]
    x = norm("embeddings.LayerNorm", "embedding_output")(got[e + "sum"])
    n = 0
    while f"encoder.layer.{n}.output.dense.weight" in weights:
        p, s = f"encoder.layer.{n}.", f"bert/encoder/layer_{n}/"
        q, k, v = (
            dense(p + "attention.self." + w, s + "attention/self/" + w)(x).view(len(ids), heads, -1).transpose(0, 1)
            for w in ("query", "key", "value")
        )
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        probs = scores.softmax(-1)
        got[s + "attention/self/scores"], got[s + "attention/self/probs"] = scores.flatten(0, 1), probs.flatten(0, 1)
        got[s + "attention/self/context"] = (probs @ v).transpose(0, 1).flatten(1)
        o = "attention.output."
        got[s + "attention/output/sum"] = dense(p + o + "dense", s + "attention/output/dense")(got[s + "attention/self/context"]) + x
        a = norm(p + o + "LayerNorm", s + "attention/output/LayerNorm")(got[s + "attention/output/sum"])
        inner = dense(p + "intermediate.dense", s + "intermediate/dense")(a)
        got[s + "intermediate/act"] = torch.nn.functional.gelu(inner, approximate=approximate)
        got[s + "output/sum"] = dense(p + "output.dense", s + "output/dense")(got[s + "intermediate/act"]) + a
        x = got[f"layer_{n}"] = norm(p + "output.LayerNorm", s + "output/LayerNorm")(got[s + "output/sum"])
        n += 1
    got["bert/pooler/tanh"] = got["pooled_output"] = dense("pooler.dense", "bert/pooler/dense")(x[:1]).tanh()
    if "classifier.weight" in weights:
        got["features"] = got["pooled_output"]
        got["probabilities"] = dense("classifier", "logits")(got["pooled_output"]).sigmoid()
    worst, failed, missing = 0.0, [], set(trace) - set(got) - {"input_ids", "segment_ids"}
    for name, y in got.items():
        error = (trace[name] - y).abs().max().item()
        largest = y.abs().max().item()
        worst = max(worst, error if error == error else math.inf)
        if not error <= max(1e-4, 2e-6 * largest):
            failed.append(name)
        print(f"{name:55} {str(list(y.shape)):14} {error:.1e} {largest:9.3f}")
    print(f"{len(got)} tensors, worst {worst:.1e}; failed: {failed}; not compared: {sorted(missing)}")
    sys.exit(bool(failed) or bool(missing))


main()
