"""Writes golden.json: what scikit-learn's TfidfVectorizer and LogisticRegression make of a small set of texts.

Python 3, scikit-learn and numpy; the versions that were used stand in the file. Run: python golden.py
"""
import json
import random

import numpy
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

random.seed(1)
WORDS = ("sun rain wind snow the a of in and it is was good bad cold warm very not day night Cold COLD Straße İstanbul ΟΔΟΣ "
         "naïve cafe\u0301 x² ½ snake_case 42 7 愛 日本 don't e-mail 😀 \u0661\u0662 Ⅷ ﬁne zero\u200bwidth").split(" ")
texts = [" ".join(random.choice(WORDS) for _ in range(random.randint(0, 14))) for _ in range(160)]
texts[3], texts[4] = "", "!!! a ?"
labels = numpy.array([["cold" in t.lower() or random.random() < 0.1, "sun" in t and "rain" in t, random.random() < 0.5] for t in texts]).astype(int)
train, test = texts[:120], texts[120:]

cases = []
for min_df, sublinear in [(1, False), (2, True)]:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=min_df, sublinear_tf=sublinear)
    x, x_test = vectorizer.fit_transform(train), vectorizer.transform(test)
    case = {
        "min_df": min_df,
        "sublinear_tf": sublinear,
        "terms": vectorizer.get_feature_names_out().tolist(),
        "idf": vectorizer.idf_.tolist(),
        "test": [dict(zip(map(str, row.indices.tolist()), row.data.tolist())) for row in x_test],
        "regressions": [],
    }
    for c in [0.5, 1, 20]:
        models = [LogisticRegression(C=c, solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(x, labels[:120, k]) for k in range(3)]
        case["regressions"].append({
            "c": c,
            "bias": [m.intercept_[0] for m in models],
            "weight_norm": [float(numpy.linalg.norm(m.coef_)) for m in models],
            "probabilities": [m.predict_proba(x_test)[:, 1].tolist() for m in models],
        })
    cases.append(case)

with open("golden.json", "w") as f:
    json.dump({
        "versions": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__},
        "train": train, "test": test, "labels": labels[:120].tolist(), "cases": cases,
    }, f, indent=0)
