#!/usr/bin/env bash
# Makes a release of this commit in dist/: archives for six platforms, deb and rpm, SHA256SUMS, an SBOM. It puts nothing anywhere.
#
#	scripts/release.sh              the version is that of the commit's tag, such as v1.2.0
#	scripts/release.sh --snapshot   without a tag: a version that names the commit
#
# The tree has to be clean. GoReleaser and the SBOM's maker are built from the versions below; the result does not depend on the folder,
# the time or the machine, so that anyone can build it again and compare SHA256SUMS.
set -euo pipefail
cd "$(dirname "$0")/.."
goreleaser=github.com/goreleaser/goreleaser/v2@v2.17.0
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

[ -z "$(git status --porcelain)" ] || { echo "release.sh: the tree has changes that are not committed" >&2; exit 1; }
export SOURCE_DATE_EPOCH GOFLAGS=-mod=readonly
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)

rm -rf release dist && mkdir -p release/man release/man.gz release/completions release/bin
GOBIN=$PWD/release/bin go install "$goreleaser"
GOBIN=$PWD/release/bin go install "$sbom"
go run ./scripts/notices >release/NOTICES.txt
go run -tags man ./cmd/bertlabel release/man
for page in release/man/*; do
	gzip --no-name --best <"$page" >"release/man.gz/$(basename "$page").gz"
done
for shell in bash zsh fish; do
	go run ./cmd/bertlabel completion $shell >release/completions/bertlabel.$shell
done
PATH=$PWD/release/bin:$PATH goreleaser release --clean "$@"
echo "dist/:"
(cd dist && sha256sum --check --quiet SHA256SUMS && cat SHA256SUMS)
