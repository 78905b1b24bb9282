#!/usr/bin/env python3
"""Writes added.jsonl: what tokenizers 0.23.3 makes of texts with added tokens, for each of their flags and on both sides of truncation.

    pip install tokenizers==0.23.3 && python3 added.py

The first line is the vocabulary: the tokens of vocab.txt, each once. Then one line a tokenizer: its settings, and rows of text, pair, length ("max", 0: whole) and ids.
"""
import json
import os
import random

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

here = os.path.dirname(os.path.abspath(__file__))
vocab = {}
for line in open(os.path.join(here, "vocab.txt"), encoding="utf-8"):
    if line.strip():
        vocab.setdefault(line.strip(), len(vocab))
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def token(content, **flags):
    return dict(content=content, **flags)


SETS = [
    [],
    [token("covid"), token("the cat")],
    [token("covid", single_word=True), token("Cat", single_word=True), token("co")],
    [token("covid", lstrip=True), token("<x>", rstrip=True), token("<y>", lstrip=True, rstrip=True)],
    [token("Covid", normalized=True), token("ÉTÉ", normalized=True), token("中", normalized=True), token("un", normalized=True)],
    [token("Covid", normalized=True, single_word=True), token("cat", normalized=True, lstrip=True, rstrip=True), token("<y>", lstrip=True)],
    [token("covid", special=True), token("[NEW]", special=True, normalized=True, single_word=True), token("é"), token("_a", single_word=True)],
]
TEXTS = ["", "covid", "Covid", "the covid cat", "xcovid covidx covid-19 (covid)", "the  cat the cat\tthe cat", "a [SEP] b [MASK] c [sep] [UNK][PAD]",
         "été ÉTÉ Été e\u0301te\u0301", "中covid中 a中b", "un unwanted UN", "covid covid  covid", " <x>  <y> <x><y> ", "[NEW] [new] a[NEW]", "_a a_a \u200d_a",
         "the cat sat on the covid", "cat catcat Cat CAT", "\x00covid\x00 cat\ufffd", "co covid coco", "ß covid ẞ"]
PIECES = ["covid", "Covid", "the", "cat", "the cat", " ", "  ", "\t", "<x>", "<y>", "[SEP]", "[MASK]", "[NEW]", "é", "É", "e\u0301", "中", "un", "want",
          "_a", "_", "-", ".", "co", "x", "\u00a0", "\u3000"]

chance = random.Random(19)
texts = TEXTS + ["".join(chance.choices(PIECES, k=chance.randint(2, 9))) for _ in range(120)]

with open(os.path.join(here, "added.jsonl"), "w", encoding="utf-8") as out:
    out.write(json.dumps(dict(vocab=list(vocab)), ensure_ascii=False) + "\n")
    for number, tokens in enumerate(SETS):
        for lower in (True, False):
            t = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
            t.normalizer, t.pre_tokenizer = BertNormalizer(lowercase=lower), BertPreTokenizer()
            t.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                  special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
            t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
            for flags in tokens:
                flags = dict(dict(normalized=False), **flags)
                t.add_tokens([AddedToken(**flags)])
            added = [dict(id=i, content=a.content, single_word=a.single_word, lstrip=a.lstrip, rstrip=a.rstrip, normalized=a.normalized,
                          special=a.special) for i, a in sorted(t.get_added_tokens_decoder().items())]
            rows = []
            for i, text in enumerate(texts):
                t.no_truncation()
                rows.append(dict(text=text, ids=t.encode(text).ids))
                if i % 5 == 0:
                    rows.append(dict(text=text, pair="the cat", ids=t.encode(text, "the cat").ids))
                    t.enable_truncation(6, direction="left")
                    rows.append(dict(text=text, max=6, left=True, ids=t.encode(text).ids))
                    t.enable_truncation(6, direction="right")
                    rows.append(dict(text=text, max=6, ids=t.encode(text).ids))
            out.write(json.dumps(dict(lowercase=lower, added=added, rows=rows), ensure_ascii=False) + "\n")
