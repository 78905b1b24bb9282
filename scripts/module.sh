#!/usr/bin/env bash
# Gives the module another path, in every import of every file, so that `go get` can find it where it is published:
#
#	scripts/module.sh example.org/you/bertlabel
#
# The tests pass afterwards as before. The name of the program stays.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: scripts/module.sh MODULE/PATH" >&2; exit 2; }
from=$(go list -m) to=$1
[ "$from" != "$to" ] || exit 0
go mod edit -module "$to"
folders=$(git ls-files | sed -n 's|^\([a-z]*\)/.*\.go$|\1|p' | sort -u | paste -sd '|')
# A path of a package stands in quotes or backquotes, in imports and in the tests that read them, or behind `go doc`, `go run` and the like.
git ls-files -z '*.go' '*.sh' '*.md' .ci | FROM=$from TO=$to FOLDERS=$folders xargs -0 perl -pi -e \
	's{(?<![\w./~-])\Q$ENV{FROM}\E/(?=($ENV{FOLDERS})(\b|/))}{$ENV{TO}/}g'
gofmt -w $(git ls-files '*.go')
go vet ./...
