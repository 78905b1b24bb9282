# The cases of compare-binaries.sh: the exit code, a name, and a line of bash, which uses functions.sh and, in the folder data, what data.sh has
# made. What a case reads of another, which then has a + behind its name, is on its own side, or OLD's by ../old.

# Help, and what the frame does.
for verb in demo train eval predict explain embed labels convert check-data split metrics tokenize inspect bench version completion help; do
	check 0 "help-$verb" "bertlabel $verb --help && bertlabel help $verb"
done
cases <<'END'
0 help-root bertlabel && bertlabel --help && bertlabel -h && bertlabel help
0 version bertlabel version | sed 's/^bertlabel .*/bertlabel V/' && bertlabel version --json $frame | sed 's/"version":"[^"]*","revision":"[^"]*","go":"[^"]*"/V/'
0 completion for shell in bash zsh fish powershell; do bertlabel completion $shell $frame || exit; done
0 completion-words bertlabel __complete tr '' && bertlabel __complete train --tun && bertlabel __complete labels '' && bertlabel __complete completion ''
0 closed bertlabel predict --quiet --model data/model --input data/demo/train.csv | head -n 1
6 full-disk bertlabel predict --model data/model $texts >/dev/full
0 bench bertlabel bench --json --runs 1 --gemm 8x8x8,4x9x70 --model 1x64 --shape 2x5,1x16 --lengths data/lengths | sed -E 's/":-?[0-9][0-9.e+-]*/":N/g'
0 bench-train bertlabel bench --json --runs 1 --train --model 1x64 --shape 2x5 --lengths data/lengths --batch 2 --steps 2 | sed -E 's/":-?[0-9][0-9.e+-]*/":N/g'
0 bench-folder bertlabel bench --runs 1 --model data/model --shape 1x4 --num-labels 3 $frame | sed -E 's/[0-9.]+/N/g; s/ +/ /g'
0 demo BERTLABEL_MAX_STEPS=12 bertlabel demo --output $O
0 demo-flags mkdir $O && touch $O/file && BERTLABEL_MAX_STEPS=2 bertlabel demo --output $O --overwrite --threads 1 --log-format json
2 demo-full bertlabel demo --output data/full
END

# Heads by gradient.
cases <<'END'
0 head+ bertlabel $head
0 head-dev+ bertlabel $head $dev --tune-thresholds=per-label
0 head-random bertlabel train --model data/random --train data/train.csv $dev --output $O
0 head-own bertlabel train --model data/model --train data/train.csv --pooling mean --max-steps 20 --output $O
0 head-other-pooling bertlabel train --model data/model --train data/train.csv --pooling cls --max-steps 20 --output $O
0 head-accumulation bertlabel $head $dev --gradient-accumulation-steps 3 --train-batch-size 10 --num-train-epochs 2.5
0 head-steps bertlabel $head $dev --max-steps 17 --log-steps 5 --eval-steps 4 --best-metric roc_auc_macro
0 head-optimizer bertlabel $head --optimizer adamw --weight-decay 0.1 --clip-norm 0 --dropout 0 --warmup-proportion 0.3 --learning-rate 0.02 --num-train-epochs 2
0 head-order bertlabel $head --shuffle=false --seed 7 --num-train-epochs 2
0 head-bias bertlabel $head --bias-init log-odds --num-train-epochs 2
0 head-balanced bertlabel $head $dev --pos-weight balanced --pos-weight-cap 5
0 head-weights bertlabel $head --pos-weight data/weights.json
0 head-focal bertlabel $head $dev --loss focal
0 head-asymmetric bertlabel $head $dev --loss asymmetric
0 head-smoothing bertlabel $head --label-smoothing 0.1
0 head-early bertlabel $head $dev --early-stopping 2 --eval-steps 3 --learning-rate 0.3
5 head-diverges bertlabel $head --learning-rate 1e38 --clip-norm 0 --warmup-proportion 0
5 head-skips bertlabel $head --learning-rate 1e38 --clip-norm 0 --warmup-proportion 0 --on-nan skip
0 head-global bertlabel $head $dev --tune-thresholds=global --threshold-objective f2
0 head-f05 bertlabel $head $dev --tune-thresholds=per-label --threshold-objective f0.5
0 head-precision bertlabel $head $dev --tune-thresholds=per-label --threshold-objective precision@0.9
0 head-recall bertlabel $head $dev --tune-thresholds=global --threshold-objective recall@0.9
0 head-temperature bertlabel $head $dev --calibrate=temperature
0 head-platt+ bertlabel $head $dev --calibrate --tune-thresholds=per-label
0 head-cut bertlabel $head --max-seq-length 8 --num-train-epochs 1
3 head-too-long bertlabel $head --max-seq-length 8 --on-long error
0 head-plots bertlabel $head $dev --plots $O.plots --num-train-epochs 2
0 head-quiet bertlabel $head $dev --quiet --learning-rate 1e-5
0 head-json bertlabel $head $dev --log-format json --learning-rate 1e-5
0 head-one-thread bertlabel $head $dev --threads 1 && cmp $O/bert_model.ckpt.data-00000-of-00001 head-dev/out/bert_model.ckpt.data-00000-of-00001
0 head-generic bertlabel $head --train data/small.csv --kernels generic
0 head-environment BERTLABEL_KERNELS=generic BERTLABEL_TRAIN=data/small.csv BERTLABEL_NUM_TRAIN_EPOCHS=1 bertlabel train --model data/bert --output $O
0 head-config bertlabel train --config data/config.json --model data/bert --train data/train.csv --output $O --seed 5
0 head-google bertlabel train --bert_config_file data/bert/bert_config.json --vocab_file data/bert/vocab.txt --init_checkpoint data/bert/bert_model.ckpt --do_lower_case --max_seq_length 32 --train_batch_size 16 --num_train_epochs 1 --train data/train.csv --output_dir $O
0 head-unused bertlabel $head --recompute --layerwise-lr-decay 0.9 --eval-steps 4 --best-metric f1_micro --max-steps 3
0 head-overwrite bertlabel $head --max-steps 5 --folds 3 --baseline && ls $O && bertlabel $head --max-steps 3 --overwrite
0 head-over-encoder bertlabel $enc --tune last:1 --max-steps 3 --output $O && bertlabel $head --overwrite --max-steps 3
0 head-repeated bertlabel train --model data/bert --train data/train.csv --dev data/small.csv --output $O --max-steps 3
0 head-unknown bertlabel train --model data/bert --train data/columns.tsv --text-column body --id-column key --output $O --bias-init log-odds --max-steps 9
0 head-columns bertlabel train --model data/bert --train data/columns.tsv $columns --output $O --max-steps 9
0 head-pairs bertlabel train --model data/bert --train data/pairs.jsonl.gz --dev data/pairs.jsonl --output $O --max-steps 9
0 head-fasttext bertlabel train --model data/bert --train data/all.fasttext --labels data/list.txt --output $O --max-steps 9
0 head-indexed bertlabel train --model data/bert --train data/indexed.tsv --no-header --text-column 1 --labels-column 2 --id-column 3 --labels data/list.txt --output $O --max-steps 9
0 head-flags+ bertlabel train $model $words --train data/plain.txt $rows $frame --output $O --max-steps 9
0 head-bad-rows bertlabel train --model data/bert --train data/bad.csv --on-bad-row skip --output $O --max-steps 3
0 head-bad-list bertlabel train --model data/bert --train data/bad.csv --on-bad-row report --bad-rows $O.bad.jsonl --output $O --max-steps 3
0 head-unknown-label bertlabel $head --dev data/other.csv --drop-unknown-labels --max-steps 3
END

# Exact heads, poolings, folds, the linear baseline, the cache of features.
cases <<'END'
0 lbfgs bertlabel $head --solver lbfgs
0 lbfgs-dev bertlabel $head $dev --solver lbfgs --tune-thresholds=per-label --calibrate
0 lbfgs-l2 bertlabel $head --solver lbfgs --l2 1e-3 --learning-rate 3
0 lbfgs-balanced bertlabel $head $dev --solver lbfgs --pos-weight balanced
0 lbfgs-smoothing bertlabel $head --solver lbfgs --label-smoothing 0.1
0 lbfgs-unknown bertlabel train --model data/bert --train data/columns.tsv $columns --output $O --solver lbfgs
0 lda bertlabel $head $dev --solver lda
0 lda-l2 bertlabel $head --solver lda --l2 0.1
0 lda-tuned bertlabel $head $dev --solver lda --calibrate=temperature --tune-thresholds=global
0 auto-lbfgs bertlabel $head $dev --pooling auto --solver lbfgs
0 auto-lda bertlabel $head $dev --pooling auto --solver lda --tune-thresholds=per-label
0 pooling-cls bertlabel $head --pooling cls --num-train-epochs 2
0 pooling-max bertlabel $head --pooling max --num-train-epochs 2
0 pooling-layers bertlabel $head $dev --pooling mean:-1..-3 --num-train-epochs 2
0 pooling-wide+ bertlabel $head $dev --pooling concat:max,mean:-1..-3,cls:-2 --solver lda
0 folds bertlabel $head --folds 4 --max-steps 30 --bias-init log-odds --pos-weight balanced
0 folds-lbfgs bertlabel $head --folds 3 --solver lbfgs --tune-thresholds=per-label
0 folds-lda bertlabel $head --folds 3 --solver lda --l2 1 --tune-thresholds=global --threshold-objective f2
0 folds-baseline bertlabel $head --folds 3 --solver lbfgs --l2 0.01 --baseline --tune-thresholds=per-label
0 baseline bertlabel $head $dev --baseline
0 baseline-tuned bertlabel $head $dev --baseline --solver lbfgs --tune-thresholds=per-label --plots $O.plots
0 baseline-global bertlabel $head $dev --baseline --tune-thresholds=global --threshold-objective f0.5 --max-steps 5
0 baseline-encoder bertlabel $enc --tune last:1 $dev --baseline --output $O
0 cache-cold+ bertlabel $head $dev --features-cache cache-cold/cache --solver lbfgs && ls cache-cold/cache
0 cache-warm cp -r cache-cold/cache cache-warm/cache && bertlabel $head $dev --features-cache cache-warm/cache --solver lbfgs
0 cache-of-old cp -r ../old/cache-cold/cache cache-of-old/cache && touch -d 2001-01-01 cache-of-old/cache/features-* && bertlabel $head $dev --features-cache cache-of-old/cache && find cache-of-old/cache -newermt 2001-01-02 -name 'features-*'
0 cache-damaged cp -r cache-cold/cache cache-damaged/cache && for f in cache-damaged/cache/features-*; do truncate -s -9 $f; done && bertlabel $head $dev --features-cache cache-damaged/cache
END

# The encoder: last layers and all of it.
cases <<'END'
0 all bertlabel $enc --tune all --pooling pooled --output $O
0 whole+ bertlabel $whole --output $O
0 last-1 bertlabel $enc --tune last:1 $dev --output $O
0 last-2 bertlabel $enc --tune last:2 $dev --gradient-accumulation-steps 2 --output $O
0 last-1-tuned+ bertlabel $enc --tune last:1 $dev --tune-thresholds=per-label --calibrate --output $O
0 last-2-global bertlabel $enc --tune last:2 --pooling cls $dev --tune-thresholds=global --plots $O.plots --output $O
0 recompute bertlabel $whole --recompute --output $O && same $O whole/out
0 one-thread bertlabel $whole --threads 1 --output $O && same $O whole/out
0 layer-decay bertlabel $enc --tune all --layerwise-lr-decay 0.7 --tensorboard=false --output $O
0 no-checkpoints bertlabel $enc --tune last:1 --save-checkpoints-steps 0 --verify-save=false --keep-checkpoints 1 --output $O
0 epochs bertlabel train --model data/bert --train data/small.csv $dev --tune last:1 --num-train-epochs 1.5 --output $O
0 early-stopping bertlabel $enc --tune last:1 $dev --early-stopping 2 --eval-steps 2 --learning-rate 0.03 --best-metric average_precision_macro --output $O
0 encoder-optimizer bertlabel $enc --tune last:1 --dropout 0 --optimizer adamw --clip-norm 0.1 --shuffle=false --seed 9 --output $O
0 encoder-new-head bertlabel $enc --model data/bert --tune last:2 --max-steps 5 --output $O
0 encoder-random bertlabel train --model data/random --train data/small.csv --tune all --max-steps 5 --bias-init log-odds --output $O
0 encoder-focal bertlabel $enc --tune last:1 --loss focal --max-steps 6 --output $O
0 encoder-balanced bertlabel $enc --tune last:1 --pos-weight balanced --max-steps 6 --output $O
0 encoder-json bertlabel $enc --tune last:1 $dev --max-steps 6 --log-format json --output $O
0 encoder-quiet bertlabel $enc --tune last:1 $dev --max-steps 6 --quiet --output $O
5 diverges bertlabel $enc --tune all --learning-rate 1e30 --save-checkpoints-steps 1 --output $O
5 skips bertlabel $enc --tune last:1 --learning-rate 1e38 --on-nan skip --output $O
5 restores bertlabel $enc --tune last:1 --learning-rate 1e38 --on-nan restore --save-checkpoints-steps 1 --output $O
6 memory bertlabel $enc --tune all --max-memory 25MiB --output $O
6 memory-weights bertlabel $enc --tune last:1 --max-memory 100 --output $O
6 memory-head-weights bertlabel $head --max-memory 100
6 memory-head bertlabel $head $dev --max-memory 22MiB --solver lbfgs
0 memory-frozen bertlabel train --model data/bert --train data/train.csv --tune last:1 --num-train-epochs 2 --train-batch-size 4 --max-memory 28MiB --output $O
END

# Going on with a run: cut back to a checkpoint, stopped by signals, killed; by another build, from a TensorFlow checkpoint, at its end.
cases <<'END'
0 resume-cut cp -r whole/out $O && cut_back $O 8 && bertlabel $whole --resume --output $O && same $O whole/out
0 resume-damaged cp -r whole/out $O && truncate -s -1 $O/checkpoints/ckpt-000024/*.data* && bertlabel $whole --resume --output $O && same $O whole/out
0 resume-end cp -r whole/out $O && bertlabel $whole --resume --output $O && same $O whole/out
0 resume-tuned cp -r last-1-tuned/out $O && bertlabel $enc --tune last:1 $dev --tune-thresholds=per-label --calibrate --resume --output $O
0 resume-tuned-late cp -r last-1-tuned/out $O && cut_back $O 16 && bertlabel $enc --tune last:1 $dev --tune-thresholds=per-label --calibrate --resume --output $O && same $O last-1-tuned/out
0 resume-nothing bertlabel $enc --tune last:1 --resume --output $O
0 resume-free cp -r whole/out $O && cut_back $O 16 && bertlabel $enc --tune all $dev --log-steps 3 --eval-steps 7 --recompute --resume --threads 1 --output $O
0 resume-from bertlabel $enc --tune all --resume-from whole/out/checkpoints/ckpt-000016/model.ckpt-16 --labels data/labels.txt --output $O
0 resume-cut-old cp -r ../old/whole/out $O && cut_back $O 8 && bertlabel $whole --resume --output $O && same $O ../old/whole/out
0 resume-from-old bertlabel $enc --tune all --resume-from ../old/whole/out/checkpoints/ckpt-000016/model.ckpt-16 --labels data/labels.txt --output $O
0 long+ bertlabel $long --output $O
130 stop-int+ stop INT 16 loose/int $long
143 stop-term+ stop TERM 24 loose/term $long
137 stop-kill+ stop KILL 32 loose/kill $long
0 resume-int cp -r ../old/loose/int $O && bertlabel $long --resume --output $O && same $O ../old/long/out
0 resume-term cp -r ../old/loose/term $O && bertlabel $long --resume --output $O && same $O ../old/long/out
0 resume-kill cp -r ../old/loose/kill $O && bertlabel $long --resume --output $O && same $O ../old/long/out
END

# Labels of a trained model.
cases <<'END'
0 labels-add+ bertlabel labels add --model head-platt/out --names fragile --train data/fragile.csv --dev data/fragile.csv --tune-thresholds=per-label --calibrate=temperature --output $O
0 labels-add-plain bertlabel labels add --model head/out --names fragile --train data/fragile.csv --seed 3 --features-cache labels-add-plain/cache --output $O
0 labels-add-platt bertlabel labels add --model last-1-tuned/out --names fragile --train data/fragile.csv --dev data/fragile.csv --tune-thresholds=global --threshold-objective f2 --calibrate --output $O
0 labels-add-after bertlabel labels add --model head-platt/out --names fragile --train data/fragile.csv --output $O
0 labels-add-indexed bertlabel labels add --model head/out --names late --train data/indexed.tsv --no-header --text-column 1 --labels-column 2 --id-column 3 --labels data/list.txt --output $O
0 labels-add-columns bertlabel labels add --model head/out --names late,broken --train data/columns.tsv --dev data/columns.tsv $columns --output $O
0 labels-flags bertlabel labels add --model data/model $model $words --names late --train data/plain.txt $rows $frame --output $O
0 labels-add-wide bertlabel labels add --model pooling-wide/out --names fragile --train data/fragile.csv --output $O
0 labels-drop bertlabel labels drop --model labels-add/out --names refund,fragile --output $O
0 labels-rename bertlabel labels rename --model head-platt/out --names refund --into '"money, back"' --output $O
0 labels-merge bertlabel labels merge --model labels-add/out --names refund,rude_staff --into both --train data/train.csv --output $O
0 labels-merge-dev bertlabel labels merge --model head/out --names refund,rude_staff --into refund --train data/train.csv $dev --tune-thresholds=per-label --calibrate --quiet --output $O
0 labels-in-place cp -r head-platt/out $O && bertlabel labels drop --model $O --names refund --output $O --overwrite
END

# Using a model. The folders are OLD's.
cases <<'END'
0 predict bertlabel predict --model ../old/head-dev/out --input data/test.csv
0 predict-encoder bertlabel predict --model ../old/last-1-tuned/out $texts --logits
0 predict-wide bertlabel predict --model ../old/pooling-wide/out $texts --logits --threads 1
0 predict-added bertlabel predict --model ../old/labels-add/out $texts --output $O.jsonl.gz && gzip -d $O.jsonl.gz
0 predict-top bertlabel predict --model data/model $texts --top-k 2 --threshold 0.2
0 predict-csv bertlabel predict --model data/model --input data/test.csv.gz --output-format csv --output $O.csv
0 predict-tsv bertlabel predict --model data/model $texts --output-format tsv --quiet
0 predict-pretty bertlabel predict --model data/model $texts --pretty
0 predict-pretty-top bertlabel predict --model data/model $texts --pretty --top-k 1 --threshold 0.9
3 predict-bad bertlabel predict --model data/model --bad-rows $O.bad.jsonl <data/bad.jsonl
0 predict-bad-skip bertlabel predict --model data/model --on-bad-row skip <data/bad.jsonl
3 predict-bad-error bertlabel predict --model data/model --on-bad-row error <data/bad.jsonl
3 predict-bad-csv bertlabel predict --model data/model --output-format csv <data/bad.jsonl
3 predict-bad-strict bertlabel predict --model data/model --strict-utf8 --max-bad-rows 60% <data/bad.jsonl
3 predict-bad-most bertlabel predict --model data/model --max-bad-rows 1 <data/bad.jsonl
3 predict-long bertlabel predict --model data/model --max-seq-length 9 --on-long error $texts
0 predict-cut bertlabel predict --model data/model --max-seq-length 9 $texts --log-format json
0 predict-pairs bertlabel predict --model data/model --input data/pairs.jsonl
0 predict-columns bertlabel predict --model data/model --input data/columns.tsv --text-column body --id-column key --text-pair-column late --output-format csv
0 predict-flags bertlabel predict $model $words --input data/plain.txt $rows $frame --on-long error
0 predict-one echo '{"text": "My parcel never came."}' | bertlabel predict --model data/model
0 predict-empty bertlabel predict --model data/model </dev/null
0 predict-threshold-0 bertlabel predict --model data/model $texts --threshold 0
0 predict-threshold-1 bertlabel predict --model data/model $texts --threshold 1
0 eval bertlabel eval --model ../old/head-platt/out --data data/test.csv
0 eval-report bertlabel eval --model ../old/head-dev/out --data data/test.csv --report $O.html --plots $O.plots --explain-rows 3
0 eval-report-encoder bertlabel eval --model ../old/last-1-tuned/out --data data/test.csv --report $O.html --explain-rows 0 --quiet
0 eval-pretty bertlabel eval --model data/model --data data/test.csv --pretty
0 eval-threshold bertlabel eval --model data/model --data data/test.csv.gz --threshold 0.3 --log-format json
0 eval-cut bertlabel eval --model data/model --data data/test.csv --max-seq-length 6 --kernels generic
0 eval-unknown bertlabel eval --model data/model --data data/other.csv --drop-unknown-labels
3 eval-other bertlabel eval --model data/model --data data/other.csv
0 eval-flags bertlabel eval --model head-flags/out $words --data data/plain.txt $rows $frame
0 embed-flags bertlabel embed $model $words --input data/plain.txt $rows $frame --on-long error
0 embed bertlabel embed --model ../old/head/out $texts
0 embed-poolings for p in pooled cls mean max mean:-1..-3 concat:cls,mean; do bertlabel embed --model data/random $texts --pooling $p --output $O-$p.safetensors; done
0 embed-layers bertlabel embed --model data/model $texts --all-layers --output $O.safetensors
3 embed-bad bertlabel embed --model data/model <data/bad.jsonl
0 explain bertlabel explain --model data/model --text 'My parcel never came, and your agent laughed at me.'
0 explain-labels bertlabel explain --model ../old/head-dev/out --input data/pairs.jsonl --label refund --label rude_staff --steps 4 --method gradient-x-input
3 explain-bad bertlabel explain --model data/model --steps 3 <data/bad.jsonl
0 explain-shown bertlabel explain --model data/model --text 'My parcel never came.' --json=false
0 explain-flags tail -n 12 data/plain.txt | bertlabel explain $model $words $rows $frame --on-long error --steps 2
0 tokenize bertlabel tokenize --vocab-file data/model/vocab.txt --do-lower-case --max-seq-length 16 $texts
0 tokenize-csv bertlabel tokenize --vocab-file data/model/vocab.txt --input data/test.csv --output $O.jsonl --keep-tokens refund --quiet
0 tokenize-flags bertlabel tokenize --vocab-file data/model/vocab.txt $words --input data/plain.txt $rows $frame --on-long error
3 tokenize-bad bertlabel tokenize --vocab-file data/model/vocab.txt <data/bad.jsonl
0 tokenize-skip bertlabel tokenize --vocab-file data/model/vocab.txt --on-bad-row skip <data/bad.jsonl
0 inspect bertlabel inspect data/model && bertlabel inspect --verify --stats whole/out/checkpoints/ckpt-000016/model.ckpt-16
0 inspect-json bertlabel inspect --json --verify --stats data/random && bertlabel inspect --json data/model/bert_model.ckpt
4 inspect-broken bertlabel inspect --json --verify data/broken
0 inspect-flags bertlabel inspect $frame --quiet data/random
4 inspect-nothing bertlabel inspect data/empty
0 convert-hf+ bertlabel convert --model data/random --to hf --output $O
0 convert-back bertlabel convert --model convert-hf/out --to google --output $O && cmp $O/bert_model.ckpt.data-00000-of-00001 data/random/bert_model.ckpt.data-00000-of-00001
0 convert-google bertlabel convert --model head-platt/out --to google --hidden-act gelu_erf --output $O
0 convert-flags mkdir $O && touch $O/file && bertlabel convert $model $words $frame --to google --output $O --overwrite
0 hf-train bertlabel train --model convert-hf/out --train data/small.csv --tune last:1 --max-steps 3 --output $O && bertlabel convert --model $O --to hf --output $O-hf && bertlabel predict --model $O-hf $texts
0 metrics bertlabel metrics --truth data/truth.csv --scores data/scores.csv
0 metrics-list bertlabel metrics --truth data/truth.csv --scores - --threshold 0.3,0.6 <data/scores.csv
0 metrics-json bertlabel metrics --truth data/truth.csv --scores data/scores.csv --threshold data/thresholds.json --quiet && bertlabel metrics --truth data/truth.csv --scores data/scores.csv $frame
0 check-data bertlabel check-data --train data/train.csv $dev --test data/test.csv --vocab-file data/model/vocab.txt --max-seq-length 20
0 check-data-model bertlabel check-data --train data/small.csv --dev data/train.csv --model data/model --json
3 check-data-bad bertlabel check-data --train data/bad.csv --dev data/other.csv --bad-rows $O.bad.jsonl
0 check-data-pairs bertlabel check-data --train data/pairs.jsonl.gz --dev data/all.fasttext --quiet
0 check-data-columns bertlabel check-data --train - --format tsv $columns --log-format json <data/columns.tsv
3 check-data-flags bertlabel check-data --train data/plain.txt --vocab-file data/model/vocab.txt $words $rows $frame
0 split bertlabel split --input data/train.csv --output $O
0 split-flags bertlabel split --input data/plain.txt $rows $frame --output $O --parts a=0.5,b=0.5 --quiet
0 split-files mkdir $O && bertlabel split --input data/pairs.jsonl.gz --output $O/a.jsonl.gz,$O/b.jsonl --parts train=0.7,dev=0.3 --seed 7 --json
0 split-tsv bertlabel split --input data/indexed.tsv --no-header --text-column 1 --labels-column 2 --id-column 3 --labels data/list.txt --output $O && bertlabel split --input data/all.fasttext --output $O --overwrite
END

# Refusals.
refusals frame <<'END'
2 versoin
2 help versoin
2 help train eval
2 version --jsno
2 version --log_fromat text
2 version --threads
2 version --threads x
2 version --threads=-1
2 version --max-memory much
2 version --max-memory 0
2 version --log-format xml
2 version --do_train
2 version -x
2 version extra
2 version --kernels mmx
2 version --config data/unknown_key.json
2 version --config data/wrong_type.json
2 version --config data/syntax.json
2 version --config nowhere.json
2 completion
2 completion tcsh
2 --pooling mean
2 inspect
2 inspect a b
END
refusals train <<'END'
2 train
2 train --train data/train.csv --output $O
2 train --model data/bert --train data/train.csv --output data/full
2 train --model data/bert --train data/train.csv --output data/train.csv
2 train --model data/bert --train nowhere.csv --output $O
2 train --model data/bert --train data/empty --output $O
2 $head --dev nowhere.csv
2 $head --pooling avg
2 $head --pooling mean:-4
2 $head --pooling mean:-2 --tune all
2 $head --pooling auto --solver lbfgs
2 $head --pooling auto $dev
2 $head --early-stopping 2
2 $head --tune-thresholds
2 $head --calibrate
2 $head --tune-thresholds=some $dev
2 $head --calibrate=isotonic $dev
2 $head --threshold-objective f0 $dev
2 $head --tune some
2 $head --tune last:0
2 $head --tune last:3
2 $head --learning-rate -1
2 $head --dropout 1
2 $head --train-batch-size 0
2 $head --best-metric f2
2 $head --optimizer sgd
2 $head --on-nan ignore
2 $head --on-nan restore
2 $head --max-seq-length 2
2 $head --max-seq-length 99999
2 $head --solver newton
2 $head --solver lbfgs --tune all
2 $head --solver lbfgs --loss focal
2 $head --l2 0.1
2 $head --solver lda
2 $head --solver lda --l2 1 --label-smoothing 0.1
2 $head --solver lda --l2 1 --tune last:1
2 $head --solver lbfgs --l2 -1
2 $head --loss hinge
2 $head --loss focal --pos-weight balanced
2 $head --label-smoothing 1
2 $head --pos-weight-cap 0.5
2 $head --bias-init prior
2 $head --baseline
2 $head --pos-weight nowhere.json
3 $head --pos-weight data/fish.json
3 $head --pos-weight data/zero.json
3 $head --pos-weight data/syntax.json
2 $head --folds 1
2 $head --folds 5 $dev
2 $head --folds 5 --tune all
2 $head --folds 5 --calibrate
3 $head --folds 900
2 $head --tune all --resume --overwrite
2 $head --tune all --keep-checkpoints 0
2 $head --tune all --save-checkpoints-steps -1
2 $head --resume-from x
2 $head --tune all --resume-from x --init-checkpoint y
4 $head --tune all --resume-from data/bert/bert_model.ckpt
4 $head --tune all --resume-from data/random/bert_model.ckpt
2 $head --hidden-act swish
2 $head --format xml
2 $head --on-bad-row ignore
2 $head --max-bad-rows some
2 $head --on-long cut
3 $head --text-column nowhere
2 $head --labels nowhere.txt
2 $head --labels data/empty
3 $head --labels data/list.txt
3 $head --dev data/other.csv
3 train --model data/bert --train data/bad.csv --output $O
3 train --model data/bert --train data/bad.csv --on-bad-row skip --max-bad-rows 0 --output $O
3 train --model data/bert --train data/nothing.csv --output $O
3 train --model data/bert --train data/cut.csv.gz --output $O
2 train --model data/bert --train data/lengths --output $O
4 train --model data/empty --train data/train.csv --output $O
4 train --model data/nowhere --train data/train.csv --output $O
4 train --model data/broken --train data/train.csv --output $O
4 train --model data/misfit --train data/train.csv --output $O
4 train --model data/badjson --train data/train.csv --output $O
END
refusals resume <<'END'
2 $enc --tune all $dev --output whole/out
2 $enc --tune all $dev --output whole/out --resume --seed 43
2 $enc --tune all $dev --output whole/out --resume --max-steps 50
2 $enc --tune last:1 $dev --output whole/out --resume
2 $enc --tune all $dev --output whole/out --resume --dropout 0
2 $enc --tune all $dev --output whole/out --resume --learning-rate 1e30
2 $enc --tune all --dev data/test.csv --output whole/out --resume
2 $enc --tune all $dev --train data/test.csv --output whole/out --resume
2 $enc --tune all --model data/random $dev --output whole/out --resume
2 $enc --tune all --resume-from whole/out/checkpoints/ckpt-000024/model.ckpt-24 --output $O
END
refusals labels <<'END'
2 labels
2 labels remove --model data/model --names refund --output $O
2 labels drop --model data/model --output $O
2 labels add --model data/model --names fish --output $O
2 labels drop --train x --model data/model --names refund --output $O
2 labels rename --model data/model --names refund --output $O
2 labels drop --into x --model data/model --names refund --output $O
2 labels rename --into x --model data/model --names refund,rude_staff --output $O
2 labels rename --into refund --model data/model --names rude_staff --output $O
2 labels merge --into x --train data/train.csv --model data/model --names refund --output $O
2 labels drop --model data/model --names refund,refund --output $O
2 labels drop --model data/model --names refnud --output $O
2 labels drop --model data/model --names $(paste -sd, data/labels.txt) --output $O
2 labels add --model data/model --names refund --train data/train.csv --output $O
2 labels add --tune-thresholds=per-label --model data/model --names fragile --train data/fragile.csv --output $O
2 labels drop --calibrate --model data/model --names refund --output $O
3 labels add --model data/model --names bird --train data/fish.csv --output $O
3 labels add --model data/model --names fish --train data/fish.csv --output $O
2 labels add --model data/model --names fish --train data/fish.csv --labels data/list.txt --output $O
4 labels drop --model data/random --names refund --output $O
2 labels drop --model data/model --names refund --output data/full
END
refusals use <<'END'
2 predict
2 predict --vocab-file x --init-checkpoint y
2 predict --model data/model --threshold 1.5
2 predict --model data/model --threshold NaN
2 predict --model data/model --top-k -1
2 predict --model data/model --top-k 2 --output-format csv
2 predict --model data/model --logits --output-format csv
2 predict --model data/model --pretty --logits
2 predict --model data/model --output-format xml
2 predict --model data/model --input nowhere.csv
2 predict --model data/model --input data/empty
2 predict --model data/model --output data/empty
2 predict --model data/model --modell x
4 predict --model data/empty
4 predict --model data/random
4 predict --model data/broken
4 predict --model data/model --init-checkpoint data/random/bert_model.ckpt
2 eval --model data/model
2 eval --data data/test.csv
2 eval --model data/model --data data/test.csv --threshold 2
2 eval --model data/model --data nowhere.csv
2 eval --model data/model --data data/test.csv --report -
2 eval --model data/model --data data/test.csv --report data/empty
2 eval --model data/model --data data/test.csv --report nowhere/r.html
2 eval --model data/model --data data/test.csv --plots data/test.csv
2 eval --model data/model --data data/test.csv --explain-rows -1
3 eval --model data/model --data data/bad.csv
4 eval --model data/random --data data/test.csv
2 embed
2 embed --model data/model --pooling avg
2 embed --model data/model --all-layers
3 embed --model data/model --output $O.safetensors
2 explain --model data/model --text a --label gladness
2 explain --model data/model --text a --method lime
2 explain --model data/model --text a --steps 0
2 explain --model data/model --text a --input data/texts.jsonl
2 tokenize
2 tokenize --vocab-file nowhere.txt
4 tokenize --vocab-file data/vocab.txt
2 tokenize --vocab-file data/model/vocab.txt --max-seq-length 1
2 tokenize --vocab-file -
3 tokenize --vocab-file data/model/vocab.txt --on-bad-row error
2 convert --model data/random
2 convert --to hf --output $O
2 convert --model data/random --to onnx --output $O
2 convert --model data/random --to hf --output data/full
2 convert --model data/model --to hf --output $O
4 convert --model data/empty --to hf --output $O
2 metrics --truth - --scores -
2 metrics --truth data/truth.csv
2 metrics --truth data/truth.csv --scores nowhere.csv
3 metrics --truth data/truth_2.csv --scores data/scores.csv
3 metrics --truth data/truth.csv --scores data/scores_nan.csv
3 metrics --truth data/truth.csv --scores data/scores_narrow.csv
3 metrics --truth data/nothing.csv --scores data/scores.csv
2 metrics --truth data/truth.csv --scores data/scores.csv --threshold 0.5,0.5,0.5
2 metrics --truth data/truth.csv --scores data/scores.csv --threshold nan
3 metrics --truth data/truth.csv --scores data/scores.csv --threshold data/thresholds_other.json
2 check-data
2 check-data --train data/train.csv --max-seq-length 1
2 check-data --train data/train.csv --dev nowhere.csv
4 check-data --train data/train.csv --model data/badjson
3 check-data --train data/nothing.csv
2 split --input data/train.csv --output $O --parts train=0.8,dev=0.1
2 split --input data/train.csv --output $O --parts train=1.2,dev=-0.2
2 split --input data/train.csv --output $O --parts a=0.5,a=0.5
2 split --input data/train.csv --output $O --parts ../a=0.5,b=0.5
2 split --input data/train.csv --output x.csv,y.csv
2 split --input data/train.csv --output x.csv,y.csv,x.csv
3 split --input data/fish.csv --output $O
2 bench --shape 8
2 bench --gemm 5x5
2 bench --model 1x40
2 bench --runs 0
4 bench --model bsae
6 bench --model 1000x65536
3 bench --lengths data/lengths_bad
2 bench --train --model 1x64 --batch 9 --lengths data/lengths
END

if [ -n "${MODEL:-}" ]; then
	ln -s "$(realpath "$MODEL")" "$work/data/real"
	cases <<'END'
0 real-head bertlabel train --model data/real --train data/small.csv $dev --pooling mean:-1..-3 --solver lbfgs --tune-thresholds=per-label --output $O
0 real-last bertlabel train --model data/real --train data/small.csv $dev --tune last:1 --pooling mean --max-steps 4 --output $O && bertlabel predict --model $O $texts
0 real-embed bertlabel embed --model data/real $texts --pooling mean
0 real-check bertlabel check-data --train data/train.csv --model data/real
END
fi
