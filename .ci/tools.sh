#!/usr/bin/env bash
# Builds the tools that internal/tools pins into dist/tools, unless they are
# there and newer than the pins.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PWD/dist/tools
if [[ -x $bin/golangci-lint && $bin/golangci-lint -nt internal/tools/go.mod ]]; then
	exit 0
fi
mkdir -p "$bin"
(cd internal/tools && GOBIN=$bin go install tool)
touch "$bin"/* # go install leaves an unchanged program as old as it was
