"use strict";
const $ = id => document.getElementById(id);
const models = {}; // by name: labels, thresholds
let thresholds = {}, last = null, sent = 0, shown = 0;

// ask sends a request, with the key that was given once where one is needed.
async function ask(path, body, type = "application/json") {
  for (;;) {
    const key = sessionStorage.getItem("key"), headers = {};
    if (body !== undefined) headers["Content-Type"] = type;
    if (key) headers.Authorization = "Bearer " + key;
    const r = await fetch(path, {method: body === undefined ? "GET" : "POST", headers, body});
    if (r.status !== 401) return r;
    const given = prompt("A key is needed");
    if (!given) throw new Error("no key");
    sessionStorage.setItem("key", given);
  }
}

async function answer(r) {
  const b = await r.json();
  if (!r.ok) throw new Error(b.error && b.error.message || r.status);
  return b;
}

function say(error) { $("status").textContent = error ? String(error.message || error) : ""; }

async function start() {
  const list = await answer(await ask("/v1/models"));
  for (const name of list.models) {
    models[name] = await answer(await ask("/v1/models/" + encodeURIComponent(name)));
    $("model").add(new Option(name));
    $("beside").add(new Option(name));
  }
  choose();
}

function choose() {
  thresholds = {...models[$("model").value].thresholds};
  last = null;
  predict();
}

let timer;
function typed() {
  clearTimeout(timer);
  timer = setTimeout(predict, 80);
}

// predict asks for the text as it is; an answer that is older than the one that is shown is dropped.
async function predict() {
  const text = $("text").value, number = ++sent, name = $("model").value, other = $("beside").value;
  $("words").hidden = true;
  snippet();
  if (!text.trim()) { $("bars").replaceChildren(); $("facts").textContent = ""; return; }
  try {
    const begun = performance.now();
    const names = other && other !== name ? [name, other] : [name];
    const b = await answer(await ask("/v1/predict", JSON.stringify({text, model: names})));
    if (number < shown) return;
    shown = number;
    const results = b.results || [b];
    last = {p: results[0].predictions[0], q: results[1] && results[1].predictions[0]};
    $("facts").textContent = `${last.p.tokens} tokens` + (last.p.cut_tokens ? `, ${last.p.cut_tokens} more were cut` : "") +
      `, ${Math.round(performance.now() - begun)} ms, digest ${results[0].digest.slice(0, 12)}`;
    say();
    draw();
  } catch (e) { say(e); }
}

function draw() {
  if (!last) return;
  const labels = Object.keys(last.p.probabilities);
  if ($("sorted").checked) labels.sort((a, b) => last.p.probabilities[b] - last.p.probabilities[a]);
  $("bars").replaceChildren(...labels.map(bar));
}

function make(tag, name, text) {
  const e = document.createElement(tag);
  if (name) e.className = name;
  if (text !== undefined) e.textContent = text;
  return e;
}

function bar(label) {
  const p = last.p.probabilities[label], limit = thresholds[label];
  const row = make("div", "bar" + (p > limit ? " over" : ""));
  const name = make("button", "", label);
  name.title = "what each word does for " + label;
  name.onclick = () => explain(label);
  const track = make("div", "track"), fill = make("div", "fill"), mark = make("div", "mark");
  track.setAttribute("role", "meter");
  track.setAttribute("aria-label", label);
  track.setAttribute("aria-valuemin", 0);
  track.setAttribute("aria-valuemax", 1);
  track.setAttribute("aria-valuenow", p);
  fill.style.width = 100 * p + "%";
  mark.style.left = 100 * limit + "%";
  track.append(fill, mark);
  const q = last.q && last.q.probabilities[label];
  if (q !== undefined && last.q) {
    const second = make("div", "fill2");
    second.style.width = 100 * q + "%";
    track.append(second);
    track.title = `${p} and ${q}`;
  }
  const slider = make("input");
  Object.assign(slider, {type: "range", min: 0, max: 1, step: 0.005, value: limit});
  slider.setAttribute("aria-label", "threshold of " + label);
  const value = make("span", "number limit", limit.toFixed(3));
  slider.oninput = () => {
    thresholds[label] = +slider.value;
    value.textContent = thresholds[label].toFixed(3);
    mark.style.left = 100 * thresholds[label] + "%";
    row.classList.toggle("over", p > thresholds[label]);
  };
  row.append(name, make("span", "number", p.toFixed(3)), track, value, slider);
  return row;
}

// explain colours the words: by the gradient at once, then by the integral, whose numbers add up.
async function explain(label) {
  const text = $("text").value, number = shown;
  for (const method of ["gradient", "integrated"]) {
    try {
      const b = await answer(await ask("/v1/explain", JSON.stringify({text, labels: [label], method, model: $("model").value})));
      if (number !== shown) return;
      colour(text, b.explanations[0]);
      say();
    } catch (e) { say(e); return; }
  }
}

function colour(text, e) {
  const bytes = new TextEncoder().encode(text), decoder = new TextDecoder(), parts = [];
  const most = Math.max(1e-9, ...e.words.map(w => Math.abs(w.contribution)));
  let at = 0;
  for (const w of e.words) {
    parts.push(decoder.decode(bytes.slice(at, w.start)));
    const s = make("span", "", decoder.decode(bytes.slice(w.start, w.end))), c = w.contribution;
    s.style.background = `rgb(${c > 0 ? "220 60 50" : "50 110 220"} / ${Math.min(0.75, Math.abs(c) / most * 0.75)})`;
    s.title = (c > 0 ? "+" : "−") + Math.abs(c).toFixed(3);
    s.setAttribute("aria-label", `${w.word} ${s.title}`);
    parts.push(s);
    at = w.end;
  }
  parts.push(decoder.decode(bytes.slice(at)));
  const head = make("p", "", `${e.label}: red speaks for it, blue against it (${e.method}; logit ${e.logit.toFixed(2)}, sum ${e.sum.toFixed(2)})`);
  $("words").replaceChildren(head, ...parts);
  $("words").hidden = false;
}

// records cuts a stream of text into rows; in CSV a line break between quotes is none.
async function* records(file, quoted) {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", at = 0, inside = false;
  for (;;) {
    const {value, done} = await reader.read();
    if (value) rest += value;
    let from = 0;
    for (; at < rest.length; at++) {
      const c = rest[at];
      if (quoted && c === '"') inside = !inside;
      if (c === "\n" && !inside) { yield rest.slice(from, at + 1); from = at + 1; }
    }
    rest = rest.slice(from);
    at -= from;
    if (done) { if (rest.trim()) yield rest; return; }
  }
}

const kinds = {csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/x-ndjson", ndjson: "application/x-ndjson"};
let paused = null, resume = null, output = [];

// label sends a file in parts of 500 rows, two at a time, and never holds more of it than these.
async function label(file) {
  const type = kinds[file.name.split(".").pop().toLowerCase()];
  if (!type) return say("want a .csv, .tsv or .jsonl file");
  const table = type !== kinds.jsonl, begun = performance.now();
  let header = "", part = [], read = 0, done = 0, bad = 0, first = true;
  const waiting = [];
  output = [];
  $("run").hidden = false;
  $("rows").replaceChildren();
  $("download").disabled = true;
  const model = encodeURIComponent($("model").value);
  const send = async rows => {
    for (;;) {
      const r = await ask("/v1/predict?model=" + model, header + rows.join(""), type);
      if (r.status === 429) { await new Promise(f => setTimeout(f, +r.headers.get("Retry-After-Ms") || 500)); continue; }
      if (!r.ok) throw new Error((await r.json()).error.message);
      return r.text();
    }
  };
  const take = async () => {
    const lines = await waiting.shift();
    output.push(lines);
    for (const line of lines.trimEnd().split("\n")) {
      const row = JSON.parse(line);
      done++;
      if (row.error) bad++;
      if (done <= 100) {
        const tr = make("tr");
        tr.append(make("td", "", row.id === undefined ? done : row.id), make("td", "", row.error || row.labels.join(", ") || "–"));
        $("rows").append(tr);
      }
    }
    $("progress").value = read / file.size;
    const seconds = (performance.now() - begun) / 1000;
    $("rate").textContent = `${done} rows, ${bad} bad, ${Math.round(done / seconds)} a second` + (done > 100 ? "; the first 100 are shown" : "");
  };
  try {
    for await (const record of records(file, type === kinds.csv)) {
      read += record.length;
      if (table && first) { header = record; first = false; continue; }
      part.push(record);
      if (part.length === 500) {
        if (paused) await paused;
        waiting.push(send(part));
        part = [];
        if (waiting.length === 2) await take();
      }
    }
    if (part.length) waiting.push(send(part));
    while (waiting.length) await take();
    $("progress").value = 1;
    say();
  } catch (e) { say(e); }
  $("download").disabled = !output.length;
}

function download() {
  const a = make("a");
  a.href = URL.createObjectURL(new Blob(output, {type: "application/x-ndjson"}));
  a.download = "predictions.jsonl";
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

function snippet() {
  const text = $("text").value || "My parcel never came.", name = $("model").value, at = location.origin, j = JSON.stringify;
  const curl = (path, body) => `curl -s ${at}${path} -H 'Content-Type: application/json' \\\n  -d '${j(body).replaceAll("'", "'\\''")}'`;
  $("snippet").textContent = {
    "curl": () => curl("/v1/predict", {text, model: name}),
    "Python": () => `import requests\nr = requests.post(${j(at + "/v1/predict")}, json={"text": ${j(text)}, "model": ${j(name)}})\n` +
      `print(r.json()["predictions"][0]["labels"])`,
    "Go": () => `body, _ := json.Marshal(map[string]string{"text": ${j(text)}, "model": ${j(name)}})\n` +
      `r, err := http.Post(${j(at + "/v1/predict")}, "application/json", bytes.NewReader(body))`,
    "OpenAI moderations": () => curl("/v1/moderations", {input: text, model: name}),
    "text-embeddings-inference": () => curl("/predict", {inputs: text}),
    "TF Serving": () => curl(`/v1/models/${encodeURIComponent(name)}:predict`, {instances: [text]}),
    "Open Inference": () => curl(`/v2/models/${encodeURIComponent(name)}/infer`,
      {inputs: [{name: "text", shape: [1], datatype: "BYTES", data: [text]}]}),
  }[$("shape").value]();
}

$("text").oninput = typed;
$("model").onchange = choose;
$("beside").onchange = predict;
$("sorted").onchange = draw;
$("shape").onchange = snippet;
$("all").oninput = () => {
  $("allvalue").textContent = (+$("all").value).toFixed(3);
  for (const label in thresholds) thresholds[label] = +$("all").value;
  draw();
};
$("reset").onclick = () => { thresholds = {...models[$("model").value].thresholds}; draw(); };
$("copy").onclick = () => navigator.clipboard.writeText(JSON.stringify(thresholds, null, 2) + "\n").catch(say);
$("file").onchange = () => $("file").files.length && label($("file").files[0]);
$("download").onclick = download;
$("pause").onclick = () => {
  if (paused) { resume(); paused = null; } else paused = new Promise(f => resume = f);
  $("pause").textContent = paused ? "go on" : "pause";
};
const drop = $("drop");
drop.ondragover = e => { e.preventDefault(); drop.classList.add("here"); };
drop.ondragleave = () => drop.classList.remove("here");
drop.ondrop = e => {
  e.preventDefault();
  drop.classList.remove("here");
  if (e.dataTransfer.files.length) label(e.dataTransfer.files[0]);
};
start().catch(say);
