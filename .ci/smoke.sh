#!/usr/bin/env bash
# Types commands into the built program, as a person would, in a data directory
# of its own, and compares exit codes and output with what the help promises.
#
#   .ci/smoke.sh PROGRAM
set -uo pipefail

program=$(realpath "${1:?usage: .ci/smoke.sh PROGRAM}")
readme=$(realpath "$(dirname "$0")/..")/README.md
tmp=$(mktemp -d)
mkdir -m 700 "$tmp/dir" "$tmp/bin" "$tmp/home"
ln -s "$program" "$tmp/bin/lwj"
echo text >"$tmp/home/plain"

# Nothing of this machine may reach the commands but a path.
for name in $(compgen -e | grep -E '^(LWJ_|NATS_|XDG_)'); do unset "$name"; done
export HOME=$tmp/home LWJ_DIR=$tmp/dir PATH=$tmp/bin:$PATH NO_COLOR=1
cd "$tmp/home" || exit 1

passed=0 failed=0 served=
out=$tmp/out err=$tmp/err

# check CONDITION… : counts one check about the last command.
check() {
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n      stdout: %s\n      stderr: %s\n' "$name" "$(head -c 600 "$out")" "$(head -c 600 "$err")"
	fi
}

# want CODE COMMAND… : runs a command with no input; its exit code must be CODE,
# and its talk no stack trace.
want() {
	local code=$1 got=0
	shift
	timeout --kill-after=5 60 "$@" </dev/null >"$out" 2>"$err" || got=$?
	check "want exit $code, got $got: $*" test "$got" -eq "$code"
	check "want no stack trace: $*" quiet
	last="$*"
	printf '%4d  %s\n' "$got" "$last"
}

quiet() { ! grep -qE '^(panic:|goroutine [0-9])' "$err"; }

# says TEXT : stdout of the last command is TEXT and nothing else.
says() { check "want stdout '$1': $last" cmp -s <(printf '%s' "$1") "$out"; }

# shows REGEXP, tells REGEXP : a line of stdout, of stderr, matches.
shows() { check "want stdout like '$1': $last" grep -qE -e "$1" "$out"; }
tells() { check "want stderr like '$1': $last" grep -qE -e "$1" "$err"; }

# counts N REGEXP : N lines of stdout match.
counts() { check "want $1 lines like '$2', got $(grep -cE -e "$2" "$out"): $last" test "$(grep -cE -e "$2" "$out")" -eq "$1"; }

# refused : the last command said why on one line, and printed no data.
refused() {
	check "want one line on stderr: $last" test "$(wc -l <"$err")" -eq 1
	check "want no data: $last" test ! -s "$out"
}

# job : the number that `lwj run` told or `lwj submit` printed last.
job() { grep -hoE '^(job )?[0-9]+$' "$out" "$err" | grep -oE '[0-9]+' | tail -n 1; }

# ready, free : a host answers; nobody holds the data directory. within waits for one of them.
ready() { lwj --host never --request-timeout 1s kv revision </dev/null >"$out" 2>"$err"; }
free() { flock --nonblock "$LWJ_DIR/lock" true; }
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

serve() {
	lwj serve </dev/null >"$tmp/serve.out" 2>"$tmp/serve.err" &
	served=$!
	check 'want lwj serve to answer within 20 s' within 20 ready
}

# stop_serving ends the server we started, which must drain.
stop_serving() {
	local code=0
	kill -TERM "$served"
	wait "$served" || code=$?
	served=
	check "want lwj serve to end by SIGTERM with 0 or 143, got $code" test "$code" -eq 0 -o "$code" -eq 143
}

cleanup() {
	[[ -z $served ]] || kill -KILL "$served" 2>/dev/null
	within 10 free 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

orientation() {
	want 0 lwj version && shows '.'
	want 0 lwj --help && shows '(^| )run( |$)'
	want 0 lwj schema && shows 'job\.event\.v1'
	want 0 lwj completion bash && shows 'lwj'
	want 2 lwj no-such-command && refused
	want 2 lwj --no-such-flag kv ls && refused
	want 2 lwj run --no-such-flag -- true && refused
	want 2 lwj -o yaml kv ls && refused
	want 2 lwj run && refused
	want 2 lwj kv get && refused
}

running() {
	want 0 lwj run -- true && tells '^job [0-9]+$'
	want 7 lwj run -- sh -c 'exit 7'
	want 127 lwj run -- /no/such/command && tells '/no/such/command'
	want 126 lwj run -- "$tmp/home/plain"
	want 143 lwj run -- sh -c 'kill -TERM $$'
	want 124 lwj run --time-limit 1s -- sleep 30
	want 0 lwj run -q -- sh -c 'echo out; echo err >&2' && says $'out\n' && tells '^err$'
	want 0 lwj run -n 2 --no-label -- sh -c 'echo $LWJ_TASK of $LWJ_NTASKS' && counts 2 '^[01] of 2$'
	want 5 lwj run -n 2 -- sh -c 'exit $((LWJ_TASK * 5))'
	want 0 lwj run -q --env GREETING=hello -- sh -c 'echo $GREETING' && says $'hello\n'
	want 0 lwj run -- lwj kv put from-a-job yes
	want 0 lwj kv get from-a-job && says yes
}

watching() {
	want 0 lwj run -- true
	local id
	id=$(job)
	want 0 lwj events "$id" --since start -o jsonl && counts 4 '"kind":"state"'
	shows '"from":null,"to":"reserved"'
	shows '"from":"running","to":"complete"'
	shows '"kind":"caught-up"'
	want 0 lwj show "$id" -o json && shows '"state": ?"complete"'
	want 0 lwj wait "$id" --for running
	want 0 lwj jobs -a -o jsonl && shows "\"job\":$id,"
	want 3 lwj show 999999 && refused
	want 3 lwj wait 999999 && refused
	want 3 lwj attach 999999 && refused
	want 2 lwj show seven && refused
	want 0 lwj run -- sh -c 'printf kept'
	id=$(job)
	want 0 lwj attach "$id" && shows '^kept$'
	want 0 lwj rm "$id"
}

detached() {
	want 0 lwj run --detach -- sh -c 'sleep 1; exit 3' && shows '^[0-9]+$'
	local id
	id=$(job)
	want 124 lwj wait "$id" --timeout 10ms
	want 3 lwj wait "$id"
	want 0 lwj run --detach -- sleep 60
	id=$(job)
	want 0 lwj wait "$id" --for running --timeout 20s
	want 0 lwj cancel "$id"
	want 125 lwj wait "$id"
	want 4 lwj cancel "$id" && refused
	want 0 lwj submit -- true && shows '^[0-9]+$'
	id=$(job)
	want 0 lwj jobs -o jsonl && shows "\"job\":$id,"
	want 0 lwj cancel "$id"
	want 125 lwj wait "$id"
	want 1 lwj wait "$id" --for running
}

# keys KEY : reads and writes a key that nobody used before.
keys() {
	local key=$1 revision
	want 0 lwj kv put "$key" green && shows '^[0-9]+$'
	revision=$(cat "$out")
	want 0 lwj kv get "$key" && says green
	want 0 lwj kv put "$key" blue
	want 0 lwj kv get "$key" --at "$revision" && says green
	want 0 lwj kv history "$key" -o jsonl && counts 2 "\"key\":\"$key\""
	want 0 lwj kv ls --prefix "$key" && shows "$key"
	want 0 lwj kv get absent --default none && says none
	want 3 lwj kv get absent && refused
	want 3 lwj -o json kv get absent && refused
	tells '^\{"error":\{.*"code":3[,}]' && tells '"name":"not_found"'
	want 4 lwj kv put "$key" red --create && refused
	want 4 lwj kv put "$key" red --if-revision "$revision" && refused
	want 0 lwj kv get "$key" && says blue
	want 2 lwj kv put '' empty && refused
	want 0 lwj kv del "$key" && shows '^1$'
	want 0 lwj kv del "$key" && shows '^0$'
}

# ranges PREFIX : keys below a prefix that nobody used before.
ranges() {
	local p=$1
	want 0 lwj kv put "$p/a" 1
	want 0 lwj kv put "$p/b" 2
	want 0 lwj kv put "$p/c" 3
	want 0 lwj kv ls --count --prefix "$p/" && says $'3\n'
	want 0 lwj kv ls --from "$p/b" --to "$p/c" --values && says "$p/b  2"$'\n'
	want 0 lwj kv ls --limit 1 --prefix "$p/" && says "$p/a"$'\n'
	want 0 lwj kv ls --from "$p/" --to '' && says ''
	want 0 lwj kv swap "$p/a" one && says 1
	want 0 lwj kv pop "$p/a" && says one
	want 3 lwj kv pop "$p/a" && refused
	want 0 lwj kv pop --prefix "$p/b" && says "$p/b  2"$'\n'
	want 0 lwj kv del --prefix "$p/" && says $'1\n'
	want 0 lwj kv del --from "$p/" --to "${p}0" && says $'0\n'
	want 2 lwj kv del && refused
	want 2 lwj kv del "$p" --prefix "$p" && refused
	want 2 lwj kv pop --prefix a --to b && refused
	want 2 lwj kv ls --prefix a --from b && refused
	want 0 lwj kv watch "$p/c" --since start --count 2 -- sh -c 'echo $LWJ_OP $LWJ_KEY $(wc -c <$LWJ_VALUE_FILE)'
	shows "^put $p/c 1\$" && shows "^delete $p/c 0\$"
	want 5 lwj kv watch "$p/c" --since start -- sh -c 'exit 5'
	want 127 lwj kv watch "$p/c" --since start -- no-such-command && refused
	want 2 lwj kv watch "$p/c" -- && refused
}

# txn CODE JSON [FLAG]… : runs a transaction, as want does.
txn() {
	local code=$1 json=$2
	shift 2
	# shellcheck disable=SC2016 # sh expands it
	want "$code" sh -c 'json=$1; shift; printf "%s\n" "$json" | lwj kv txn "$@"' sh "$json" "$@"
}

transactions() {
	txn 0 '{"if":[{"key":"txn","exists":false}],"then":[{"put":{"key":"txn","value":"1"}},{"get":{"key":"txn"}},{"count":{"prefix":"txn"}}]}'
	shows '"succeeded":true,.*"results":\[null,\{.*"value":"1".*\},1\]'
	txn 4 '{"if":[{"key":"txn","value":"2","op":"=="}],"else":[{"exists":{"key":"txn"}}]}' --exit-code
	shows '"succeeded":false,.*"results":\[true\]'
	txn 0 '{"if":[{"key":"txn","version":1}],"then":[{"delete":{"key":"txn"}}]}' --exit-code
	txn 2 '{"then":[{"put":{"key":"txn","colour":"red"}}]}' && refused && tells 'then\[0\]\.put: unknown field "colour"'
	txn 2 '{"then":[{"get":{"key":"a"},"pop":{"key":"a"}}]}' && refused
	txn 2 '{"then":[{"put":{"key":"txn"}}]}' && refused
	txn 2 '{} and more' && refused
	txn 2 '' && refused
	txn 4 '{"then":[{"put":{"key":"txn","value":"1"}},{"create":{"key":"txn","value":"2"}}]}' && refused
	want 2 lwj kv txn /no/such/file && refused
	want 3 lwj kv get txn && refused
}

# owners ID : an owner that nobody registered before.
owners() {
	local id=$1
	want 0 lwj kv owner register "$id" && shows '^[0-9]+$'
	want 4 lwj kv owner register "$id" && refused
	want 0 lwj kv put "$id/key" v --owner "$id"
	want 0 lwj kv put "$id/free" v --owner "$id"
	want 0 lwj kv put "$id/free" --no-owner
	want 0 lwj kv owner show "$id" -o json && shows '"schema":"owner.v1".*"ttl":null.*"keys":1'
	want 0 lwj kv owner ls && shows "^$id "
	want 1 lwj kv get "$id/never" --wait --fail-if-owner-ends nobody && refused
	want 124 lwj kv get "$id/never" --wait --timeout 50ms --fail-if-owner-ends "$id" && refused
	want 0 lwj kv owner end "$id"
	want 3 lwj kv owner end "$id" && refused
	want 3 lwj kv get "$id/key" && refused
	want 0 lwj kv get "$id/free" && says v
	want 7 lwj kv owner register "$id" -- sh -c 'lwj kv put from-owner $LWJ_TOKEN --owner $LWJ_OWNER; exit 7'
	want 3 lwj kv get from-owner && refused
	want 127 lwj kv owner register "$id" -- no-such-command && refused
	want 2 lwj kv owner register "$id" -- && refused
	want 2 lwj kv owner register "$id" --ttl 1ms && refused
	want 3 lwj kv put "$id/key" v --owner "$id" && refused
	want 2 lwj kv put "$id/key" v --owner "$id" --ttl 5s && refused
	want 3 lwj kv put "$id/key" --no-owner && refused
	want 0 lwj kv put "$id/brief" v --ttl 1s
	want 0 lwj kv history "$id/brief"
}

# buckets NAME : a bucket that nobody used before.
buckets() {
	local name=$1
	want 0 lwj kv bucket create "$name" --history 2
	want 4 lwj kv bucket create "$name" && refused
	want 0 lwj kv -b "$name" put a 1
	want 0 lwj kv bucket info "$name" -o json && shows '"schema":"bucket.v1".*"history":2.*"keys":1'
	want 0 lwj kv bucket ls && shows "^$name "
	want 0 lwj kv bucket rm "$name"
	want 3 lwj kv bucket rm "$name" && refused
	want 3 lwj kv bucket info "$name" && refused
	want 3 lwj kv -b "$name" get a && refused
	want 2 lwj kv bucket create && refused
	want 2 lwj kv bucket create 'a b' && refused
	want 2 lwj kv bucket create "$name" --history 0 && refused
	want 6 lwj kv bucket rm lwj && refused
}

# words KEY : a word that nobody used before.
words() {
	local key=$1
	want 0 lwj atomic load "$key" && says $'0\n'
	want 3 lwj atomic load "$key" --must-exist && refused
	want 0 lwj atomic add "$key" 9 && says $'0\n'
	want 0 lwj atomic add "$key" -4 --after && says $'5\n'
	want 0 lwj atomic sub "$key" 1 && says $'5\n'
	want 0 lwj kv get "$key" && says 4
	want 0 lwj atomic addif "$key" lt 5 1 && says $'4\n'
	want 4 lwj atomic addif "$key" lt 5 1 && says $'5\n'
	want 0 lwj atomic cas "$key" 5 6 && says $'5\n'
	want 4 lwj atomic cas "$key" 5 7 -o json && shows '"schema":"atomic.v1".*"before":6,"after":6,"met":false'
	want 0 lwj atomic and "$key" 3 && says $'6\n'
	want 0 lwj atomic or "$key" 1 && says $'2\n'
	want 0 lwj atomic xor "$key" 1 && says $'3\n'
	want 0 lwj atomic min "$key" -8 && says $'2\n'
	want 0 lwj atomic max "$key" -7 && says $'-8\n'
	want 0 lwj atomic xchg "$key" 1 && says $'-7\n'
	want 0 lwj atomic store "$key" 9223372036854775807 && says $'1\n'
	want 1 lwj atomic add "$key" 1 && refused && tells 'outside'
	want 0 lwj atomic rm "$key" && says $'9223372036854775807\n'
	want 3 lwj kv get "$key" && refused
	want 0 lwj kv put "$key" abc
	want 1 lwj atomic add "$key" 1 && refused && tells 'not a word'
	want 0 lwj kv get "$key" && says abc
	want 2 lwj atomic add "$key" one && refused
	want 2 lwj atomic addif "$key" less 1 1 && refused
	want 6 lwj atomic -b lwj add next-id 1 && refused
}

# locks NAME : a lock, a semaphore, a barrier and an election that nobody used before.
locks() {
	local name=$1
	want 0 lwj lock "$name" -- sh -c 'test $LWJ_FENCE -gt 0 && echo $LWJ_FENCE_KEY' && says "lock.$name"$'\n'
	want 7 lwj lock "$name" -- sh -c 'exit 7'
	want 124 lwj lock "$name" -- lwj lock "$name" --timeout 50ms -- echo never && says ''
	want 0 lwj lock "$name" --shared -- lwj lock "$name" --shared -- echo two && says $'two\n'
	want 127 lwj lock "$name" -- no-such-command && refused
	want 2 lwj lock "$name" && refused
	want 0 lwj semaphore "$name" --max 2 -- lwj semaphore "$name" --max 2 -- echo both && says $'both\n'
	want 4 lwj semaphore "$name" --max 1 -- lwj semaphore "$name" --max 2 -- true
	want 2 lwj semaphore "$name" -- true && refused
	want 0 sh -c 'lwj barrier "$1" --count 2 & lwj barrier "$1" --count 2 && wait $!' sh "$name"
	want 0 lwj barrier "$name" --count 1 -o json && shows '"schema":"lock.v1".*"last":true'
	want 124 lwj barrier "$name" --count 2 --timeout 50ms && refused
	want 3 lwj barrier "$name" --count 1 --double -- sh -c 'exit 3'
	want 2 lwj barrier "$name" && refused
	want 0 lwj elect "$name" -- lwj kv -b lwj-lock get "leader.$name" && shows '^host .*, pid [0-9]+$'
	want 2 lwj elect "$name" && refused
	want 0 lwj kv -b lwj-lock ls && says ''
	want 6 lwj kv -b lwj-lock put "lock.$name" mine && refused
}

# pipes NAME : a pipe that nobody used before.
pipes() {
	local name=$1
	want 0 lwj fifo create "$name" --max-items 3 --max-deliver 1
	want 0 lwj fifo create "$name" --max-items 3 --max-deliver 1
	want 4 lwj fifo create "$name" --max-items 4 && refused
	want 0 lwj fifo put "$name" a
	want 0 sh -c 'printf "b\nc\n" | lwj fifo put "$1" --lines' sh "$name"
	want 4 lwj fifo put "$name" d --nowait && refused
	want 124 lwj fifo put "$name" d --timeout 50ms && refused
	want 0 lwj fifo info "$name" -o json && shows '"schema":"fifo.v1".*"max_items":3.*"ready":3'
	want 0 lwj fifo get "$name" && says a
	want 7 lwj fifo get "$name" -- sh -c 'test $(cat) = b && exit 7'
	want 0 lwj fifo dead "$name" -o json && shows '"schema":"fifo.item.v1".*"value":"b".*"deliveries":1'
	want 0 lwj fifo get "$name" -n 5 && says $'c\n'
	want 4 lwj fifo get "$name" --nowait && refused
	want 124 lwj fifo get "$name" --timeout 50ms && refused
	want 127 lwj fifo get "$name" -- no-such-command && refused
	want 0 lwj fifo put "$name" last
	want 0 lwj fifo close "$name"
	want 1 lwj fifo put "$name" late && refused
	want 0 lwj fifo cat "$name" && says $'last\n'
	want 3 lwj fifo get "$name" && refused
	want 2 lwj fifo bridge "$name" "$HOME/plain" --out && refused
	want 2 lwj fifo bridge "$name" "$HOME/new" && refused
	want 0 lwj fifo ls && shows "^$name "
	want 0 lwj fifo rm "$name"
	want 3 lwj fifo rm "$name" && refused
	want 3 lwj fifo put "$name" x && refused
	want 2 lwj fifo create '' && refused
	want 2 lwj fifo create "$name" --max-items 0 && refused
}

nowhere() {
	want 5 lwj --server nats://127.0.0.1:1 --request-timeout 2s kv get color && refused
	want 5 lwj --dir "$tmp/nobody" --host never kv get color && refused
	want 5 lwj --dir /proc/no-such-dir kv put color red && refused
}

# known : the README names no command that does not exist.
known() {
	[[ -f $readme ]] || return 0
	local command
	while read -r command; do
		# shellcheck disable=SC2086 # a command of several words
		want 0 $command --help
	done < <(awk '/^```/ { code = !code; next } code' "$readme" | grep -oE '(^|[|(&;$] *)lwj [a-z]+( (add|get|put|swap|pop|ls|del|watch|history|txn|owner|bucket|create))?\b' |
		grep -oE 'lwj .*' | sort -u)
}

orientation
running
watching
detached
keys color
ranges fruit
transactions
owners me
buckets mine
locks alone
pipes quiet
words visitors
nowhere
check 'want no host left when no command runs' within 20 free
serve
running
keys shape
ranges tree
transactions
owners you
buckets yours
locks served
pipes busy
words guests
stop_serving
check 'want no host left after lwj serve' within 20 free
want 0 lwj kv get from-a-job && says yes
known
printf 'smoke: %d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
