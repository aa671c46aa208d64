#!/usr/bin/env bash
# Fails when gofmt would change a file, and names it.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(find . -name '*.go' -not -path './.*' -not -path './dist/*' -exec gofmt -l {} +)
if [[ -n $unformatted ]]; then
	printf 'not formatted, run make fmt:\n%s\n' "$unformatted" >&2
	exit 1
fi
