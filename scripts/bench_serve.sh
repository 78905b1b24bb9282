#!/usr/bin/env bash
# Measures `bertlabel serve` beside other servers on this machine, in turns, and prints JSON lines (scripts/benchserve says of what).
#
#	scripts/bench_serve.sh MODEL TEXTS [flags of benchserve, such as -rows load80,mixed -seconds 10 -rounds 1]
#
# MODEL is a folder that train wrote, with a head on the pooled output if other servers are to run (it is the only one that Hugging Face's
# format knows); TEXTS has one text a line. Peers: FastAPI and LitServe with ONNX Runtime, and infinity, from BENCH_PYTHON's packages, else from
# a virtual environment in BENCH_CACHE (default: ~/.cache/bertlabel-bench) that pip fills; text-embeddings-inference where TEI_URL names
# one that runs on the folder BENCH_CACHE/hf. BENCH_PEERS="" leaves all of them out. What is skipped is said on stderr.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
model=$(realpath "$1") texts=$(realpath "$2")
shift 2
cd "$(dirname "$0")/.."
cache=$(realpath -m "${BENCH_CACHE:-$HOME/.cache/bertlabel-bench}")
peers=${BENCH_PEERS-fastapi litserve infinity tei}
threads=${BENCH_THREADS:-$(nproc)}
mkdir -p "$cache"
scratch=$(mktemp -d)
started=()
trap 'for p in "${started[@]}"; do kill -KILL -- "-$p" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT
skip() { echo "skipped: $*" >&2; }

CGO_ENABLED=0 go build -o "$scratch/bertlabel" ./cmd/bertlabel
go build -o "$scratch/benchserve" ./scripts/benchserve

# setup makes what all peers need: the model in Hugging Face's format, and a Python.
setup() {
	rm -rf "$cache/hf"
	"$scratch/bertlabel" convert --model "$model" --to hf --output "$cache/hf" --quiet || { skip "all peers: the model has no Hugging Face form"; return 1; }
	python=${BENCH_PYTHON:-$cache/venv/bin/python}
	[ -n "${BENCH_PYTHON:-}" ] && return
	[ -x "$python" ] || python3 -m venv "$cache/venv" || { skip "Python's peers: no virtual environment"; return; }
	for packages in "torch transformers onnx onnxscript onnxruntime" "fastapi uvicorn" "litserve" "infinity-emb[torch,server]"; do
		"$python" -m pip install --quiet $packages >"$scratch/pip" 2>&1 || { skip "$packages: pip cannot install them"; tail -1 "$scratch/pip" >&2; }
	done
}

# ready PID URL waits until a server answers, 120 s at most.
ready() {
	for _ in $(seq 1200); do
		curl -s -o /dev/null "$2" && return
		kill -0 "$1" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

arguments=()
port=18200
if [ -n "$peers" ] && setup; then
	for peer in $peers; do
		port=$((port + 1))
		url=http://127.0.0.1:$port kind=simple
		case $peer in
		fastapi | litserve) setsid "$python" scripts/benchserve/peer.py "$peer" "$cache/hf" "$port" "$threads" "${BENCH_BATCH:-8}" >"$scratch/$peer" 2>&1 & ;;
		infinity)
			kind=infinity
			OMP_NUM_THREADS=$threads setsid "$(dirname "$python")/infinity_emb" v2 --model-id "$cache/hf" --served-model-name model --device cpu --port "$port" >"$scratch/$peer" 2>&1 &
			;;
		tei)
			[ -n "${TEI_URL:-}" ] || { skip "tei: TEI_URL is not set"; continue; }
			arguments+=(-peer "tei=tei@$TEI_URL")
			continue
			;;
		*) skip "$peer: no such peer"; continue ;;
		esac
		started+=($!)
		if ready $! "$url"; then
			kill -STOP -- "-$!" # until it is measured
			arguments+=(-peer "$peer=$kind@$url#$!")
		else
			skip "$peer: it does not start"
			tail -2 "$scratch/$peer" >&2
		fi
	done
fi
"$scratch/benchserve" -bertlabel "$scratch/bertlabel" -model "$model" -texts "$texts" "${arguments[@]}" "$@"
