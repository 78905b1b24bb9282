#!/bin/bash
# GNU parallel: 128 shards, one at a time on each of the machines that are named (node1,node2; none: this one), which share the folder.
# Each shard is tried three times. Run it again for what is left.
seq 0 127 | parallel --sshlogin "${1:-:}" --workdir "$PWD" --jobs 1 --retries 3 \
	bertlabel predict --model model --input texts.jsonl --output parts --shard {}/128 --max-bad-rows 1% --quiet
bertlabel parts parts
