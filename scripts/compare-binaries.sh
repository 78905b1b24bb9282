#!/usr/bin/env bash
# Proves that two builds of bertlabel do the same, byte for byte: every verb, every kind of training, refusals with their exit codes,
# and that NEW goes on with what OLD has left. For changes that are to change nothing. By hand; docs/testing.md says what is masked.
#
#	scripts/compare-binaries.sh OLD NEW [WORKDIR]       all cases; exit 1 if something differs
#	CASES='^(labels|lda)' scripts/compare-binaries.sh …  those whose names match, and those that others build on
#	MODEL=uncased_L-12_H-768_A-12 scripts/…              some cases with real weights, too
#
# The cases are the lines of compare/cases.sh. Both binaries run a case at once, each as `bertlabel` in a folder of its own, WORKDIR/old
# and WORKDIR/new, where all paths are relative. There a folder of the case's name has stdout, stderr, exit code, and the files it wrote. A
# WORKDIR that was named keeps these folders where something differs.
set -uo pipefail
[ $# = 2 ] || [ $# = 3 ] || { sed -n '2,/^set/s/^#$\|^# //p; 2,/^set/s/^#\t/    /p' "$0"; exit 2; }
old=$(realpath -e "$1") && new=$(realpath -e "$2") && scripts=$(cd "$(dirname "$0")" && pwd) || exit 2
work=$(realpath "${3:-$(mktemp -d)}") && mkdir -p "$work" || exit 2
[ -n "${3:-}" ] || trap 'rm -rf "$work"' EXIT
[ -z "$(ls -A "$work")" ] || { echo "$work is not empty"; exit 2; }
began=$SECONDS same=0 differ=0

unset "${!BERTLABEL_@}"
export LC_ALL=C NO_COLOR=1 BERTLABEL_THREADS=2 BERTLABEL_MAX_MEMORY=8GiB # both are part of what is compared
export BERTLABEL_RECIPE=google BERTLABEL_BASELINE=false # what train does unless a case says other
mkdir "$work/data" && (set -e && cd "$work/data" && . "$scripts/compare/data.sh") || { echo "OLD makes no data"; exit 2; }
(cd "$scripts/.." && go build -o "$work/folders" scripts/compare/folders.go) || exit 2
for side in old new; do
	mkdir -p "$work/$side/loose" "$work/bin-$side" && ln -s "${!side}" "$work/bin-$side/bertlabel" && ln -s ../data "$work/$side/data"
done
export BASH_ENV=$scripts/compare/functions.sh # read by the bash of each case

# side old|new NAME COMMAND runs a case in one of the folders.
side() {
	cd "$work/$1" && mkdir "$2" || return
	O=$2/out PATH=$work/bin-$1:$PATH timeout 120 bash -c "$3" </dev/null >"$2/stdout" 2>"$2/stderr"
	echo $? >"$2/exit"
}

# check CODE NAME COMMAND [TITLE] runs a case on both sides, compares, and prints a line. CODE is what OLD is known to end with, so that
# the case tests what it says. Later cases build on one whose NAME ends with +.
check() {
	[[ $2 =~ ${CASES:-} || $2 == *+ ]] || return 0
	local name=${2%+} found code
	side old "$name" "$3" &
	side new "$name" "$3"
	wait
	found=$("$work/folders" "$work/old/$name" "$work/new/$name" 2>&1)
	code=$(cat "$work/old/$name/exit")
	[ "$code" = "$1" ] || found+="OLD: exit $code, want $1: $(tail -n 3 "$work/old/$name/stderr")"
	if [ -n "$(grep -v '^~' <<<"$found")" ]; then
		differ=$((differ + 1))
		printf 'DIFFERS %s: %s\n' "$name" "$3"
		head -n 40 <<<"$found"
		return
	fi
	same=$((same + 1))
	printf 'same    %s%s\n' "${4:-$name}" "${found:+$'\n'$found}"
	[[ $2 == *+ ]] || rm -rf "$work/old/$name" "$work/new/$name"
}

# cases reads lines of CODE NAME COMMAND….
cases() {
	local code name command
	while read -r code name command; do
		check "$code" "$name" "$command"
	done
}

# refusals NAME reads lines of CODE WORDS…, command lines of bertlabel that are refused. Their standard input is data/bad.jsonl.
refusals() {
	local code words n=0
	while read -r code words; do
		n=$((n + 1))
		check "$code" "refused-$1-$n" "bertlabel $words <data/bad.jsonl" "refused-$1-$n: $words"
	done
}

. "$scripts/compare/cases.sh"
echo "$((same + differ)) cases in $((SECONDS - began)) s: $same same, $differ differ"
[ $differ = 0 ]
