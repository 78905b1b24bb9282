"""Makes folders/ and folders.json: folders of Hugging Face and sentence-transformers as people have them, and what those libraries make of texts.

    python folders.py     # Python 3.11; torch 2.15.0, transformers 5.24.0, tokenizers 0.23.3, sentence-transformers 6.2.0

A tiny BERT with random weights stands in folders/base, without its head in folders/encoder; each other folder has the files that it changes. Token ids, logits and vectors are those of
the libraries, read back from the folder that the two make together.
"""

import json
import pathlib
import shutil
import tempfile

import torch
import transformers
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification, pipeline

here = pathlib.Path(__file__).parent
out = here / "folders"
shutil.rmtree(out, ignore_errors=True)
base = out / "base"
base.mkdir(parents=True)
transformers.logging.set_verbosity_error()

words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on a mat dog ran home big red sad happy . , ! ##s [ ] name < > e ##1 brand new"
vocab = words.split()
added = ["[NAME]", "<e1>", "brandnew"]  # words of the vocabulary for all, added tokens for one folder
torch.manual_seed(19)
config = BertConfig(
    vocab_size=len(vocab + added), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=16,
    num_labels=3, id2label={0: "joy", 1: "anger", 2: "fear"}, label2id={"joy": 0, "anger": 1, "fear": 2},
    problem_type="multi_label_classification",
)
model = BertForSequenceClassification(config).eval()
for p in model.parameters():
    p.data = p.data + 0.3 * torch.randn_like(p)
model.save_pretrained(base)
encoder = out / "encoder"  # the same without a head, as sentence-transformers has it
model.bert.save_pretrained(encoder)
for folder in [base, encoder]:
    (folder / "vocab.txt").write_text("\n".join(vocab + added) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 16}))

texts = [
    "The cat sat on a mat.", "a dog ran home, happy!", "big red cats", "", "the the the the the the the the the the the the the the the the the end of it all",
    "[NAME] sat on a [NAME]", "the[NAME]cat", "<e1>big dog</e1> ran", "a brandnew mat", "brandnewer BRANDNEW brandnew.",
]
plain = json.loads((base / "config.json").read_text())


def changed(**values):
    c = dict(plain)
    for key, value in values.items():
        c.pop(key, None) if value is None else c.__setitem__(key, value)
    return c


def token(text, **flags):
    t = {"content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return t | flags


def tokenizer_config(**more):
    return {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 16} | more


n = len(vocab)
folders = {
    "multi_label": {},
    "single_label": {"config.json": changed(problem_type="single_label_classification")},
    "no_problem_type": {"config.json": changed(problem_type=None)},
    "added_tokens": {
        "tokenizer_config.json": tokenizer_config(added_tokens_decoder={
            str(n): token("[NAME]", special=True), str(n + 1): token("<e1>", lstrip=True, rstrip=True),
            str(n + 2): token("brandnew", single_word=True, normalized=True),
        }),
    },
    "truncation_left": {"tokenizer_config.json": tokenizer_config(truncation_side="left", model_max_length=8)},
    "truncation_right": {"tokenizer_config.json": tokenizer_config(model_max_length=8)},
}
cases = []
for name, files in folders.items():
    (out / name).mkdir()
    for file, content in files.items():
        (out / name / file).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    with tempfile.TemporaryDirectory() as whole:
        shutil.copytree(base, whole, dirs_exist_ok=True)
        shutil.copytree(out / name, whole, dirs_exist_ok=True)
        tokenizer = AutoTokenizer.from_pretrained(whole)
        classifier = AutoModelForSequenceClassification.from_pretrained(whole).eval().double()
        length = tokenizer.model_max_length
        ids = [tokenizer(t, truncation=True, max_length=length)["input_ids"] for t in texts]
        with torch.no_grad():
            logits = [classifier(torch.tensor([i])).logits[0].tolist() for i in ids]
        # What the library makes of the logits: softmax, or with problem_type multi_label_classification sigmoid.
        scores = pipeline("text-classification", model=classifier, tokenizer=tokenizer, top_k=None)
        labels = ["joy", "anger", "fear"]
        said = [{s["label"]: s["score"] for s in scores([t], truncation=True, max_length=length)[0]} for t in texts]
        cases.append({"folder": name, "length": length, "ids": ids, "logits": logits, "scores": [[s[label] for label in labels] for s in said]})

pooling = {"word_embedding_dimension": 8, "pooling_mode_cls_token": False, "pooling_mode_max_tokens": False}
modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
for name, modes, length in [("sentence_mean", {"pooling_mode_mean_tokens": True}, 6), ("sentence_cls", {"pooling_mode_cls_token": True}, 16),
                            ("sentence_cls_mean", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, 8)]:
    folder = out / name
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_text(json.dumps([
        {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind} for i, (path, kind) in enumerate(modules)]))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling | modes))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": length, "do_lower_case": False}))
    with tempfile.TemporaryDirectory() as whole:
        shutil.copytree(encoder, whole, dirs_exist_ok=True)
        shutil.copytree(folder, whole, dirs_exist_ok=True)
        vectors = SentenceTransformer(whole, device="cpu").double().encode(texts, batch_size=1).tolist()
    cases.append({"folder": name, "length": length, "vectors": vectors})

(here / "folders.json").write_text(json.dumps({"texts": texts, "cases": cases}, ensure_ascii=False) + "\n")
