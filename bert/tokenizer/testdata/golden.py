#!/usr/bin/env python3
"""Makes golden.jsonl with Google's own FullTokenizer and the small vocabulary beside this file.

    python golden.py DIR > golden.jsonl

DIR holds tokenization.py of google-research/bert (commit eedf5716ce1268e56f0a50264a88cafad334ac61). Made with Python 3.11.7
(Unicode 14.0.0). Of tensorflow that file uses the opening of a file only, which is replaced here; it also needs six.
"""
import json, os, sys, types

fake = types.ModuleType("tensorflow")
fake.gfile = types.SimpleNamespace(GFile=lambda path, mode: open(path, mode, encoding="utf-8", newline="\n"))
sys.modules["tensorflow"] = fake
sys.path.insert(0, sys.argv[1])
import tokenization

TEXTS = [
    "", " ", "\t\r\n", "The unwanted cat sat on the mat.", "THE CAT'S HAT: wasn't THAT so-so?!", "unwantedly running runner",
    "[CLS] the [MASK] [SEP] [unused0] ##ing [UNK]", "cat\u00a0sat\u3000on\u2003mat", "cat\u2028sat\u2029on", "cat\x0bsat\x0con\x1ca\x85mat",
    "ca\x00t \ufffdsat o\u200bn \ufeffma\u00adt", "$1 + 2 = <3> `a` ^b |c| ~d~", "«the» „cat“ … — ¿sat? ¡on! 、。",
    "Caf\u00e9 cafe\u0301 CAF\u00c9 na\u00efve \u00c5 \u212b \u212a \ufb01", "\u0130\u0130 I\u0307 \u0131", "stra\u00dfe STRA\u1e9eE",
    "\u039f\u0394\u039f\u03a3 \u039f\u0394\u039f\u03a3. \u039f\u0394\u039f\u03a3.\u0391 \u03a3 \u03a3\u0391 1\u03a3 \u02b0\u03a3 \u0391\u03a3\u02b0 \u0391\u03a3'\u0391 \u0391\u03a3\u0301\u0301\u0391 \u0391\u03a3\u00ad\u0391 \u0391\u03a3-\u0391",
    "\u0391'\u03a3 \u0391-\u03a3 \u0391\u4e1c\u03a3 \u0391\u3000\u03a3", "\u0391\u03a3" + "\u0301" * 40 + " \u0391\u03a3" + "\u0301" * 40 + "\u0391",
    "\u6211\u7231the\u4e1c\u4eac cat\u6771", "\u3400\u4dbf\u4dc0 \U00020000\U0002a6df\U0002a6e0 \U0002ceaf\U0002ceb0 \uf900\ufaff \U0002f800",
    "\u6771\u0301cat \u0301\u0301 \u0301cat", "\ud55c\uad6d\uc5b4 \uac00\uac01 \u30ac\u3044", "\u037e \u1fef \u0387 a\u037eb a\u1fefb", "\u0344 \u0958 \u09dc \ufb2a",
    "a\u1b44\u302eb a\u302e\u1b44b", "a" + "\u302e\u1b44" * 25 + "b", "a\u302e\u0301\u1b44 a\u302e\u034f\u1b44",
    "\ue000 x\ue000y \U0010fffd \ufdd0 \U000e0001", "\U0001f600cat\U0001f3fd a\u2764\ufe0fb \U0001f468\u200d\U0001f469",
    "a" * 200, "a" * 201, "the " + "cat" * 67 + " the", "\u00e9" * 200, "e\u0301" * 200, "e\u0301" * 101, "\u0301" * 300 + "cat", "\ud55c" * 66, "\ud55c" * 67, "-" * 250,
    "thethecat", "catz\u00fc", "\u00fccat", "runs ran runned runnings", "#a ## ##ing a##ing",
]
PAIRS = [("the cat sat", "on the mat"), ("the cat", ""), ("the cat", " \u0301 "), ("", "the mat"), ("", ""), ("the", "cat sat on the mat."), ("the cat sat on the mat.", "a")]

tok = {low: tokenization.FullTokenizer(os.path.join(os.path.dirname(os.path.abspath(__file__)), "vocab.txt"), do_lower_case=low) for low in (False, True)}


def row(text, pair, low, n):
    """convert_single_example of run_classifier.py; n = 0 cuts and pads nothing."""
    a, b = tok[low].tokenize(text), tok[low].tokenize(pair) if pair else None
    if n and b:
        while len(a) + len(b) > n - 3:
            (a if len(a) > len(b) else b).pop()
    elif n:
        a = a[:n - 2]
    tokens = ["[CLS]"] + a + ["[SEP]"]
    segments = [0] * len(tokens)
    if b:
        tokens += b + ["[SEP]"]
        segments += [1] * (len(b) + 1)
    pad = [0] * max(0, n - len(tokens))
    r = {"text": text, "do_lower_case": low, "max_seq_length": n, "basic": tok[low].basic_tokenizer.tokenize(text), "tokens": tokens,
         "input_ids": tok[low].convert_tokens_to_ids(tokens) + pad, "input_mask": [1] * len(tokens) + pad, "segment_ids": segments + pad}
    if pair is not None:
        r["text_pair"] = pair
    print(json.dumps(r, separators=(",", ":")))


for low in (True, False):
    for text in TEXTS:
        row(text, None, low, 0)
    for n in range(2, 12):
        row("The cat sat on the mat.", None, low, n)
for text, pair in PAIRS:
    for n in [0] + list(range(3, 13)):
        row(text, pair, True, n)
