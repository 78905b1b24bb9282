"""Makes solver.json: label heads on small features, solved by scikit-learn in float64.

    python solver.py               # Python 3.11, numpy 2.4.6, scikit-learn 1.9.1

Weights and biases are those on the features as they are; the penalty is on the weights for standardised features. Positives that
count q times and smoothed labels are put to scikit-learn as sample weights, the latter with each row twice.
"""

import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

ROWS, HIDDEN, LABELS = 120, 7, 3
POS_WEIGHT, EPSILON = [3.0, 0.5, 1.5], 0.2
rng = np.random.default_rng(7)

x = rng.normal(size=(ROWS, HIDDEN))
x[:, 1] = 0.9 * x[:, 0] + 0.3 * x[:, 1]  # two columns that say nearly the same
x = (x * [1, 1, 100, 1e-3, 1, 1, 0] + [0, 5, -300, 0, 1, 0, 2]).astype(np.float32)  # the last one is constant
truth = StandardScaler().fit_transform(x.astype(np.float64))
y = (truth @ rng.normal(size=(HIDDEN, LABELS)) + rng.logistic(size=(ROWS, LABELS)) > [0, 1, 3]).astype(int)
y[rng.random(y.shape) < 0.1] = -1
z = truth  # standardised
shares = np.where(y < 0, 0, np.clip(0.7 * y + 0.3 * rng.random(y.shape), 0, 1)).astype(np.float32)
shares[::5] = np.maximum(y[::5], 0)  # some are 0 and 1


def solve(label, l2, weights, soft=False):
    """weights(y) are those of softplus(−z) and of softplus(z)."""
    known = y[:, label] >= 0
    targets = shares if soft else y
    a, b = np.array([weights(v) for v in targets[known, label]], dtype=float).T
    features = np.concatenate([z[known], z[known]])
    model = LogisticRegression(C=1 / (known.sum() * l2), solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(features, np.repeat([1, 0], known.sum()), sample_weight=np.concatenate([a, b]))
    w, b0 = model.coef_[0], model.intercept_[0]
    p = 1 / (1 + np.exp(-(z[known] @ w + b0)))
    varying = z.std(axis=0) > 0
    one = np.column_stack([z[known][:, varying], np.ones(known.sum())])
    second = (a + b) * p * (1 - p)
    hessian = (one * second[:, None]).T @ one / known.sum() + np.diag([l2] * varying.sum() + [0])
    deviation = np.where(x.std(axis=0) > 0, x.astype(np.float64).std(axis=0), np.inf)
    raw = w / deviation
    return {
        "weights": raw.tolist(),
        "bias": float(b0 - raw @ x.astype(np.float64).mean(axis=0)),
        "deviation": np.where(np.isinf(deviation), 0, deviation).tolist(),
        "least_curvature": float(np.linalg.eigvalsh(hessian)[0]),  # of the Hessian, by weights of columns that vary and bias
        "curvature": float(second.mean()),
    }


cases = []
for loss in ["sigmoid_cross_entropy", "weighted_sigmoid_cross_entropy", "label_smoothing"]:
    for l2 in [1.0, 1e-2, 1e-4]:
        solutions = []
        for label in range(LABELS):
            weights = {
                "sigmoid_cross_entropy": lambda v: (v, 1 - v),
                "weighted_sigmoid_cross_entropy": lambda v: (POS_WEIGHT[label] * v, 1 - v),
                "label_smoothing": lambda v: (v * (1 - EPSILON) + EPSILON / 2, 1 - v * (1 - EPSILON) - EPSILON / 2),
            }[loss]
            solutions.append(solve(label, l2, weights))
        cases.append({"loss": loss, "l2": l2, "solutions": solutions})
for l2 in [1.0, 1e-2, 1e-4]:  # shares as they are: y·softplus(−z) + (1−y)·softplus(z)
    soft = [solve(label, l2, lambda v: (float(v), 1 - float(v)), soft=True) for label in range(LABELS)]
    cases.append({"loss": "soft", "l2": l2, "solutions": soft})

out = pathlib.Path(__file__).with_suffix(".json")
data = {"features": x.tolist(), "labels": y.tolist(), "shares": shares.tolist(), "pos_weight": POS_WEIGHT, "epsilon": EPSILON, "cases": cases}
out.write_text(json.dumps(data) + "\n")
