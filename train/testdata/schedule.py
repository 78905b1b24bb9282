"""Makes schedule.json: the learning rates that TensorFlow computes for Google's create_optimizer.

    python schedule.py            # Python 3.11, tensorflow-cpu 2.21.0, numpy 2.4.6

The graph is that of create_optimizer in optimization.py of google-research/bert, commit eedf5716.
"""

import json
import os
import pathlib

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import tensorflow

tf = tensorflow.compat.v1
tf.disable_v2_behavior()

CASES = [  # peak, steps, warm-up steps
    (1e-2, 10, 2),
    (1e-3, 10, 2),
    (5e-5, 97, 9),
    (2e-5, 1000, 100),
    (3e-3, 777, 77),
    (1e-2, 37, 0),
    (0.5, 41, 13),
    (3e-5, 23, 7),
]


def learning_rate(init_lr, steps, warmup):
    global_step = tf.train.get_or_create_global_step()
    rate = tf.constant(value=init_lr, shape=[], dtype=tf.float32)
    rate = tf.train.polynomial_decay(rate, global_step, steps, end_learning_rate=0.0, power=1.0, cycle=False)
    if warmup:
        step = tf.cast(global_step, tf.int32)
        limit = tf.constant(warmup, dtype=tf.int32)
        warmup_rate = init_lr * (tf.cast(step, tf.float32) / tf.cast(limit, tf.float32))
        is_warmup = tf.cast(step < limit, tf.float32)
        rate = (1.0 - is_warmup) * rate + is_warmup * warmup_rate
    return global_step, rate


cases = []
for init_lr, steps, warmup in CASES:
    with tf.Graph().as_default(), tf.Session() as session:
        global_step, rate = learning_rate(init_lr, steps, warmup)
        given = tf.placeholder(tf.int64, [])
        assign = tf.assign(global_step, given)
        session.run(tf.global_variables_initializer())
        rates = []
        for step in range(min(steps, 250) + 3):  # past the end where that is near
            session.run(assign, {given: step})
            rates.append(float(str(session.run(rate))))  # the shortest decimal that gives back the float32
        cases.append({"learning_rate": init_lr, "steps": steps, "warmup_steps": warmup, "rates": rates})

out = pathlib.Path(__file__).with_suffix(".json")
out.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
