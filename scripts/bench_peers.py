"""Times bertlabel's peers on the machine at hand, PyTorch, ONNX Runtime and OpenVINO, in float32, bf16 and int8, beside `bertlabel bench`.

    python3 -m venv venv && venv/bin/pip install torch transformers onnx onnxruntime onnxscript openvino nncf
    venv/bin/python scripts/bench_peers.py --model minilm --shape 1x16 8x128 --precision bf16 int8 --threads 2

A line of JSON a case with the fields of `bench --json` that all programs share: peer, model, threads, batch, seq, ms (the median of --runs
after one to warm up), ms_min, gflops, and precision. Weights are random, as those of `bench`; gflops counts the matrix products of the
encoder, so a program that leaves padding out gains by it. Other work on the machine disturbs all of them: run this and bench in turn,
several times, and compare ratios. What each row is:

    fp32  torch; onnxruntime, the graph fused by its transformers optimizer; openvino
    bf16  torch_bf16, autocast; openvino_bf16, INFERENCE_PRECISION_HINT bf16
    int8  onnxruntime_int8 and onnxruntime_int8_fused, weights by output channel, activations quantised as they come (quantize_dynamic),
          in the plain and in the fused graph; openvino_int8, weights and activations by NNCF, the rest float32; openvino_int8_bf16,
          the rest bf16; openvino_w8, weights by NNCF alone

--lengths FILE: token counts, a number a line. The peers get such texts sorted, in batches of 64, padded to the longest of a batch; seq
is 0.
"""

import argparse
import contextlib
import functools
import json
import logging
import os
import sys
import tempfile
import time
import warnings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="base", help="base, minilm, or LxH: layers, hidden size")
    parser.add_argument("--shape", nargs="*", default=["1x16", "1x128", "8x128", "32x32"], help="BxS: texts, and tokens of each")
    parser.add_argument("--lengths", help="file of token counts, one a line")
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16", "int8"], choices=["fp32", "bf16", "int8"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--labels", type=int, default=28)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        peers = Peers(options, folder)
        for precision in options.precision:
            for name, make in getattr(peers, precision)().items():
                measure(options, peers.config, precision, name, make())


def measure(options, config, precision, name, call):
    """Prints a line for each shape, and one for the file of lengths. call takes ids and mask."""
    def report(batch, seq, lengths, calls):
        def run():
            start = time.perf_counter()
            for ids, mask in calls:
                call(ids, mask)
            return time.perf_counter() - start

        run()
        times = sorted(run() for _ in range(options.runs))
        median, h = times[len(times) // 2], config.hidden_size
        work = config.num_hidden_layers * sum(24 * s * h * h + 4 * s * s * h for s in lengths)
        print(json.dumps({"peer": name, "model": options.model, "threads": options.threads, "batch": batch, "seq": seq,
                          "ms": round(1e3 * median, 3), "ms_min": round(1e3 * times[0], 3), "gflops": round(work / median / 1e9, 1),
                          "precision": precision}), flush=True)

    for shape in options.shape:
        batch, seq = map(int, shape.split("x"))
        report(batch, seq, [seq] * batch, [padded([seq] * batch)])
    if options.lengths:
        with open(options.lengths) as file:
            lengths = sorted(map(int, file))
        report(len(lengths), 0, lengths, [padded(lengths[i:i + 64]) for i in range(0, len(lengths), 64)])


def padded(lengths):
    """Random ids and the mask of a batch of such texts, [texts, longest]."""
    import torch

    ids = torch.randint(1000, 20000, (len(lengths), max(lengths)))
    mask = torch.ones_like(ids)
    for row, length in enumerate(lengths):
        ids[row, length:], mask[row, length:] = 0, 0
    return ids, mask


class Peers:
    """One model of random weights in the forms that the peers run. A method named by a precision returns {name: what makes its call}."""

    def __init__(self, options, folder):
        from transformers import BertConfig, BertForSequenceClassification

        layers, hidden = {"base": (12, 768), "minilm": (6, 384)}.get(options.model) or map(int, options.model.split("x"))
        self.options, self.folder = options, folder
        self.config = BertConfig(hidden_size=hidden, num_hidden_layers=layers, intermediate_size=4 * hidden, num_labels=options.labels,
                                 num_attention_heads=12 if hidden in (384, 768) else max(1, hidden // 64),
                                 problem_type="multi_label_classification")
        self.model = BertForSequenceClassification(self.config).eval()

    def fp32(self):
        return {"torch": lambda: self.model, "onnxruntime": lambda: self.onnxruntime(self.fused()),
                "openvino": lambda: self.openvino("f32")}

    def bf16(self):
        return {"torch_bf16": lambda: self.autocast, "openvino_bf16": lambda: self.openvino("bf16")}

    def int8(self):
        return {"onnxruntime_int8": lambda: self.onnxruntime(self.dynamic(self.plain())),
                "onnxruntime_int8_fused": lambda: self.onnxruntime(self.dynamic(self.fused())),
                "openvino_int8": lambda: self.openvino("f32", quantise=True),
                "openvino_int8_bf16": lambda: self.openvino("bf16", quantise=True),
                "openvino_w8": lambda: self.openvino("f32", compress=True)}

    def autocast(self, ids, mask):
        import torch

        with torch.autocast("cpu", torch.bfloat16):
            return self.model(ids, mask)

    @functools.cache
    def plain(self):
        """The path of the ONNX file."""
        import torch

        path = os.path.join(self.folder, "plain.onnx")
        axes = {0: "texts", 1: "tokens"}
        torch.onnx.export(self.model, padded([128] * 8), path, input_names=["input_ids", "attention_mask"], output_names=["logits"],
                          opset_version=17, dynamo=False, dynamic_axes={"input_ids": axes, "attention_mask": axes})
        return path

    @functools.cache
    def fused(self):
        from onnxruntime.transformers import optimizer

        path = os.path.join(self.folder, "fused.onnx")
        optimizer.optimize_model(self.plain(), model_type="bert", num_heads=self.config.num_attention_heads,
                                 hidden_size=self.config.hidden_size).save_model_to_file(path)
        return path

    def dynamic(self, path):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        to = path.replace(".onnx", "-int8.onnx")
        quantize_dynamic(path, to, weight_type=QuantType.QInt8, per_channel=True, extra_options={"DefaultTensorType": 1})  # FLOAT
        return to

    def onnxruntime(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.options.threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda ids, mask: session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})

    def openvino(self, precision, quantise=False, compress=False):
        import openvino

        core = openvino.Core()
        model = core.read_model(self.plain())
        more = {}
        if quantise or compress:
            import nncf

            nncf.set_log_level(logging.ERROR)
        with contextlib.redirect_stdout(sys.stderr):  # NNCF's progress bars
            if quantise:
                texts = [dict(zip(("input_ids", "attention_mask"), (t.numpy() for t in padded([32])))) for _ in range(8)]
                model = nncf.quantize(model, nncf.Dataset(texts), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts))
            if compress:
                model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
                more["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "32"
        compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": self.options.threads, "PERFORMANCE_HINT": "LATENCY",
                                                     "INFERENCE_PRECISION_HINT": precision, **more})
        return lambda ids, mask: compiled({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})


if __name__ == "__main__":
    main()
