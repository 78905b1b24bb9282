"""Checks bertlabel against TensorFlow, transformers and safetensors. Run by check_with_tensorflow.sh:

    python check_with_tensorflow.py BERTLABEL FOLDER

BERTLABEL is the binary, FOLDER a place for files. Models are small and random. Prints a line for each check; exits 1 if one fails.
"""
import hashlib
import json
import logging
import os
import subprocess
import sys
import warnings

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0", HF_HUB_OFFLINE="1", TQDM_DISABLE="1")

import torch  # before TensorFlow: some pairs of versions crash the other way round
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForPreTraining, BertForSequenceClassification, BertModel

import ml_dtypes
import numpy as np
import safetensors
import tensorflow as tf

BERTLABEL, FOLDER = sys.argv[1:3]
LABELS = ["joy", "anger & co", "süß", "none"]
TOLERANCE = 1e-5  # of logits and embeddings: float32 sums of up to 128 terms of order 1, in another order, through three layers
TEXTS = ["the quick brown fox", "jumps over the lazy dog!", "Ünïcödé ÅCCENTS, naïve café", "你好 world", "a", "", "x" * 120,
         "unbelievable (really?) 3.14 e-mail@example.com", "the the the " * 30]
failures = 0


def check(what, compared, problem=""):
    """Prints the line of one check; a problem is a failure."""
    global failures
    failures += bool(problem)
    print(f"{'FAILED' if problem else 'ok':6} | {what:68} | {compared}{' | ' + problem if problem else ''}", flush=True)


def path(*parts):
    return os.path.join(FOLDER, *parts)


def bertlabel(*args, stdin=""):
    done = subprocess.run([BERTLABEL, *args], input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"bertlabel {' '.join(args)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def inspect(where):
    """Returns {name: (dtype, shape, sha256)} as bertlabel sees a checkpoint."""
    report = json.loads(bertlabel("inspect", "--json", "--verify", where))
    return {t["name"]: (t["dtype"], t["shape"], t["sha256"]) for t in report["tensors"]}


def described(value):
    """Returns what inspect should say of a NumPy array or a TensorFlow one: of strings the elements, each behind its length."""
    value = np.asarray(value, object if isinstance(value, bytes) else None)  # NumPy's own strings lose zero bytes at the end
    if value.dtype.kind in "OS":
        raw = b"".join(len(s).to_bytes(8, "little") + s for s in (bytes(x) for x in value.reshape(-1)))
        return "string", list(value.shape), hashlib.sha256(raw).hexdigest()
    return value.dtype.name, list(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()


def described_torch(value):
    raw = value.contiguous().reshape(-1).view(torch.uint8).numpy() if value.numel() else np.empty(0, np.uint8)
    return str(value.dtype).removeprefix("torch."), list(value.shape), hashlib.sha256(raw.tobytes()).hexdigest()


def compare(what, got, want):
    """Compares two results of inspect or described."""
    wrong = [n for n in want if got.get(n) != want[n]] + [n for n in got if n not in want]
    check(what, f"{len(want)} tensors, bytes equal", f"{len(wrong)} differ: {wrong[:3]}" if wrong else "")


def read_by_tensorflow(what, prefix, ignore=()):
    """Compares a checkpoint that bertlabel wrote with what TensorFlow reads of it."""
    reader = tf.train.load_checkpoint(prefix)
    want = {n: described(reader.get_tensor(n)) for n in reader.get_variable_to_shape_map()}
    compare(what, inspect(prefix), want)
    return {n: reader.get_tensor(n) for n in want}


# ---- models and inputs

def vocabulary():
    words = "the quick brown fox jump over lazy dog un believ really e mail example com naive cafe unicode accent world you 你 好".split()
    pieces = ["##s", "##able", "##ing", "##e", "##x", "##14"] + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = ["[PAD]"] + [f"[unused{i}]" for i in range(5)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words + pieces + list("abcdefghijklmnopqrstuvwxyz0123456789!?.,()-@ü")
    return list(dict.fromkeys(tokens))


def config(**other):
    return BertConfig(**{**dict(vocab_size=len(vocabulary()) + 3, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, max_position_embeddings=128,
                                initializer_range=0.2, id2label=dict(enumerate(LABELS)), label2id={l: i for i, l in enumerate(LABELS)},
                                problem_type="multi_label_classification"), **other})


def tokenizer(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as f:
        f.write("\n".join(vocabulary()) + "\n")
    return transformers.BertTokenizer(vocab=os.path.join(folder, "vocab.txt"), do_lower_case=True) if transformers.__version__ < "5" else \
        transformers.BertTokenizer.from_pretrained(folder, do_lower_case=True)


def random_model(cls=BertForSequenceClassification, **other):
    torch.manual_seed(7)
    model = cls(config(**other)).eval()
    for p in model.parameters():  # transformers starts biases at 0 and LayerNorm at 1, which would hide mistakes
        torch.nn.init.normal_(p, 0.5 if p.dim() == 1 else 0, 0.2)
    return model


def logits_of(model, tok):
    """Returns logits [texts, labels], of each text alone, so that no padding is in them."""
    with torch.no_grad():
        return np.array([model(**tok(t, truncation=True, max_length=128, return_tensors="pt")).logits[0].float().numpy() for t in TEXTS])


def our_logits(folder, *flags):
    rows = bertlabel("predict", "--model", folder, "--logits", "--max-seq-length", "128", *flags, stdin="".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    rows = [json.loads(r) for r in rows.splitlines()]
    labels = list(rows[0]["logits"])
    return np.array([[r["logits"][l] for l in labels] for r in rows]), labels


def close(what, got, want, labels=None):
    difference = float(np.max(np.abs(got - want))) if got.shape == want.shape else float("inf")
    problem = "" if difference <= TOLERANCE else f"differ by {difference:.2g}"
    if labels is not None and labels != LABELS:
        problem += f" labels {labels}"
    check(what, f"{got.shape[0]} texts, largest difference {difference:.1e}", problem)


def google_names(state):
    """Returns {Google's name: array} for the state of a BertForSequenceClassification."""
    out = {}
    for name, value in state.items():
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
        if "position_ids" in name:
            continue
        if name.startswith("classifier."):
            out["output_" + {"weight": "weights", "bias": "bias"}[name.split(".")[1]]] = value
            continue
        google = name.replace(".", "/").replace("layer/", "layer_")
        if google.endswith("embeddings/weight"):
            google = google.removesuffix("/weight")
        elif "LayerNorm" in google:
            google = google.replace("/weight", "/gamma").replace("/bias", "/beta")
        elif google.endswith("/weight"):
            google, value = google.replace("/weight", "/kernel"), np.ascontiguousarray(value.T)
        out[google] = value
    return out


class Warnings(logging.Handler):
    """Collects what the libraries complain of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())

    def __enter__(self):
        self.caught = warnings.catch_warnings(record=True)
        self.seen = self.caught.__enter__()
        warnings.simplefilter("always")
        self.logger = transformers.utils.logging.get_logger("transformers")
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_):
        self.logger.removeHandler(self)
        self.said += [str(w.message) for w in self.seen]
        self.caught.__exit__(None, None, None)


# ---- what bertlabel wrote

def check_our_google_folder(model):
    """convert --to google, read by TensorFlow."""
    bertlabel("convert", "--model", path("hf"), "--output", path("google"), "--to", "google")
    values = read_by_tensorflow("convert --to google: TensorFlow reads the checkpoint", path("google", "bert_model.ckpt"))
    want = {n: described(v) for n, v in google_names(model.state_dict()).items()}
    compare("convert --to google: the weights of the Hugging Face model, transposed", {n: described(v) for n, v in values.items()}, want)
    latest = tf.train.latest_checkpoint(path("google"))
    check("convert --to google: tf.train.latest_checkpoint finds it", os.path.basename(latest or "nothing"), "" if latest == path("google", "bert_model.ckpt") else str(latest))
    tf.raw_ops.SaveV2(prefix=path("same"), tensor_names=sorted(values), shape_and_slices=[""] * len(values), tensors=[values[n] for n in sorted(values)])
    ours, theirs = (open(p + ".index", "rb").read() for p in (path("google", "bert_model.ckpt"), path("same")))
    check("convert --to google: the index is TensorFlow's for these tensors", f"{len(ours)} bytes, equal", "" if ours == theirs else "other bytes")
    graph = tf.Graph()
    with graph.as_default():
        variables = [tf.compat.v1.get_variable(n, v.shape) for n, v in values.items()]
        with tf.compat.v1.Session(graph=graph) as session:
            tf.compat.v1.train.Saver(variables).restore(session, path("google", "bert_model.ckpt"))
            wrong = [v.name for v in variables if not np.array_equal(session.run(v), values[v.op.name])]
    check("convert --to google: tf.compat.v1.train.Saver restores it", f"{len(variables)} variables", f"{wrong[:3]}" if wrong else "")


def check_our_hf_folder(model, tok):
    """convert --to hf of the Google folder, read by transformers and safetensors."""
    bertlabel("convert", "--model", path("google"), "--output", path("hf-again"), "--to", "hf")
    compare("convert there and back: safetensors reads the same bytes", {n: described_torch(v) for n, v in load_file(path("hf-again", "model.safetensors")).items()},
            {n: described_torch(v) for n, v in load_file(path("hf", "model.safetensors")).items()})
    with Warnings() as w:
        again, info = AutoModelForSequenceClassification.from_pretrained(path("hf-again"), output_loading_info=True)
        tok_again = AutoTokenizer.from_pretrained(path("hf-again"))
    odd = {k: v for k, v in info.items() if v}
    check("AutoModelForSequenceClassification reads convert --to hf", f"{type(again).__name__}, no warning, no key missing or left over", f"{w.said} {odd}" if w.said or odd else "")
    c = again.config
    right = c.problem_type == "multi_label_classification" and [c.id2label[i] for i in range(len(LABELS))] == LABELS and c.label2id == {l: i for i, l in enumerate(LABELS)}
    check("its id2label, label2id, problem_type, hidden_act", f"{len(c.id2label)} labels, {c.problem_type}, {c.hidden_act}", "" if right and c.hidden_act == model.config.hidden_act else "wrong")
    got, labels = our_logits(path("google"))
    close("its logits and ours of the Google folder", got, logits_of(again.eval(), tok_again), labels)
    rows = bertlabel("tokenize", "--vocab-file", path("google", "vocab.txt"), "--do-lower-case", stdin="".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    ids = [json.loads(r)["input_ids"] for r in rows.splitlines()]
    for name, t in ("AutoTokenizer", tok_again), ("BertTokenizer from vocab.txt alone", transformers.BertTokenizer.from_pretrained(path("google"), do_lower_case=True)):
        wrong = [text for text, i in zip(TEXTS, ids) if t(text)["input_ids"] != i and len(text) != 120]  # words over 100 characters: see docs
        check(f"{name}: ids of our tokenize", f"{len(TEXTS)} texts", f"{wrong[:2]}" if wrong else "")


def check_our_training(tok):
    """A training checkpoint and the finished folder, read by TensorFlow; embeddings, read by safetensors."""
    with open(path("train.csv"), "w", encoding="utf-8") as f:
        f.write("text,labels\n" + "".join(f'"{t[:60]}","{["joy", "none"][i % 2]}"\n' for i, t in enumerate(TEXTS * 3) if t))
    bertlabel("train", "--model", path("google"), "--train", path("train.csv"), "--output", path("trained"), "--tune", "all", "--max-steps", "4", "--train-batch-size", "4",
              "--save-checkpoints-steps", "2", "--quiet")
    read_by_tensorflow("train --tune all: TensorFlow reads the finished folder", path("trained", "bert_model.ckpt"))
    values = read_by_tensorflow("train --tune all: TensorFlow reads the checkpoint of step 4", path("trained", "checkpoints", "ckpt-000004", "model.ckpt-4"))
    adam = sum(n.endswith(("/adam_m", "/adam_v")) for n in values)
    check("train --tune all: its Adam state and global_step", f"{adam} moments, global_step {values['global_step']}", "" if adam and values["global_step"] == 4 else "wrong")
    bertlabel("embed", "--model", path("google"), "--input", path("train.csv"), "--output", path("e.safetensors"), "--pooling", "mean")
    compare("embed: safetensors reads the file", inspect(path("e.safetensors")), {n: described_torch(v) for n, v in load_file(path("e.safetensors")).items()})


# ---- what TensorFlow wrote

def all_kinds():
    rng = np.random.default_rng(3)
    kinds = {f"numbers/{d}": (rng.normal(size=(3, 5)) * 50).astype(d) for d in ("float16", "float32", "float64", "int8", "int16", "int32", "int64")}
    kinds |= {f"numbers/{d}": rng.integers(0, 200, (4,)).astype(d) for d in ("uint8", "uint16", "uint32", "uint64")}
    kinds |= {"bfloat16": rng.normal(size=(2, 3)).astype(ml_dtypes.bfloat16), "bool": rng.integers(0, 2, (7,)).astype(bool), "complex64": np.array([1 + 2j], np.complex64),
              "complex128": np.array([1 - 2j, 3j]), "scalar": np.float32(3.5), "step": np.int64(-(2**40)), "empty": np.zeros((0, 4), np.float32), "text": np.array([b"", b"a" * 300, "ü".encode()], object),
              "one text": np.array(b"hello", object), "special": np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32)}
    return kinds


def save_v2(prefix, values, shards=1):
    """Writes a V2 checkpoint of TensorFlow with so many data files."""
    names = sorted(values)
    if shards == 1:
        tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=[tf.constant(values[n]) for n in names])
        return
    parts = [f"{prefix}_part{i}" for i in range(shards)]
    for i, part in enumerate(parts):
        save_v2(part, {n: values[n] for n in names[i::shards]})
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix, delete_old_dirs=False)


def save_v1(file, values):
    names = sorted(values)
    tf.raw_ops.Save(filename=file, tensor_names=names, data=[tf.constant(values[n]) for n in names])


class Node(tf.Module):
    """An object whose attributes are what is set."""


def checkpoint_of(values):
    """Returns a tf.train.Checkpoint with a variable at each path of attributes, given as a tuple."""
    root = tf.train.Checkpoint()
    for names, value in values.items():
        at = root
        for name in names[:-1]:
            if not hasattr(at, name):
                setattr(at, name, Node())
            at = getattr(at, name)
        setattr(at, names[-1], tf.Variable(value))
    return root


def tf2_names(values, heads, older):
    """Returns the weights under the attributes of tensorflow/models' encoder, in its shapes."""
    out = {}
    layers = 1 + max(int(n.split("layer_")[1].split("/")[0]) for n in values if "layer_" in n)
    tables = ["word_embeddings", "position_embeddings", "token_type_embeddings"]
    dense = {"attention/self/query": "_attention_layer/_query_dense", "attention/self/key": "_attention_layer/_key_dense", "attention/self/value": "_attention_layer/_value_dense",
             "attention/output/dense": "_attention_output_dense" if older else "_attention_layer/_output_dense", "attention/output/LayerNorm": "_attention_layer_norm",
             "intermediate/dense": "_intermediate_dense", "output/dense": "_output_dense", "output/LayerNorm": "_output_layer_norm"}
    root = "model" if older else "encoder"
    for name, v in values.items():
        parts = name.split("/")
        if not name.startswith("bert/"):
            continue
        if parts[1] == "embeddings":
            key = (f"layer_with_weights-{tables.index(parts[2])}", "embeddings") if parts[2] in tables else ("layer_with_weights-3", parts[3])
        elif parts[1] == "pooler":
            key = ("next_sentence.pooler_dense", parts[3]) if not older else (f"layer_with_weights-{layers + 4}", parts[3])
        else:
            layer, rest, kind = int(parts[2].split("_")[1]), "/".join(parts[3:-1]), parts[-1]
            if "/self/" in name:
                v = v.reshape([v.shape[0], heads, -1] if v.ndim == 2 else [heads, -1])
            elif rest == "attention/output/dense" and kind == "kernel":
                v = v.reshape([heads, -1, v.shape[1]])
            key = (f"layer_with_weights-{4 + layer}", *dense[rest].split("/"), kind)
        out[key if key[0].startswith("next_sentence") else (root, *key)] = v
    return out


def check_their_checkpoints():
    """Every dtype, several files, slices, V1, objects, a SavedModel: all bytes."""
    values = all_kinds()
    want = {n: described(v) for n, v in values.items()}
    save_v2(path("kinds"), values)
    compare("TensorFlow V2: every dtype, scalars, empty, strings", inspect(path("kinds")), want)
    save_v2(path("shards"), values, 4)
    compare("TensorFlow V2: four data files", inspect(path("shards")), want)
    rng = np.random.default_rng(4)
    many = {f"scope_{i % 7}/layer_{i}/kernel_with_a_long_name_that_fills_blocks_{'x' * (i % 90)}": rng.normal(size=(i % 5, 3)).astype("float32") for i in range(5000)}
    save_v2(path("many"), many)
    compare("TensorFlow V2: 5,000 tensors, several index blocks", inspect(path("many")), {n: described(v) for n, v in many.items()})
    v1 = {n: v for n, v in values.items() if v.dtype.name in ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool", "float16", "object") and v.size}
    save_v1(path("old.ckpt"), v1)
    compare("TensorFlow V1, one file", inspect(path("old.ckpt")), {n: described(v) for n, v in v1.items()})
    check_slices(rng)
    objects = checkpoint_of({("a",): values["special"], ("b.c", "d/e"): values["numbers/int32"], ("list", "x"): values["text"]})
    prefix = objects.save(path("objects"))
    reader = tf.train.load_checkpoint(prefix)
    compare("tf.train.Checkpoint: objects, escaped names", inspect(prefix), {n: described(reader.get_tensor(n)) for n in reader.get_variable_to_shape_map()})
    module = Node()
    module.w = tf.Variable(values["numbers/float32"])
    tf.saved_model.save(module, path("saved_model"))
    reader = tf.train.load_checkpoint(path("saved_model", "variables", "variables"))
    compare("a SavedModel, by its folder", inspect(path("saved_model")), {n: described(reader.get_tensor(n)) for n in reader.get_variable_to_shape_map()})


def check_slices(rng):
    w = rng.normal(size=(7, 6)).astype("float32")
    cuts = [(0, 3, 0, 6), (3, 4, 0, 2), (3, 4, 2, 4)]
    specs = [f"7 6 {a},{b}:{c},{d}" for a, b, c, d in cuts]
    pieces = [tf.constant(w[a:a + b, c:c + d]) for a, b, c, d in cuts]
    rows = [f"7 6 {a},{n}:-" for a, n in ((0, 3), (3, 3), (6, 1))]
    for i, (spec, piece) in enumerate(zip(specs, pieces)):
        tf.raw_ops.SaveV2(prefix=path(f"slice{i}"), tensor_names=["w", f"other{i}"], shape_and_slices=[spec, ""], tensors=[piece, tf.constant(float(i))])
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[path(f"slice{i}") for i in range(3)], destination_prefix=path("slices"), delete_old_dirs=False)
    compare("TensorFlow V2: slices over two axes in three files", inspect(path("slices")), {"w": described(w)} | {f"other{i}": described(np.float32(i)) for i in range(3)})
    tf.raw_ops.SaveSlices(filename=path("slices.v1"), tensor_names=["w"] * 3, shapes_and_slices=rows, data=[tf.constant(w[a:b]) for a, b in ((0, 3), (3, 6), (6, 7))])
    compare("TensorFlow V1: slices", inspect(path("slices.v1")), {"w": described(w)})


def check_their_models(model, tok):
    """The same BERT in each of TensorFlow's ways to save it: logits."""
    want, values = logits_of(model, tok), google_names(model.state_dict())
    kinds = {"V2, one file": lambda p: save_v2(p, values), "V2, three files": lambda p: save_v2(p, values, 3), "V1": lambda p: save_v1(p, values),
             "V2 of float64": lambda p: save_v2(p, {n: v.astype("float64") for n, v in values.items()}),
             "V2 under a scope, with Adam's moments": lambda p: save_v2(p, {("module/" + n if n.startswith("bert/") else n): v for n, v in values.items()} |
                                                                        {f"{n}/adam_{s}": v for n, v in values.items() for s in "mv"} | {"global_step": np.int64(9)})}
    for i, (name, save) in enumerate(kinds.items()):
        save(path(f"bert{i}.ckpt"))
        got, labels = our_logits(path("google"), "--init-checkpoint", path(f"bert{i}.ckpt"))
        close(f"BERT by TensorFlow, {name}", got, want, labels)
    for dtype in "float16", "bfloat16":
        low = {n: v.astype(dtype if dtype == "float16" else ml_dtypes.bfloat16) for n, v in values.items()}
        save_v2(path(dtype), low)
        rounded = random_model()
        rounded.load_state_dict({n: v.to(getattr(torch, dtype)).float() for n, v in model.state_dict().items()})
        got, labels = our_logits(path("google"), "--init-checkpoint", path(dtype))
        close(f"BERT by TensorFlow, V2 of {dtype}", got, logits_of(rounded.eval(), tok), labels)
    with torch.no_grad():
        pooled = np.array([model.bert(**tok(t, truncation=True, max_length=128, return_tensors="pt")).pooler_output[0].numpy() for t in TEXTS])
    for older in False, True:
        prefix = checkpoint_of(tf2_names(values, 4, older)).save(path(f"tf2-{older}"))
        rows = bertlabel("embed", "--model", path("google"), "--init-checkpoint", prefix, "--pooling", "pooled", "--max-seq-length", "128", stdin="".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
        close(f"BERT by tf.train.Checkpoint, the {'older' if older else 'newer'} names of tf-models", np.array([json.loads(r)["embedding"] for r in rows.splitlines()]), pooled)


# ---- what transformers wrote

def check_their_folders(tok):
    """save_pretrained in every form: hashes and logits."""
    def folder(name, model, **how):
        model.save_pretrained(path(name), **how)
        tok.save_pretrained(path(name))
        return path(name)

    def hashes(where):
        files = sorted(f for f in os.listdir(where) if f.endswith(".safetensors"))
        want = {n: described_torch(v) for f in files for n, v in load_file(os.path.join(where, f)).items()}
        index = os.path.join(where, "model.safetensors.index.json")
        compare(f"transformers, {os.path.basename(where)}: {len(files)} file(s)", inspect(index if os.path.exists(index) else where), want)

    for act in "gelu", "gelu_new", "relu":
        model = random_model(hidden_act=act)
        where = folder(f"hf-{act}", model)
        got, labels = our_logits(where)
        close(f"transformers, hidden_act {act}", got, logits_of(model, tok), labels)
    for dtype in "float32", "float16", "bfloat16":
        model = random_model()
        for name, how in ("one", {}), ("sharded", {"max_shard_size": "100KB"}):
            where = folder(f"hf-{dtype}-{name}", model.to(getattr(torch, dtype)), **how)
            hashes(where)
            got, labels = our_logits(where)
            close(f"transformers, {dtype} {name}", got, logits_of(model.float(), tok), labels)
    model = random_model()
    where = folder("hf-tokenizer-json", model)
    for f in "vocab.txt", "special_tokens_map.json":
        if os.path.exists(os.path.join(where, f)):
            os.remove(os.path.join(where, f))
    got, labels = our_logits(where)
    close("transformers, tokenizer.json without vocab.txt", got, logits_of(model, tok), labels)
    for scope in "bert.", "", "model.", "model.bert.":
        state = {(scope + n.removeprefix("bert.") if n.startswith("bert.") else scope.removesuffix("bert.") + n): v for n, v in model.state_dict().items()}
        save_file(state, os.path.join(where, "model.safetensors"), metadata={"format": "pt"})
        got, labels = our_logits(where)
        close(f"names with the prefix {scope!r}", got, logits_of(model, tok), labels)
    for cls in BertModel, BertForPreTraining:
        where = folder(f"hf-{cls.__name__}", cls(config()).eval())
        hashes(where)
        body = cls.from_pretrained(where).eval()
        with torch.no_grad():
            want = np.array([getattr(body, "bert", body)(**tok(t, truncation=True, max_length=128, return_tensors="pt")).pooler_output[0].numpy() for t in TEXTS])
        rows = bertlabel("embed", "--model", where, "--pooling", "pooled", "--max-seq-length", "128", stdin="".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
        close(f"transformers, {cls.__name__}: pooled output", np.array([json.loads(r)["embedding"] for r in rows.splitlines()]), want)


def main():
    print("; ".join([f"TensorFlow {tf.__version__}", f"transformers {transformers.__version__}", f"safetensors {safetensors.__version__}", f"torch {torch.__version__}"]))
    transformers.utils.logging.disable_progress_bar()
    model, tok = random_model(), tokenizer(path("vocab"))
    model.save_pretrained(path("hf"))
    tok.save_pretrained(path("hf"))
    check_our_google_folder(model)
    check_our_hf_folder(model, tok)
    check_our_training(tok)
    check_their_checkpoints()
    check_their_models(model, tok)
    check_their_folders(tok)
    print(f"{failures} failed")
    sys.exit(failures > 0)


main()
