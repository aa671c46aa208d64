#!/usr/bin/env bash
# Runs the programs of examples, each by its test.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z $(find examples -name '*.go' -print -quit 2>/dev/null) ]]; then
	echo 'no examples'
	exit 0
fi
go test -count=1 ./examples/...
