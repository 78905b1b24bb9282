"""Makes trajectory_head.json out of the numeric goldens: what Google's TF1 code did in ten steps on the head alone.

    python trajectory_head.py NUMERICS    # the folder with tiny-uncased and tiny-cased; numpy 2.4.6, safetensors 0.8.0

The goldens were made with TensorFlow 2.21.0 and bert-tensorflow 1.0.4; this only gathers the parts that concern the head.
"""

import json
import pathlib
import sys

from safetensors.numpy import load_file


def rows(array):
    """Nested lists of the shortest decimals that give back the float32."""
    return [rows(a) for a in array] if array.ndim else float(str(array[()]))


models = []
for folder in ("tiny-uncased", "tiny-cased"):
    source = pathlib.Path(sys.argv[1]) / folder
    forward = load_file(source / "forward.safetensors")
    kept = load_file(source / "trajectory_head.safetensors")
    models.append(
        {
            "name": folder,
            "features": rows(forward["pooled_output"]),
            "labels": forward["labels"].astype(int).tolist(),
            "start": {name: rows(value.reshape(-1)) for name, value in load_file(source / "head.safetensors").items()},
            "trajectory": json.loads((source / "trajectory.json").read_text())["head"],
            "kept": {name: rows(value.reshape(-1)) for name, value in sorted(kept.items())},
        }
    )

out = pathlib.Path(__file__).with_suffix(".json")
out.write_text("[\n" + ",\n".join(json.dumps(model) for model in models) + "\n]\n")
