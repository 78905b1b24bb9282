# Makes what the cases of compare-binaries.sh use, in the folder data, with the binary $old. Nothing here is compared: both sides read the
# same files.

# Complaints with 8 labels, and two small BERTs: random weights, and those after a moment of training, with their head in `model`. `bert` has
# them with a head for other labels.
BERTLABEL_MAX_STEPS=400 BERTLABEL_WARMUP_PROPORTION=0.35 "$old" demo --quiet --output demo >/dev/null
mv demo/random-bert random
mv demo/model model
"$old" labels rename --quiet --model model --names refund --into money_back --output bert
head -n 301 demo/train.csv >train.csv
head -n 81 demo/train.csv >small.csv
head -n 121 demo/dev.csv >dev.csv
head -n 61 demo/test.csv >test.csv
gzip -kn test.csv
cp model/labels.txt .

# Models that are refused.
mkdir empty full && touch full/file
cp -r model broken && truncate -s 100 broken/bert_model.ckpt.data-00000-of-00001
cp -r model misfit && sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' misfit/bert_config.json
cp -r model badjson && echo '{"pooling": ' >badjson/bertlabel.json
printf '[UNK]\n[CLS]\nca\xfft\n' >vocab.txt

# 90 texts, in every format and shape, that have label `late` and label `broken` by their words; in columns.tsv some cells are unknown.
words=(the parcel never came refund broken my chair agent laughed at me app shows error late again money charged twice thanks)
RANDOM=1
printf 'key\tbody\tlate\tbroken\n' >columns.tsv
echo 'text,fragile,other' >fragile.csv
pair=
for i in {1..90}; do
	text=
	for ((n = 4 + i % 9; n > 0; n--)); do text+="${words[RANDOM % ${#words[@]}]} "; done
	late=0 broken=0 names=() indices=()
	[[ $text != *late* && $text != *never* ]] || late=1 names+=(late) indices+=(0)
	[[ $text != *broken* && $text != *error* ]] || broken=1 names+=(broken) indices+=(1)
	list=$(IFS=, && echo "${names[*]}") index=$(IFS=, && echo "${indices[*]}") json=${names[*]/#/\"}
	json=$(sed 's/ /", /; s/..*/&"/' <<<"$json")
	printf '%d\t%s\t%d\t%s\n' $i "$text" $late "$([ $((i % 7)) = 0 ] || echo $broken)" >>columns.tsv
	printf '%s\t%s\t%d\n' "$text" "$index" $i >>indexed.tsv
	printf '{"id": %d, "text": "%s", "text_pair": "%s", "labels": [%s]}\n' $i "$text" "$pair" "$json" >>pairs.jsonl
	printf '%s %s\n' "${names[*]/#/__label__}" "$text" >>all.fasttext
	printf '%d,%s,%s,%s\n' $i "$text" "${list/,/;}" "$pair" >>plain.txt
	printf '%s,%d,0\n' "$text" "$([[ $text != *chair* ]]; echo $?)" >>fragile.csv
	pair=$text
done
printf '91,%s,late,\n92,c\xffat,late,\n93,refund\n94,refund,late;fish,\n' "$(yes refund | head -n 40 | tr '\n' ' ')" >>plain.txt # long, no UTF-8, cut, unknown
printf 'late\nbroken\n' >list.txt
gzip -kn pairs.jsonl
head -n 30 pairs.jsonl >texts.jsonl

# Rows that are refused.
cat >bad.jsonl <<'ROWS'
{"id": 1, "text": "My parcel never came."}
nonsense
{"id": 3, "text": 7}
{"id": "é<b", "text": "refund", "text_pair": "the agent laughed"}
{}
ROWS
printf '{"text": "c\xffat"}\n' >>bad.jsonl
printf 'text,late,broken\nrefund,1,0\nchair,2,1\nlate,0,1\nthe app,0\n' >bad.csv
printf 'text,labels\nmy chair,fish\nlate,"refund,rude_staff"\n' >other.csv
printf 'text,fish\nthe parcel,1\nmy chair,1\nrefund,\n' >fish.csv
gzip -cn train.csv | head -c 700 >cut.csv.gz
touch nothing.csv

# Settings, weights of labels, scores, lengths.
echo '{"max_steps": 9, "pooling": "cls", "seed": 3, "json": true}' >config.json
echo '{"quite": true}' >unknown_key.json
echo '{"quiet": 1.5}' >wrong_type.json
echo '{"refund": 3, "rude_staff": 0.5}' >weights.json
echo '{"fish": 2}' >fish.json
echo '{"refund": 0}' >zero.json
printf '{\n"refund": x}' >syntax.json
printf 'id,a,b\n1,0,1\n2,1,0\n3,,1\n4,1,1\n' >truth.csv
printf 'b,id,a\n1,1,0.5\n0,2,0.25\n0.75,3,0.1\n0.5,4,1\n' >scores.csv
printf 'id,a,b\n1,0,2\n' >truth_2.csv
printf 'id,a,b\n1,0.5,nan\n' >scores_nan.csv
printf 'id,a\n1,0.5\n' >scores_narrow.csv
echo '{"a": 0.3, "b": 0.6}' >thresholds.json
echo '{"a": 0.3, "c": 0.6}' >thresholds_other.json
printf '3\n17\n5\n9\n4\n' >lengths
printf '3\nx\n' >lengths_bad
