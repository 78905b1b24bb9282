#!/usr/bin/env bash
# Checks checkpoints and model folders against the libraries they come from: what bertlabel writes is read by TensorFlow,
# transformers and safetensors, and what they write is read by bertlabel. By hand; `go test` does without it.
#
#	scripts/check_with_tensorflow.sh            makes a virtual environment for the packages, then forgets it
#	PYTHON=venv/bin/python scripts/check_...    uses one that has them already
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -z "${PYTHON:-}" ]; then
	python3 -m venv "$scratch/venv"
	PYTHON=$scratch/venv/bin/python
	"$PYTHON" -m pip install --quiet tensorflow-cpu transformers safetensors torch
fi
CGO_ENABLED=0 go build -o "$scratch/bertlabel" ./cmd/bertlabel
"$PYTHON" scripts/check_with_tensorflow.py "$scratch/bertlabel" "$scratch"
