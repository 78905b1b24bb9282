# What the commands of the cases use, besides bertlabel, and $O, which is where they write.
set -o pipefail
head="train --model data/bert --train data/train.csv --pooling mean --output $O"
enc="train --model data/model --train data/small.csv --pooling mean --learning-rate 3e-4 --train-batch-size 8 --max-steps 24 --save-checkpoints-steps 8 --eval-steps 5 --log-steps 4"
whole="$enc --tune all --dev data/dev.csv --keep-checkpoints 9"
long="$enc --tune all --dev data/dev.csv --max-steps 150 --dropout 0.2"
dev="--dev data/dev.csv"
texts="--input data/texts.jsonl"

# All flags that verbs share, for data/plain.txt.
model="--bert-config-file data/model/bert_config.json --vocab-file data/model/vocab.txt --init-checkpoint data/model/bert_model.ckpt --hidden-act relu"
words="--do-lower-case=false --max-seq-length 20 --keep-tokens refund,chair"
rows="--format csv --no-header --text-column 2 --text-pair-column 4 --id-column 1 --labels-column 3 --label-separator ; --labels data/list.txt
	--on-bad-row skip --max-bad-rows 60% --bad-rows $O.bad.jsonl --strict-utf8 --drop-unknown-labels"
columns="--text-column body --id-column key --label-columns broken,late"
frame="--threads 1 --kernels generic --max-memory 1GiB --log-format json"

# same A B compares two runs: model, newest checkpoint, and metrics.csv without the speed.
same() {
	local file last
	last=checkpoints/$(cat "$1/checkpoints/latest")
	for file in bert_model.ckpt.data-00000-of-00001 bert_model.ckpt.index bertlabel.json labels.txt vocab.txt checkpoints/latest $(cd "$1" && echo "$last"/model.ckpt-*); do
		cmp "$1/$file" "$2/$file" || return
	done
	cmp <(cut -d, -f1-5,7- "$1/metrics.csv") <(cut -d, -f1-5,7- "$2/metrics.csv")
}

# cut_back FOLDER STEP removes the checkpoints behind a step, as if the run had been killed before the next.
cut_back() {
	local checkpoint
	for checkpoint in "$1"/checkpoints/ckpt-*; do
		[ $((10#${checkpoint##*-})) -le "$2" ] || rm -r "$checkpoint"
	done
}

# stop SIGNAL STEP FOLDER WORDS… trains into FOLDER, and sends SIGNAL as soon as the checkpoint of STEP is there. At which step the run
# stops then is a matter of luck, so FOLDER is below loose, which is not compared.
stop() {
	local code=0
	set -m # a job of its own, which does not ignore SIGINT
	for _ in 1 2 3; do
		rm -rf "$3"
		bertlabel "${@:4}" --output "$3" 2>loose/said &
		until [ -e "$3/checkpoints/ckpt-$(printf %06d "$2")/MANIFEST.json" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
		kill "-$1" $!
		wait $! 2>/dev/null
		code=$?
		[ $code = 0 ] || break # else it had come to its end
	done
	sed -n '/stopped after/s/[0-9]\{1,\}/N/gp' loose/said
	return $code
}
