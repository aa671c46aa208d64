#!/usr/bin/env bash
# Fuzzes every target of the project for a while, one after the other.
#
#   .ci/fuzz.sh [TIME]    TIME per target, default 5s
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# targets prints "FOLDER NAME" for each fuzz target.
targets() {
	grep -rE --include='*_test.go' --exclude-dir='.[!.]*' --exclude-dir=testdata --exclude-dir=dist '^func Fuzz[A-Za-z0-9_]*\(' . |
		sed -E 's|/[^/]*_test\.go:func (Fuzz[A-Za-z0-9_]*).*| \1|' | sort
}

# fuzz runs one target.
fuzz() {
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" >"$log" 2>&1
}

# ended tells whether the last run failed only because a worker was still busy
# when the time was over (golang/go#75804, up to Go 1.26): no input is to blame.
ended() {
	grep -qE '^ +context deadline exceeded$' "$log" && ! grep -qE 'Failing input|seed corpus' "$log"
}

count=0 failed=0
while read -r dir name; do
	count=$((count + 1))
	if fuzz "$dir" "$name" || ended; then
		printf 'ok    %s %s\n' "$dir" "$name"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s %s\n' "$dir" "$name"
		cat "$log"
	fi
done < <(targets)
printf 'fuzz: %d passed, %d failed\n' "$((count - failed))" "$failed"
((count > 0 && failed == 0))
