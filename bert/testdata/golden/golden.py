#!/usr/bin/env python3
"""Runs the tiny model beside this folder on texts.jsonl, in PyTorch and in TensorFlow, both in float64, and writes what they say.

    python golden.py

pytorch.safetensors     transformers' own BertModel with a sigmoid head, by autograd
tensorflow.safetensors  BERT written here in TensorFlow's operations from the papers, by GradientTape
stages.safetensors      TensorFlow's every stage of the first text alone, under the names of bert/plain, and as d/NAME the derivative of
                        that text's loss by it

The first two hold one batch, padded: input_ids, input_mask, segment_ids, labels (-1: unknown), embedding_output, layer_N, pooled_output,
logits, probabilities, loss (the mean over known cells), and gradients/NAME for each variable.

trajectory.json         ten steps of Google's optimizer (optimization.py) over all variables, in numpy on TensorFlow's gradients
trajectory.safetensors  the variables after steps 5 and 10, as stepN/NAME
resume_tf/              the training checkpoint behind step 5, in float32, by TensorFlow's Saver

Made with Python 3.11.7, torch 2.13.0, tensorflow-cpu 2.21.0, transformers 5.23.0, safetensors 0.8.0, numpy 2.4.6. The two agree to 1e-14
in every number, which is asserted below.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import json
import math
import sys

sys.modules["triton"] = None  # not needed, and the process dies if it is loaded beside TensorFlow
import numpy as np
import tensorflow as tf
import torch
from safetensors.numpy import save_file
from transformers import BertConfig, BertModel

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "..", "tiny")
S = 16

# Labels are those of the tiny model, -1 is unknown. Some are wrong, or there would hardly be a gradient.
ROWS = [json.loads(line) for line in open(os.path.join(HERE, "texts.jsonl"))]
TEXTS = [(row["text"], row.get("text_b"), row["labels"]) for row in ROWS]

vocab = open(os.path.join(TINY, "vocab.txt")).read().split()
config = json.load(open(os.path.join(TINY, "bert_config.json")))
reader = tf.train.load_checkpoint(os.path.join(TINY, "bert_model.ckpt"))
weights = {name: reader.get_tensor(name).astype(np.float64) for name in reader.get_variable_to_shape_map()}
layers, heads = config["num_hidden_layers"], config["num_attention_heads"]


def batch(texts, length):
    """Ids, mask and segments, padded to length; every word of TEXTS is in the vocabulary or unknown as a whole."""
    ids, mask, segments = (np.zeros((len(texts), length), np.int32) for _ in range(3))
    for i, (a, b, _) in enumerate(texts):
        tokens = ["[CLS]"] + a.split() + ["[SEP]"]
        first = len(tokens)
        if b is not None:
            tokens += b.split() + ["[SEP]"]
        for j, token in enumerate(tokens):
            ids[i, j] = vocab.index(token if token in vocab else "[UNK]")
            mask[i, j], segments[i, j] = 1, j >= first
    return ids, mask, segments


def outputs_of(texts):
    """The names and arrays of a batch that both libraries share."""
    length = S if len(texts) > 1 else 2 + len(texts[0][0].split())
    ids, mask, segments = batch(texts, length)
    return ids, mask, segments, np.array([labels for _, _, labels in texts], np.int32)


def in_tensorflow(texts, weights=weights):
    """Returns outputs, gradients by variable, stages, and gradients by stage."""
    ids, mask, segments, labels = outputs_of(texts)
    w = {name: tf.constant(value) for name, value in weights.items()}
    stages = {}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(list(w.values()))

        def stage(name, x):
            tape.watch(x)
            stages[name] = x
            return x

        def dense(name, x):
            return stage(name, x @ w[name + "/kernel"] + w[name + "/bias"])

        def norm(name, x):  # Ba et al. 2016, section 3
            mean = tf.reduce_mean(x, -1, keepdims=True)
            variance = tf.reduce_mean((x - mean) ** 2, -1, keepdims=True)
            return stage(name, w[name + "/gamma"] * (x - mean) / tf.sqrt(variance + 1e-12) + w[name + "/beta"])

        def split(x):  # [batch, heads, S, D]
            return tf.transpose(tf.reshape(x, (len(texts), -1, heads, x.shape[-1] // heads)), (0, 2, 1, 3))

        e = "bert/embeddings/"
        x = stage(e + "word", tf.gather(w[e + "word_embeddings"], ids))
        x += stage(e + "token_type", tf.gather(w[e + "token_type_embeddings"], segments))
        x += stage(e + "position", tf.broadcast_to(w[e + "position_embeddings"][: ids.shape[1]], x.shape))
        x = stage("embedding_output", norm(e + "LayerNorm", stage(e + "sum", x)))
        hide = -10000.0 * (1 - mask[:, None, None, :].astype(np.float64))
        for n in range(layers):
            s = f"bert/encoder/layer_{n}/"
            q, k, v = (split(dense(s + "attention/self/" + name, x)) for name in ("query", "key", "value"))
            scores = stage(s + "attention/self/scores", q @ tf.transpose(k, (0, 1, 3, 2)) / math.sqrt(q.shape[-1]))
            probs = stage(s + "attention/self/probs", tf.nn.softmax(scores + hide))
            context = tf.reshape(tf.transpose(probs @ v, (0, 2, 1, 3)), x.shape)  # Vaswani et al. 2017, 3.2
            a = dense(s + "attention/output/dense", stage(s + "attention/self/context", context))
            a = norm(s + "attention/output/LayerNorm", stage(s + "attention/output/sum", x + a))
            inner = dense(s + "intermediate/dense", a)  # 3.3, with the tanh form of GELU
            act = inner / 2 * (1 + tf.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
            y = dense(s + "output/dense", stage(s + "intermediate/act", act))
            x = stage(f"layer_{n}", norm(s + "output/LayerNorm", stage(s + "output/sum", a + y)))
        pooled = stage("pooled_output", tf.tanh(dense("bert/pooler/dense", x[:, 0])))
        logits = stage("logits", tf.matmul(pooled, w["output_weights"], transpose_b=True) + w["output_bias"])
        probabilities = stage("probabilities", tf.sigmoid(logits))
        known = labels >= 0
        cells = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.constant(np.maximum(labels, 0), tf.float64), logits=logits)
        loss = tf.reduce_sum(tf.where(known, cells, 0)) / known.sum()
    dense_gradient = lambda g: tf.convert_to_tensor(g).numpy()
    gradients = {name: dense_gradient(tape.gradient(loss, value)) for name, value in w.items()}
    dstages = {name: dense_gradient(tape.gradient(loss, x)) for name, x in stages.items() if name != "probabilities"}
    return {"loss": loss.numpy()}, gradients, {name: x.numpy() for name, x in stages.items()}, dstages


def in_pytorch(texts):
    """The same by transformers; of the stages those that its modules show."""
    ids, mask, segments, labels = outputs_of(texts)
    c = {key: config[key] for key in config if key != "hidden_act"}
    model = BertModel(BertConfig(**c, hidden_act="gelu_new", layer_norm_eps=1e-12, attn_implementation="eager")).double()
    parameters, names = dict(model.named_parameters()), {}
    for name, value in weights.items():
        if not name.startswith("bert/"):
            continue
        theirs = name.removeprefix("bert/").replace("layer_", "layer.").replace("/", ".").replace("kernel", "weight")
        theirs = theirs.replace("gamma", "weight").replace("beta", "bias").replace("_embeddings", "_embeddings.weight")
        names[name] = parameters.pop(theirs)
        names[name].data = torch.tensor(value.T if name.endswith("kernel") else value)
    assert not parameters, parameters
    head = [torch.tensor(weights[name], requires_grad=True) for name in ("output_weights", "output_bias")]

    stages = {}

    def keep(name, x):
        x.retain_grad()
        stages[name] = x

    def hook(module, of_output, name, of_input=None):
        def f(_, inputs, output):
            if of_output:
                keep(name, output)
            if of_input:
                keep(of_input, inputs[0])

        module.register_forward_hook(f)

    hook(model.embeddings.LayerNorm, True, "bert/embeddings/LayerNorm", "bert/embeddings/sum")
    for n, layer in enumerate(model.encoder.layer):
        s = f"bert/encoder/layer_{n}/"
        for name in ("query", "key", "value"):
            hook(getattr(layer.attention.self, name), True, s + "attention/self/" + name)
        hook(layer.attention.output.dense, True, s + "attention/output/dense", s + "attention/self/context")
        hook(layer.attention.output.LayerNorm, True, s + "attention/output/LayerNorm", s + "attention/output/sum")
        hook(layer.intermediate.dense, True, s + "intermediate/dense")
        hook(layer.output.dense, True, s + "output/dense", s + "intermediate/act")
        hook(layer.output.LayerNorm, True, s + "output/LayerNorm", s + "output/sum")
    hook(model.pooler.dense, True, "bert/pooler/dense")

    tensor = lambda x: torch.tensor(x.astype(np.int64))
    r = model(tensor(ids), attention_mask=tensor(mask), token_type_ids=tensor(segments), output_hidden_states=True, output_attentions=True)
    for n, x in enumerate(r.hidden_states):
        keep(f"layer_{n - 1}" if n else "embedding_output", x)
    for n, x in enumerate(r.attentions):
        keep(f"bert/encoder/layer_{n}/attention/self/probs", x)
    keep("pooled_output", r.pooler_output)
    logits = r.pooler_output @ head[0].T + head[1]
    keep("logits", logits)
    known = torch.tensor(labels >= 0)
    cells = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(np.maximum(labels, 0)).double(), reduction="none")
    loss = (cells * known).sum() / known.sum()
    loss.backward()

    gradients = {name: (p.grad.T if name.endswith("kernel") else p.grad).numpy() for name, p in names.items()}
    gradients |= {"output_weights": head[0].grad.numpy(), "output_bias": head[1].grad.numpy()}
    dstages = {name: x.grad.numpy() for name, x in stages.items() if x.grad is not None}
    values = {name: x.detach().numpy() for name, x in stages.items()} | {"probabilities": torch.sigmoid(logits).detach().numpy()}
    return {"loss": loss.detach().numpy()}, gradients, values, dstages


def far(x, y):
    return float(np.abs(x - y).max())


def flat(x):
    """A stage of one text as bert/plain has it: [rows, columns], the heads one below the other."""
    return x.reshape(-1, x.shape[-1])


theirs, ours = in_tensorflow(TEXTS), in_pytorch(TEXTS)
largest = {"outputs": 0.0, "gradients": 0.0, "stages of the first text": 0.0, "gradients by them": 0.0}
ids, mask, segments, labels = outputs_of(TEXTS)
shown = ["embedding_output", *(f"layer_{n}" for n in range(layers)), "pooled_output", "logits", "probabilities"]
for file, (loss, gradients, stages, _) in (("tensorflow", theirs), ("pytorch", ours)):
    tensors = {"input_ids": ids, "input_mask": mask, "segment_ids": segments, "labels": labels, **loss}
    tensors |= {name: stages[name] for name in shown} | {"gradients/" + name: g for name, g in gradients.items()}
    assert len(gradients) == len(weights)
    for name in shown:
        largest["outputs"] = max(largest["outputs"], far(stages[name][mask == 1] if stages[name].ndim == 3 else stages[name],
                                                         theirs[2][name][mask == 1] if stages[name].ndim == 3 else theirs[2][name]))
    for name, g in gradients.items():
        largest["gradients"] = max(largest["gradients"], far(g, theirs[1][name]))
    save_file({name: np.ascontiguousarray(x) for name, x in tensors.items()}, os.path.join(HERE, file + ".safetensors"))

loss, gradients, stages, dstages = in_tensorflow(TEXTS[:1])
_, _, values, dvalues = in_pytorch(TEXTS[:1])
for name, x in values.items():
    largest["stages of the first text"] = max(largest["stages of the first text"], far(x, stages[name]))
for name, x in dvalues.items():
    largest["gradients by them"] = max(largest["gradients by them"], far(x, dstages[name]))
tensors = {name: flat(x) for name, x in stages.items()} | {"d/" + name: flat(x) for name, x in dstages.items()}
tensors |= {"input_ids": ids[:1, : stages["embedding_output"].shape[1]], "labels": labels[:1], **loss}
save_file({name: np.ascontiguousarray(x) for name, x in tensors.items()}, os.path.join(HERE, "stages.safetensors"))
print(f"PyTorch shows {len(values)} of {len(stages)} stages, {len(dvalues)} of {len(dstages)} gradients by them. Largest differences:")
print(largest)
assert max(largest.values()) < 1e-14

def rate_of(g):
    """The rate behind g steps, rounded as TensorFlow 2.21 does (train/schedule.go)."""
    one, peak = np.float32(1), np.float32(RATE)
    if g < WARMUP:
        return np.float32(g) * (peak * (one / np.float32(WARMUP)))
    return peak * (one - np.float32(g) * (one / np.float32(STEPS)))


# Training, in batches of 4 rows in their order, on and on.
STEPS, WARMUP, BATCH, RATE, CLIP = 10, 2, 4, 2e-3, 1.0
w = {name: value.copy() for name, value in weights.items()}
m, v = ({name: np.zeros_like(value) for name, value in weights.items()} for _ in range(2))
log, kept = [], {}
for g in range(STEPS):
    rows = [(BATCH * g + i) % len(TEXTS) for i in range(BATCH)]
    loss, gradients, _, dstages = in_tensorflow([TEXTS[row] for row in rows], w)
    square = {name: float((dw**2).sum()) for name, dw in gradients.items()}
    dense_norm = math.sqrt(sum(square.values()))
    square["bert/embeddings/word_embeddings"] = float((dstages["bert/embeddings/word"] ** 2).sum())  # a row for each token, not yet summed
    norm = math.sqrt(sum(square.values()))
    rate = float(rate_of(g))
    for name, dw in gradients.items():
        dw = dw * CLIP / max(norm, CLIP)
        m[name] = 0.9 * m[name] + 0.1 * dw
        v[name] = 0.999 * v[name] + 0.001 * dw**2
        decay = 0 if "LayerNorm" in name or "bias" in name else 0.01
        w[name] = w[name] - rate * (m[name] / (np.sqrt(v[name]) + 1e-6) + decay * w[name])
    log.append({"rows": rows, "learning_rate": rate, "loss": float(loss["loss"]), "global_norm": norm, "global_norm_dense": dense_norm})
    if g + 1 in (5, 10):
        kept |= {f"step{g + 1}/{name}": np.ascontiguousarray(value) for name, value in w.items()}
    if g + 1 == 5:
        graph = tf.Graph()
        with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
            moments = {f"{name}/adam_{letter}": x for letter, of in (("m", m), ("v", v)) for name, x in of.items()}
            values = {name: x.astype(np.float32) for name, x in (w | moments).items()} | {"global_step": np.int64(5)}
            for name, x in values.items():
                tf.compat.v1.get_variable(name, initializer=x)
            session.run(tf.compat.v1.global_variables_initializer())
            saver = tf.compat.v1.train.Saver(save_relative_paths=True)
            saver.save(session, os.path.join(HERE, "resume_tf", "model.ckpt"), global_step=5, write_meta_graph=False)
settings = {"init_lr": RATE, "num_train_steps": STEPS, "num_warmup_steps": WARMUP, "batch_size": BATCH, "clip_norm": CLIP, "steps": log}
with open(os.path.join(HERE, "trajectory.json"), "w") as f:
    json.dump({"all": settings}, f, indent=1)
    f.write("\n")
save_file(kept, os.path.join(HERE, "trajectory.safetensors"))
print("norms", [round(step["global_norm"], 3) for step in log], "losses", [round(step["loss"], 3) for step in log])
