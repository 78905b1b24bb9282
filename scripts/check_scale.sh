#!/usr/bin/env bash
# Runs the recipes of examples/scale with the engines themselves, as far as one machine of two cores can, kills what they started, and
# compares the bytes with those of one process. By hand, as root on Debian where packages are to be installed; `go test` does without it.
#
#	scripts/check_scale.sh                     all; exit 1 if something differs
#	scripts/check_scale.sh parallel yaml       some of: parallel slurm spark clickhouse ray yaml
#	VENV=folder scripts/check_scale.sh …       keeps what pip installs there
set -uo pipefail
cd "$(dirname "$0")/.."
recipes=$PWD/examples/scale
scratch=$(mktemp -d /tmp/check-scale-XXXXXX)
venv=${VENV:-$scratch/venv}
failed=0 daemons=()
trap 'for p in "${daemons[@]}"; do kill "$p" 2>/dev/null; done; wait; rm -rf "$scratch"' EXIT

say() { printf '%-11s %s\n' "$1" "$2"; }
fail() { say "$1" "FAILED: $2"; failed=1; }
need() { # need PROGRAM PACKAGE…: installs Debian packages where the program is missing
	command -v "$1" >/dev/null && return
	apt-get install -y -qq --no-install-recommends "${@:2}" >"$scratch/apt.log" 2>&1
	command -v "$1" >/dev/null
}
python() { # python MODULE PACKAGE…: a virtual environment that has the module
	[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
	"$venv/bin/python" -c "import $1" 2>/dev/null || "$venv/bin/pip" install -q "${@:2}" >"$scratch/pip.log" 2>&1
	"$venv/bin/python" -c "import $1" 2>/dev/null
}
# adapted RECIPE SED… writes a recipe with the paths of this check, and 16 shards instead of 128.
adapted() {
	sed -e "s|/usr/local/bin/bertlabel|$scratch/bin/bertlabel|g; s|/data/model|$scratch/model|g; s|128|16|g; s|0-127|0-15|g; s|seq 0 127|seq 0 15|g" \
		-e "s|bertlabel predict|bertlabel predict --threads 1|" "${@:2}" "$recipes/$1" >"$scratch/$1"
	chmod +x "$scratch/$1"
}
processes() { pgrep -f "^$scratch/bin/bertlabel predict|^bertlabel predict --threads 1 --model" || true; }
kill_some() { # kill_some N: kill -9 of N processes of the program, one at a time
	local left=$1 victim
	for _ in $(seq 200); do
		victim=$(processes | shuf -n 1)
		[ -z "$victim" ] || ! kill -9 "$victim" 2>/dev/null || left=$((left - 1))
		[ "$left" -gt 0 ] || return 0
		sleep 0.2
	done
}
compare() { # compare ENGINE FILE WHAT: bytes as of one process
	if cmp -s "$2" "$scratch/want.jsonl"; then say "$1" "$3: $(wc -l <"$2") rows, bytes of one process"; else fail "$1" "$3: other bytes"; fi
}
parts() { "$scratch/bin/bertlabel" parts "$scratch/parts" "$@"; }

mkdir "$scratch/bin"
CGO_ENABLED=0 go build -o "$scratch/bin/bertlabel" ./cmd/bertlabel || exit 1
export PATH=$scratch/bin:$PATH
bertlabel demo --output "$scratch/demo" --quiet >/dev/null 2>&1 || exit 1
ln -s "$scratch/demo/model" "$scratch/model"
awk 'BEGIN { srand(7); n = split("the parcel never came again and my bill is wrong but nice people helped late broken box", w, " ");
	for (i = 0; i < 20000; i++) { t = ""; for (k = 4 + rand() * 30; k > 0; k--) t = t " " w[int(rand() * n) + 1]
		printf "{\"id\": %d, \"text\": \"%s\"}\n", i, t } }' >"$scratch/texts.jsonl"
time bertlabel predict --model "$scratch/model" --input "$scratch/texts.jsonl" --threads 1 --quiet >"$scratch/want.jsonl" || exit 1
cd "$scratch" || exit 1

check_parallel() {
	need parallel parallel || { say parallel "skipped: no GNU parallel"; return; }
	rm -rf parts
	adapted parallel.sh -e 's|--jobs 1|--jobs 2|'
	./parallel.sh >parallel.log 2>&1 &
	kill_some 6
	wait $!
	./parallel.sh >>parallel.log 2>&1 # a shard that was killed three times is left
	parts --cat --clean >got.jsonl 2>>parallel.log
	compare parallel got.jsonl "$(parallel --version | head -1), 6 kills"
}

slurm_up() {
	need slurmctld slurmctld slurmd slurm-client munge && need munged munge || return 1
	mkdir -p slurm/{state,spool,munge}
	head -c 1024 /dev/urandom >slurm/munge/key && chmod 600 slurm/munge/key && chown -R munge slurm/munge && chmod 755 "$scratch" slurm
	chmod 755 slurm/munge
	su -s /bin/sh munge -c "munged --force --key-file=$PWD/slurm/munge/key --socket=$PWD/slurm/munge/socket --pid-file=$PWD/slurm/munge/pid \
		--log-file=$PWD/slurm/munge/log --seed-file=$PWD/slurm/munge/seed" || return 1
	daemons+=("$(cat slurm/munge/pid)")
	cat >slurm/slurm.conf <<-END
		ClusterName=check
		SlurmctldHost=$(hostname -s)
		SlurmUser=root
		AuthType=auth/munge
		AuthInfo=socket=$PWD/slurm/munge/socket
		CredType=cred/munge
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		JobAcctGatherType=jobacct_gather/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU
		StateSaveLocation=$PWD/slurm/state
		SlurmdSpoolDir=$PWD/slurm/spool
		SlurmctldPidFile=$PWD/slurm/ctld.pid
		SlurmdPidFile=$PWD/slurm/d.pid
		MpiDefault=none
		NodeName=$(hostname -s) CPUs=2 State=UNKNOWN
		PartitionName=all Nodes=ALL Default=YES State=UP
	END
	export SLURM_CONF=$PWD/slurm/slurm.conf
	slurmctld -D >slurm/ctld.log 2>&1 & daemons+=($!)
	slurmd -D >slurm/d.log 2>&1 & daemons+=($!)
	for _ in $(seq 60); do
		sinfo -h -o %t 2>/dev/null | grep -q idle && return 0
		sleep 0.5
	done
	return 1
}
slurm_wait() { while [ -n "$(squeue -h 2>/dev/null)" ]; do sleep 0.5; done; }
check_slurm() {
	[ "$(id -u)" = 0 ] && slurm_up || { say slurm "skipped: no Slurm could be started here ($(tail -n 1 slurm/*.log 2>/dev/null | tail -n 1))"; return; }
	rm -rf parts
	adapted slurm.sh -e 's|--cpus-per-task=2|--cpus-per-task=1|' -e '/--threads "\$SLURM/s|--threads [^ ]*||'
	job=$(sbatch --parsable slurm.sh)
	for _ in $(seq 100); do [ -n "$(processes)" ] && break; sleep 0.1; done
	victim=$(processes | head -n 1)
	kill -9 "$victim"
	sleep 1
	requeued=$(squeue -h -t R -o %A | head -n 1)
	scontrol requeue "$requeued" 2>requeue.log && say slurm "a task was sent back by scontrol requeue"
	slurm_wait
	parts >report 2>&1
	missing=$(parts --json 2>/dev/null | sed -n 's/.*"missing": "\(.*\)",/\1/p')
	say slurm "after kill -9 of a task of job $job: $(sed -n 's/^missing: //p' report)"
	[ -n "$missing" ] || fail slurm "no hole after a kill"
	sbatch --parsable --array="$missing" slurm.sh >/dev/null
	slurm_wait
	parts --cat --clean >got.jsonl 2>/dev/null
	compare slurm got.jsonl "$(sinfo --version), killed, requeued, submitted again by --array=$missing"
}

check_spark() {
	command -v java >/dev/null || { say spark "skipped: no Java"; return; }
	python pyspark pyspark pandas pyarrow || { say spark "skipped: no PySpark ($(tail -n 1 pip.log))"; return; }
	export SPARK_HOME=$("$venv/bin/python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
	export PYSPARK_PYTHON=$venv/bin/python SPARK_LOCAL_DIRS=$scratch/spark
	adapted spark_pipe.py -e 's|textFile(sys.argv\[1\])|textFile(sys.argv[1], 8)|'
	for disturb in "the process" "an executor"; do
		rm -rf out
		"$venv/bin/spark-submit" --master 'local-cluster[2,1,1024]' spark_pipe.py texts.jsonl out >spark.log 2>&1 &
		submit=$!
		for _ in $(seq 600); do [ -n "$(processes)" ] && break; sleep 0.1; done
		if [ "$disturb" = "the process" ]; then
			kill -9 "$(processes | head -n 1)"
		else
			kill -9 "$(pgrep -f CoarseGrainedExecutorBackend | head -n 1)"
		fi
		wait $submit || fail spark "$disturb killed: the job failed ($(grep -m 1 Exception spark.log))"
		cat out/part-* >got.jsonl 2>/dev/null
		compare spark got.jsonl "PySpark $("$venv/bin/python" -c 'import pyspark; print(pyspark.__version__)'), $disturb killed"
		sleep 2
		[ -z "$(processes)" ] || fail spark "orphans: $(processes)"
	done
}

check_clickhouse() {
	python chdb chdb || { say clickhouse "skipped: no chdb ($(tail -n 1 pip.log))"; return; }
	mkdir -p ch/user_scripts
	printf '#!/bin/sh\nexec %s predict --threads 1 --model %s --format jsonl --max-bad-rows 100%% --quiet\n' "$scratch/bin/bertlabel" "$scratch/model" \
		>ch/user_scripts/predict.sh
	chmod +x ch/user_scripts/predict.sh
	adapted clickhouse.sql
	cat >ch.py <<-'END'
		import sys
		from chdb import session
		s = session.Session("ch")
		s.query("CREATE DATABASE IF NOT EXISTS d ENGINE = Atomic; USE d")
		s.query("DROP TABLE IF EXISTS texts; DROP TABLE IF EXISTS predictions")
		s.query("CREATE TABLE texts (id UInt64, text String) ENGINE = MergeTree ORDER BY id")
		s.query("CREATE TABLE predictions (id UInt64, labels Array(String), probabilities Map(String, Float32)) ENGINE = MergeTree ORDER BY id")
		s.query("INSERT INTO texts SELECT id, text FROM file('%s', JSONEachRow, 'id UInt64, text String')" % sys.argv[1])
		sql = "\n".join(l for l in open("clickhouse.sql") if not l.startswith("--"))
		try:
		    s.query(sql)
		except Exception as e:
		    print("error", str(e).splitlines()[0][:200])
		print(s.query("SELECT count(), uniqExact(id) FROM predictions", "CSV"), end="")
	END
	run() { "$venv/bin/python" ch.py "$scratch/texts.jsonl" 2>&1; }
	got=$(run)
	[ "$got" = "20000,20000" ] && say clickhouse "chdb $("$venv/bin/python" -c 'import chdb; print(chdb.engine_version)'): 20000 rows" || fail clickhouse "$got"
	run >killed.log &
	kill_some 1
	wait $!
	if grep -q '^error' killed.log; then say clickhouse "the process killed: an error of the query ($(cut -c1-120 killed.log | head -n 1))"; else
		fail clickhouse "the process killed: $(head -n 2 killed.log)"; fi
}

check_ray() {
	python ray 'ray[data]' || { say ray "skipped: no Ray ($(tail -n 1 pip.log))"; return; }
	adapted ray_score.py
	rm -rf out
	RAY_DEDUP_LOGS=0 timeout 300 "$venv/bin/python" ray_score.py "$scratch/texts.jsonl" "$scratch/out" >ray.log 2>&1 &
	kill_some 1
	wait $! || fail ray "$(tail -n 1 ray.log)"
	"$venv/bin/python" -c '
import pyarrow.parquet as p
for t in p.read_table("out")["prediction"]: print(t)' 2>>ray.log | sort >got.jsonl
	sort want.jsonl >want.sorted
	if cmp -s got.jsonl want.sorted; then say ray "Ray $("$venv/bin/python" -c 'import ray; print(ray.__version__)'), the process killed: rows of one process"
	else fail ray "other rows ($(wc -l <got.jsonl))"; fi
}

# A manifest is right if the types of Kubernetes take it and know all its members.
check_yaml() {
	mkdir -p yaml && cd yaml || return
	cat >main.go <<-'END'
		package main

		import (
			"fmt"
			"os"

			batch "k8s.io/api/batch/v1"
			"sigs.k8s.io/yaml"
		)

		func main() {
			text, err := os.ReadFile(os.Args[1])
			var job batch.Job
			if err == nil {
				err = yaml.UnmarshalStrict(text, &job)
			}
			if err != nil || *job.Spec.Completions != 128 || *job.Spec.BackoffLimitPerIndex != 3 || len(job.Spec.PodFailurePolicy.Rules) != 2 {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	END
	[ -f go.mod ] || { go mod init check && go get k8s.io/api@v0.34.1 sigs.k8s.io/yaml@v1.6.0 && go mod tidy; } >go.log 2>&1
	if go run . "$recipes/kubernetes-job.yaml" >>go.log 2>&1; then say yaml "kubernetes-job.yaml: every member is one of batch/v1 (k8s.io/api v0.34.1)"
	elif grep -qE 'dial|lookup|proxy' go.log; then say yaml "skipped: $(tail -n 1 go.log)"; else fail yaml "$(tail -n 1 go.log)"; fi
	cd ..
}

for what in "${@:-parallel slurm spark clickhouse ray yaml}"; do
	for one in $what; do "check_$one"; done
done
exit $failed
