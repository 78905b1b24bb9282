"""Runs the real clients of other servers against `bertlabel serve`, checks what they make of its answers, and records what went over the wire:
the test data of TestRecordedClients (cmd/bertlabel/internal/serve/testdata/clients), so that the tests need no Python.

    python3 -m venv venv && venv/bin/pip install openai huggingface_hub 'tritonclient[http]' kserve ovmsclient
    go build -o bertlabel ./cmd/bertlabel
    venv/bin/python scripts/record_clients.py ./bertlabel cmd/bertlabel/internal/serve/testdata/clients

A client that is not installed is skipped, and said.
"""

import asyncio
import base64
import http.client
import http.server
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading

MODEL = "bert/testdata/tiny"
TEXTS = ["the food was cold", "great staff", "the waiter was rude and the food was great"]
KEPT = {"content-type", "accept", "inference-header-content-length", "priority", "authorization", "content-encoding", "te", "accept-encoding"}
ANSWERED = {"content-type", "inference-header-content-length", "x-bertlabel-ignored", "www-authenticate"}


class Proxy(http.server.BaseHTTPRequestHandler):
    """Hands requests on to the server and keeps them with their answers."""

    protocol_version = "HTTP/1.1"
    exchanges, port = [], 0

    def handle_any(self):
        body = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        elif length := self.headers.get("Content-Length"):
            body = self.rfile.read(int(length))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "content-length", "connection")}
        connection = http.client.HTTPConnection("127.0.0.1", Proxy.port)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        exchange = {"method": self.command, "path": self.path,
                    "headers": {k: v for k, v in headers.items() if k.lower() in KEPT}, **as_text("body", body),
                    "status": answer.status, "answer_headers": {k: v for k, v in answer.getheaders() if k.lower() in ANSWERED},
                    **as_text("answer", content)}
        Proxy.exchanges.append(exchange)
        self.send_response(answer.status)
        for k, v in answer.getheaders():
            if k.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                self.send_header(k, v)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_HEAD = handle_any

    def log_message(self, *args):
        pass


def as_text(name, content):
    """Returns content under name, or in base64 under name_base64 if it is no text."""
    try:
        text = content.decode()
        if text.isprintable() or all(c.isprintable() or c in "\n\t" for c in text):
            return {name: text} if content else {}
    except UnicodeDecodeError:
        pass
    return {name + "_base64": base64.b64encode(content).decode()}


def near(got, want):
    assert abs(got - want) < 1e-6, (got, want)


def same(got, want):
    assert len(got) == len(want), (got, want)
    for label in want:
        near(got[label], want[label])


def ask(url, path, body):
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def reference(url):
    """What the server's own API says of the texts: label to probability, and the vectors."""
    own = f"http://127.0.0.1:{Proxy.port}"
    predictions = ask(own, "/v1/predict", {"texts": TEXTS})["predictions"]
    vectors = ask(own, "/v1/embed", {"texts": TEXTS})["embeddings"]
    return [p["probabilities"] for p in predictions], vectors


def unit(vector):
    length = sum(v * v for v in vector) ** 0.5
    return [v / length for v in vector]


def run_openai(url, want, vectors):
    import openai

    client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
    for encoding in (openai.NOT_GIVEN, "float"):
        got = client.embeddings.create(model="tiny", input=TEXTS, encoding_format=encoding)
        for i, vector in enumerate(vectors):
            for a, b in zip(got.data[i].embedding, unit(vector), strict=True):
                near(a, b)
        assert got.usage.prompt_tokens > 0
    assert len(client.embeddings.create(model="tiny", input="great staff").data) == 1
    got = client.moderations.create(model="tiny", input=TEXTS)
    for i, scores in enumerate(want):
        same(got.results[i].category_scores.model_dump(exclude_none=True), scores)
        assert got.results[i].flagged == any(p > 0.5 for p in scores.values())
    assert [m.id for m in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "bertlabel"
    try:
        client.embeddings.create(model="tiny", input="a", dimensions=3)
        raise AssertionError("dimensions are taken")
    except openai.BadRequestError as e:
        assert e.type == "invalid_request_error", e.body

    async def later():
        client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        same((await client.moderations.create(input=TEXTS[0])).results[0].category_scores.model_dump(exclude_none=True), want[0])

    asyncio.run(later())


def run_huggingface_hub(url, want, vectors):
    from huggingface_hub import InferenceClient

    client = InferenceClient(url)
    got = client.text_classification(TEXTS[0])
    same({e.label: e.score for e in got}, want[0])
    assert [e.score for e in got] == sorted((e.score for e in got), reverse=True)
    assert len(client.text_classification(TEXTS[0], top_k=2)) == 2
    same({e.label: e.score for e in client.text_classification(TEXTS[1], function_to_apply="sigmoid")}, want[1])
    assert any(e.score < 0 for e in client.text_classification(TEXTS[0], function_to_apply="none"))
    try:
        client.text_classification(TEXTS[0], function_to_apply="softmax")
        raise AssertionError("softmax is taken")
    except Exception as e:
        assert "independent" in str(e), e
    got = InferenceClient(url + "/embed").feature_extraction(TEXTS[0], normalize=True)
    for a, b in zip(got[0], unit(vectors[0]), strict=True):
        near(a, b)


def run_tritonclient(url, want, vectors):
    import numpy
    from tritonclient import http as triton

    client = triton.InferenceServerClient(url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("tiny")
    assert metadata["inputs"][0]["name"] == "text" and metadata["outputs"][0]["datatype"] == "FP32"
    assert client.get_model_repository_index()[0]["name"] == "tiny"
    labels = list(want[0])

    def check(probabilities):
        for i, scores in enumerate(want):
            for j, label in enumerate(labels):
                near(float(probabilities[i][j]), scores[label])

    for binary in (True, False):
        text = triton.InferInput("text", [len(TEXTS)], "BYTES")
        text.set_data_from_numpy(numpy.array([t.encode() for t in TEXTS], dtype=object), binary_data=binary)
        check(client.infer("tiny", [text]).as_numpy("probabilities"))
        outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary), triton.InferRequestedOutput("embedding", binary_data=binary)]
        got = client.infer("tiny", [text], outputs=outputs, request_id="7", priority=2, timeout=5_000_000)
        check(got.as_numpy("probabilities"))
        for row, vector in zip(got.as_numpy("embedding"), vectors, strict=True):
            for a, b in zip(row, vector, strict=True):
                near(float(a), b)
        top = client.infer("tiny", [text], outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=1)])
        for row, scores in zip(top.as_numpy("probabilities"), want, strict=True):
            top = row[0] if isinstance(row[0], str) else row[0].decode()  # text in JSON, bytes in a binary tensor
            score, _, label = top.split(":")
            assert label == max(scores, key=scores.get), (row, scores)
            near(float(score), scores[label])
    try:
        client.infer("tiny", [triton.InferInput("text", [1], "FP32").set_data_from_numpy(numpy.zeros(1, numpy.float32))])
        raise AssertionError("a text of numbers is taken")
    except triton.InferenceServerException as e:
        assert "BYTES" in str(e), e
    client.close()


def run_kserve(url, want, vectors):
    import kserve

    async def run():
        labels = list(want[0])
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v1", retries=1))
        got = await client.infer(url, {"instances": TEXTS}, model_name="tiny")
        for row, scores in zip(got["predictions"], want, strict=True):
            for p, label in zip(row, labels, strict=True):
                near(p, scores[label])
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, "tiny")
        got = await client.explain(url, "tiny", {"instances": TEXTS[:2], "method": "gradient"})
        assert len(got["explanations"]) == 2 and got["explanations"][0][0]["words"], got
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", retries=1))
        assert await client.is_server_ready(url) and await client.is_server_live(url)
        assert await client.is_model_ready(url, "tiny")
        text = kserve.InferInput("text", [len(TEXTS)], "BYTES", data=TEXTS)
        got = await client.infer(url, kserve.InferRequest("tiny", [text]), model_name="tiny")
        assert got.outputs[0].shape == [len(TEXTS), len(labels)], got
        for i, p in enumerate(got.outputs[0].data):
            near(p, want[i // len(labels)][labels[i % len(labels)]])

    asyncio.run(run())


def run_ovmsclient(url, want, vectors):
    import ovmsclient

    client = ovmsclient.make_http_client(url.removeprefix("http://"))
    assert client.get_model_status("tiny")[1]["state"] == "AVAILABLE"
    assert "serving_default" in str(client.get_model_metadata("tiny")) or client.get_model_metadata("tiny")["outputs"]
    ids = ask(f"http://127.0.0.1:{Proxy.port}", "/v1/tokenize", {"texts": TEXTS})["tokens"]
    width = max(map(len, ids))
    rows = [[t["id"] for t in row] + [0] * (width - len(row)) for row in ids]
    mask = [[1] * len(row) + [0] * (width - len(row)) for row in ids]
    got = client.predict({"input_ids": rows, "input_mask": mask, "segment_ids": [[0] * width for _ in ids]}, "tiny")
    for row, scores in zip(got, want, strict=True):
        for p, label in zip(row, scores, strict=True):
            near(float(p), scores[label])


def run_curl(url, want, vectors):
    def curl(path, *arguments, data=None):
        command = ["curl", "-sS", "--fail-with-body", url + path, *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=True, text=True).stdout

    body = ["-H", "Content-Type: application/json", "-d"]
    got = json.loads(curl("/v1/predict", *body, json.dumps({"texts": TEXTS})))
    for p, scores in zip(got["predictions"], want, strict=True):
        same(p["probabilities"], scores)
    same(json.loads(curl("/v1/predict?text=" + TEXTS[0].replace(" ", "+")))["predictions"][0]["probabilities"], want[0])
    rows = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(TEXTS))
    got = curl("/v1/predict", "-H", "Content-Type: application/x-ndjson", "-T", "-", "-X", "POST", data=rows)
    for line, scores in zip(got.splitlines(), want, strict=True):
        same(json.loads(line)["probabilities"], scores)
    table = "id,text\n" + "".join(f'{i},"{t}"\n' for i, t in enumerate(TEXTS))
    got = curl("/v1/predict", "-H", "Content-Type: text/csv", "-H", "Accept: text/csv", "--data-binary", "@-", data=table)
    assert got.splitlines()[0] == "id," + ",".join(want[0]), got
    near(float(got.splitlines()[1].split(",")[1]), next(iter(want[0].values())))
    assert json.loads(curl("/predict", *body, json.dumps({"inputs": TEXTS[0]})))[0]["label"] == max(want[0], key=want[0].get)
    assert curl("/readyz") == "ok\n"


CLIENTS = {"openai": run_openai, "huggingface_hub": run_huggingface_hub, "tritonclient": run_tritonclient, "kserve": run_kserve,
           "ovmsclient": run_ovmsclient, "curl": run_curl}


def version(name):
    if name == "curl":
        return subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1:]
    server = subprocess.Popen([program, "serve", "--model", "tiny=" + MODEL, "--listen", "127.0.0.1:0", "--explain", "--max-wait", "10s"],
                              stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if found := re.search(r"ready after .*http://127\.0\.0\.1:(\d+)", line):
                Proxy.port = int(found[1])
                break
        else:
            sys.exit("the server did not start")
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{proxy.server_port}"
        want, vectors = reference(url)
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        for name, run in CLIENTS.items():
            if not (found := version(name)):
                print(f"skipped: {name} is not installed")
                continue
            Proxy.exchanges = []
            run(url, want, vectors)
            path = os.path.join(folder, name + ".json")
            with open(path, "w") as f:
                json.dump({"client": f"{name} {found}", "exchanges": Proxy.exchanges}, f, indent=1, ensure_ascii=False)
                f.write("\n")
            print(f"{path}: {name} {found}, {len(Proxy.exchanges)} exchanges")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
