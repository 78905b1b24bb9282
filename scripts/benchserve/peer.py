"""A server of other people's making for scripts/bench_serve.sh, on the weights of a folder that `bertlabel convert --to hf` wrote:

    peer.py fastapi|litserve HF_FOLDER PORT THREADS [BATCH]

POST /predict {"texts": [...]} → {"probabilities": [[...]]}. FastAPI is what most people run: ONNX Runtime on THREADS threads behind an endpoint
that takes each request by itself. LitServe joins up to BATCH requests, without waiting for more. Exits with 3 where a package is missing.
"""

import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_OFFLINE"] = "1"
kind, folder, port, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
batch = int(sys.argv[5]) if len(sys.argv) > 5 else 8
try:
    import numpy
    import onnxruntime
    from transformers import BertTokenizerFast

    if kind == "fastapi":
        import fastapi
        import uvicorn
    else:
        import litserve
except ImportError as e:
    print(f"skipped: {kind} needs {e.name}", file=sys.stderr)
    sys.exit(3)


def export(path):
    """Writes the model as ONNX, its layers fused where ONNX Runtime knows how."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(folder).eval()
    model.config.return_dict = False
    ids = torch.ones(2, 8, dtype=torch.long)
    names, axes = ["input_ids", "attention_mask"], {0: "batch", 1: "tokens"}
    with torch.no_grad():
        torch.onnx.export(model, (ids, ids), path + ".plain", input_names=names, output_names=["logits"], opset_version=17, dynamo=False,
                          dynamic_axes={name: axes for name in names})
    fused = optimizer.optimize_model(path + ".plain", model_type="bert", num_heads=model.config.num_attention_heads,
                                     hidden_size=model.config.hidden_size)
    fused.save_model_to_file(path)
    os.remove(path + ".plain")


class Classifier:
    def __init__(self):
        path = os.path.join(folder, "model.onnx")
        if not os.path.exists(path):
            export(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.tokenizer = BertTokenizerFast.from_pretrained(folder)

    def __call__(self, texts):
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="np")
        inputs = {name: tokens[name].astype(numpy.int64) for name in ("input_ids", "attention_mask")}
        logits = self.session.run(None, inputs)[0]
        return (1 / (1 + numpy.exp(-logits.astype(numpy.float64)))).tolist()


def run_fastapi():
    classify, app = Classifier(), fastapi.FastAPI()

    @app.post("/predict")
    def predict(body: dict):
        return {"probabilities": classify(body["texts"])}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


if kind == "litserve":

    class API(litserve.LitAPI):  # at the top, so that its worker processes find it
        def setup(self, device):
            self.classify = Classifier()

        def decode_request(self, request):
            return request["texts"]

        def batch(self, inputs):
            return inputs

        def unbatch(self, output):
            return output

        def predict(self, requests):
            if batch == 1:
                requests = [requests]
            rows = self.classify([text for texts in requests for text in texts])
            answers = []
            for texts in requests:
                answers.append(rows[:len(texts)])
                rows = rows[len(texts):]
            return answers[0] if batch == 1 else answers

        def encode_response(self, output):
            return {"probabilities": output}


def run_litserve():
    api = API(max_batch_size=batch, batch_timeout=0)
    litserve.LitServer(api, accelerator="cpu").run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)


if __name__ == "__main__":
    {"fastapi": run_fastapi, "litserve": run_litserve}[kind]()
