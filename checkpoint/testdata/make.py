#!/usr/bin/env python3
"""Writes small checkpoints with TensorFlow's own writers into good/, and manifest.json, which says what they hold.

    python make.py

Made with Python 3.11.7, tensorflow-cpu 2.21.0, numpy 2.4.6. sha256 is that of a tensor's elements, little-endian and row-major; of
strings, for each its length in 8 bytes and then its bytes. object_based_bert is bert/testdata/tiny under the names and in the shapes of
tensorflow/models (tf1_name and tf1_shape are Google's).
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import hashlib
import json
import shutil
import struct

import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = os.path.join(HERE, "good")
tf1 = tf.compat.v1
rng = np.random.default_rng(1)
cases = []


def array(*shape, dtype=np.float32):
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    return np.asarray(rng.normal(size=shape)).astype(dtype)


def record(name, value, **more):
    value = np.asarray(value)
    if value.dtype.kind in "SO":
        raw = b"".join(struct.pack("<Q", len(s)) + s for s in value.ravel().tolist())
        return {"name": name, "dtype": "string", "shape": list(value.shape), "sha256": hashlib.sha256(raw).hexdigest(), **more}
    sha256 = hashlib.sha256(value.tobytes()).hexdigest()
    return {"name": name, "dtype": str(value.dtype), "shape": list(value.shape), "sha256": sha256, **more}


def add(name, kind, path, tensors):
    cases.append({"name": name, "kind": kind, "path": f"good/{name}/{path}", "made_by": "tensorflow", "tensors": tensors})


def save(name, values, path="model.ckpt", kind="tf_v2", place=lambda i: "/cpu:0", named=None, **saver):
    """Saves variables of these values by tf.train.Saver; a value may be (array, partitioner)."""
    folder = os.path.join(GOOD, name)
    os.makedirs(folder)
    graph = tf.Graph()
    with graph.as_default():
        for i, (key, value) in enumerate(values.items()):
            with tf.device(place(i)):
                if isinstance(value, tuple):
                    part = lambda shape, dtype, partition_info, whole=value[0]: whole[
                        tuple(slice(at, at + n) for at, n in zip(partition_info.var_offset, shape))]
                    tf1.get_variable(key, shape=value[0].shape, initializer=part, partitioner=value[1], use_resource=False)
                else:
                    tf1.get_variable(key, initializer=value, use_resource=False)
        config = tf1.ConfigProto(device_count={"CPU": 2})
        with tf1.Session(config=config) as session:
            session.run(tf1.global_variables_initializer())
            s = tf1.train.Saver(save_relative_paths=True, **saver)
            s.save(session, os.path.join(folder, path), write_meta_graph=False, write_state=False)
    add(name, kind, named or path, [record(key, value[0] if isinstance(value, tuple) else value) for key, value in values.items()])


def object_based_bert():
    class Node(tf.Module):
        pass

    reader = tf.train.load_checkpoint(os.path.join(HERE, "../../bert/testdata/tiny/bert_model.ckpt"))
    heads, root, tensors = 2, Node(), []

    def put(path, google, shape=None):
        value = reader.get_tensor(google)
        stored = value.reshape(shape) if shape else value
        *parts, leaf = path.split("/")
        node = root
        for part in parts:
            if not hasattr(node, part):
                setattr(node, part, Node())
            node = getattr(node, part)
        setattr(node, leaf, tf.Variable(stored))
        tensors.append(record(path + "/.ATTRIBUTES/VARIABLE_VALUE", stored, tf1_name=google, tf1_shape=list(value.shape)))

    def dense(path, google, kernel=None, bias=None):
        put(path + "/kernel", google + "/kernel", kernel)
        put(path + "/bias", google + "/bias", bias)

    def norm(path, google):
        put(path + "/gamma", google + "/gamma")
        put(path + "/beta", google + "/beta")

    at = "encoder/layer_with_weights-%d"
    for i, table in enumerate(("word", "position", "token_type")):
        put(at % i + "/embeddings", f"bert/embeddings/{table}_embeddings")
    norm(at % 3, "bert/embeddings/LayerNorm")
    h = reader.get_tensor("bert/embeddings/LayerNorm/beta").shape[0]
    d = h // heads
    for n in range(2):
        t, g = at % (4 + n), f"bert/encoder/layer_{n}"
        for name in ("query", "key", "value"):
            dense(f"{t}/_attention_layer/_{name}_dense", f"{g}/attention/self/{name}", (h, heads, d), (heads, d))
        dense(f"{t}/_attention_layer/_output_dense", f"{g}/attention/output/dense", (heads, d, h))
        norm(f"{t}/_attention_layer_norm", f"{g}/attention/output/LayerNorm")
        dense(f"{t}/_intermediate_dense", f"{g}/intermediate/dense")
        dense(f"{t}/_output_dense", f"{g}/output/dense")
        norm(f"{t}/_output_layer_norm", f"{g}/output/LayerNorm")
    dense(at % 6, "bert/pooler/dense")
    folder = os.path.join(GOOD, "object_based_bert")
    os.makedirs(folder)
    prefix = tf.train.Checkpoint(encoder=root.encoder).save(os.path.join(folder, "bert_model.ckpt"))
    os.remove(os.path.join(folder, "checkpoint"))
    shutil.copy(os.path.join(HERE, "../../bert/testdata/tiny/bert_config.json"), folder)
    graph = tf.train.load_checkpoint(prefix).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    tensors.append(record("save_counter/.ATTRIBUTES/VARIABLE_VALUE", np.int64(1)))
    tensors.append(record("_CHECKPOINTABLE_OBJECT_GRAPH", np.array(graph, object)))
    add("object_based_bert", "tf_v2", "bert_model.ckpt-1", tensors)


def saved_model():
    """bert/testdata/tiny as TensorFlow Hub has its encoders: a SavedModel whose variables are a list, with their names in its object graph."""
    reader = tf.train.load_checkpoint(os.path.join(HERE, "../../bert/testdata/tiny/bert_model.ckpt"))
    heads, variables, tensors = 2, [], []
    hidden = reader.get_tensor("bert/embeddings/LayerNorm/beta").shape[0]
    wide = {"kernel": (hidden, heads, hidden // heads), "bias": (heads, hidden // heads)}
    modules = {"word_embeddings/embeddings": ("embeddings/word_embeddings", {}),
               "position_embedding/embeddings": ("embeddings/position_embeddings", {}),
               "type_embeddings/embeddings": ("embeddings/token_type_embeddings", {})}

    def leaves(module, google, names, shapes={}):
        modules.update({f"{module}/{leaf}": (f"{google}/{leaf}", shapes) for leaf in names})

    leaves("embeddings/layer_norm", "embeddings/LayerNorm", ("gamma", "beta"))
    for n in range(2):
        t, g = f"transformer/layer_{n}", f"encoder/layer_{n}"
        for name in ("query", "key", "value"):
            leaves(f"{t}/self_attention/{name}", f"{g}/attention/self/{name}", ("kernel", "bias"), wide)
        leaves(f"{t}/self_attention/attention_output", f"{g}/attention/output/dense", ("kernel", "bias"),
               {"kernel": (heads, hidden // heads, hidden)})
        leaves(f"{t}/self_attention_layer_norm", f"{g}/attention/output/LayerNorm", ("gamma", "beta"))
        leaves(f"{t}/intermediate", f"{g}/intermediate/dense", ("kernel", "bias"))
        leaves(f"{t}/output", f"{g}/output/dense", ("kernel", "bias"))
        leaves(f"{t}/output_layer_norm", f"{g}/output/LayerNorm", ("gamma", "beta"))
    leaves("pooler_transform", "pooler/dense", ("kernel", "bias"))
    for i, (name, (google, shapes)) in enumerate(modules.items()):
        value = reader.get_tensor("bert/" + google)
        stored = value.reshape(shapes.get(name.split("/")[-1], value.shape))
        variables.append(tf.Variable(stored, name=name))
        tensors.append(record(f"variables/{i}/.ATTRIBUTES/VARIABLE_VALUE", stored, tf1_name="bert/" + google, tf1_shape=list(value.shape)))
    root = tf.__internal__.tracking.AutoTrackable()
    root.variables = variables
    folder = os.path.join(GOOD, "saved_model")
    root.vocab_file = tf.saved_model.Asset(os.path.join(HERE, "../../bert/testdata/tiny/vocab.txt"))
    tf.saved_model.save(root, folder)
    for name in ("saved_model.pb", "fingerprint.pb"): # nobody reads them
        os.remove(os.path.join(folder, name))
    shutil.copy(os.path.join(HERE, "../../bert/testdata/tiny/bert_config.json"), folder)
    graph = tf.train.load_checkpoint(os.path.join(folder, "variables/variables")).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    tensors.append(record("_CHECKPOINTABLE_OBJECT_GRAPH", np.array(graph, object)))
    add("saved_model", "tf_v2", "variables/variables", tensors)


shutil.rmtree(GOOD, ignore_errors=True)
bfloat16 = tf.bfloat16.as_numpy_dtype
save("single", {"layer/kernel": array(5, 7), "layer/bias": array(7), "global_step": np.int64(7)}, "model.ckpt-7")
save("dtypes", {str(np.dtype(d)): array(3, 5, dtype=d) for d in (
    np.float32, np.float64, np.float16, bfloat16, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)}
    | {"bool": array(6) > 0, "complex64": array(3).astype(np.complex64) * (1 + 2j), "complex128": array(3, dtype=np.float64) * (2 - 1j),
       "string": np.array([[b"", b"a"], [b"\x00\xff", "żółć".encode()], [b"x" * 200, b"end"]], object)})
save("scalars_and_empty", {"scalar": np.float32(1.5), "text": np.array(b"one", object), "empty": array(0, 4), "none": array(3, 0, 2)})
save("sharded", {f"v{i}": array(i + 1, 3) for i in range(5)}, place=lambda i: f"/cpu:{i % 2}", sharded=True)
save("partitioned", {"rows": (array(10, 4), tf1.fixed_size_partitioner(3, axis=0)),
                     "columns": (array(4, 7), tf1.fixed_size_partitioner(2, axis=1)), "whole": array(2, 2)})
save("v1", {"bias": array(4), "kernel": array(3, 4), "step": np.int64(12), "rows": (array(7, 2), tf1.fixed_size_partitioner(2, axis=0))},
     kind="tf_v1", write_version=tf1.train.SaverDef.V1)
save("v1_sharded", {"bias": array(4), "kernel": array(3, 4), "step": np.int64(12), "rows": (array(7, 2), tf1.fixed_size_partitioner(2, axis=0))},
     path="model.ckpt", kind="tf_v1", place=lambda i: f"/cpu:{i % 2}", named="model.ckpt-?????-of-00002", sharded=True,
     write_version=tf1.train.SaverDef.V1)
object_based_bert()
saved_model()
with open(os.path.join(HERE, "manifest.json"), "w") as f:
    f.write('{"good": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}\n")
