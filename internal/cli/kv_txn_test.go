package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lwjbus/lwjbus/kvbucket"
)

func txnParser() *kv {
	return &kv{app: &app{Streams: &Streams{Getenv: func(string) (string, bool) { return "", false }}}, bucket: defaultBucket}
}

// TestTxnRefused wants every transaction that cannot be understood to be
// refused, with where and what.
func TestTxnRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{``, `line 1, column 1: it is no JSON: unexpected end of JSON input`},
		{"{\n \"if\": ]}", `line 2, column 8: it is no JSON: invalid character ']' looking for beginning of value`},
		{`{} {}`, `line 1, column 4: it is no JSON: invalid character '{' after top-level value`},
		{`{}x`, `line 1, column 3: it is no JSON: invalid character 'x' after top-level value`},
		{"{\"then\":[{\"put\":{\"key\":\"a\",\"value\":\"\xff\"}}]}", `the JSON has text that is no UTF-8: write such a value as {"base64":"…"}`},
		{`{"then":[{"put":{"key":"a","value":"\ud800"}}]}`, `the JSON has text that is no UTF-8: write such a value as {"base64":"…"}`},
		{`[]`, `it is an array, not an object`},
		{`null`, `it is null, not an object`},
		{`{"when":[]}`, `unknown field "when": there are if, then, else`},
		{`{"then":[],"then":[]}`, `"then" stands there twice`},
		{`{"then":{}}`, `then: it is an object, not an array`},
		{`{"if":null}`, `if: it is null, not an array`},
		{`{"if":[1]}`, `if[0]: it is the number 1, not an object`},
		{`{"if":[{}]}`, `if[0]: it has no key`},
		{`{"if":[{"key":""}]}`, `if[0].key: the key is empty`},
		{`{"if":[{"key":7}]}`, `if[0].key: it is the number 7, not a string`},
		{`{"if":[{"key":"a"}]}`, `if[0]: it has no condition: one of exists, value, owner, revision, version`},
		{`{"if":[{"key":"a","colour":1}]}`, `if[0]: unknown field "colour": there are exists, value, owner, revision, version, key, op, bucket`},
		{`{"if":[{"key":"a","value":"1"},{"key":"a","value":"1","version":1}]}`, `if[1]: value and version stand in one condition: make two of it`},
		{`{"if":[{"key":"a","key":"b","exists":true}]}`, `if[0]: "key" stands there twice`},
		{`{"if":[{"key":"a","value":"1","op":"="}]}`, `if[0].op: "=" is no comparison: there are == != < <= > >=`},
		{`{"if":[{"key":"a","value":"1","op":1}]}`, `if[0].op: it is the number 1, not a string`},
		{`{"if":[{"key":"a","exists":"yes"}]}`, `if[0].exists: it is a string, neither true nor false`},
		{`{"if":[{"key":"a","exists":true,"op":"=="}]}`, `if[0].op: a condition on existence compares nothing: leave it out`},
		{`{"if":[{"key":"a","owner":""}]}`, `if[0].owner: it is empty: null is no owner`},
		{`{"if":[{"key":"a","revision":-1}]}`, `if[0].revision: it is the number -1, not a whole number from 0 to 18446744073709551615`},
		{`{"if":[{"key":"a","version":1.5}]}`, `if[0].version: it is the number 1.5, not a whole number from 0 to 18446744073709551615`},
		{`{"if":[{"key":"a","revision":"1"}]}`, `if[0].revision: it is a string, not a whole number from 0 to 18446744073709551615`},
		{`{"if":[{"key":"a","value":null}]}`, `if[0].value: it is null, not a string or {"base64":"…"}`},
		{`{"if":[{"key":"a","value":{"base64":"?"}}]}`, `if[0].value.base64: illegal base64 data at input byte 0`},
		{`{"if":[{"key":"a","value":{"base64":1}}]}`, `if[0].value.base64: it is the number 1, not a string`},
		{`{"if":[{"key":"a","value":{"hex":"00"}}]}`, `if[0].value: it is an object, not a string or {"base64":"…"}`},
		{`{"if":[{"key":"a","exists":true,"bucket":""}]}`, `if[0].bucket: it is empty`},
		{`{"then":[{}]}`, `then[0]: it has no operation: one of get, put, swap, pop, delete, count, list, exists, create, setdefault`},
		{`{"then":[{"frob":{}}]}`, `then[0]: unknown field "frob": there are get, put, swap, pop, delete, count, list, exists, create, setdefault, bucket`},
		{`{"else":[{"get":{"key":"a"},"pop":{"key":"a"}}]}`, `else[0]: get and pop stand in one operation: make two of it`},
		{`{"then":[{"get":"a"}]}`, `then[0].get: it is a string, not an object`},
		{`{"then":[{"get":{"key":"a","prefix":"b"}}]}`, `then[0].get: a key excludes prefix, from and to`},
		{`{"then":[{"get":{"key":"a","bucket":"b","to":"c"}}]}`, `then[0].get: a key excludes prefix, from and to`},
		{`{"then":[{"delete":{"prefix":"a","to":"b"}}]}`, `then[0].delete: a prefix excludes from and to`},
		{`{"then":[{"list":{"from":1}}]}`, `then[0].list.from: it is the number 1, not a string`},
		{`{"then":[{"list":{"to":null}}]}`, `then[0].list.to: it is null, not a string`},
		{`{"then":[{"exists":{"prefix":"a"}}]}`, `then[0].exists: unknown field "prefix": there are key, bucket`},
		{`{"then":[{"exists":{}}]}`, `then[0].exists: it has no key`},
		{`{"then":[{"put":{"value":"1"}}]}`, `then[0].put: it has no key`},
		{`{"then":[{"put":{"key":"a"}}]}`, `then[0].put: it has neither a value nor an owner: nothing would change`},
		{`{"then":[{"put":{"key":"a","value":1}}]}`, `then[0].put.value: it is the number 1, not a string or {"base64":"…"}`},
		{`{"then":[{"put":{"key":"a","owner":"c","ttl":"5s"}}]}`, `then[0].put: owner and ttl exclude each other: a ttl is an owner of its own`},
		{`{"then":[{"put":{"key":"a","owner":""}}]}`, `then[0].put.owner: it is empty: null takes the owner away`},
		{`{"then":[{"put":{"key":"a","owner":7}}]}`, `then[0].put.owner: it is the number 7, not a string`},
		{`{"then":[{"put":{"key":"a","ttl":5}}]}`, `then[0].put.ttl: it is the number 5, not a string`},
		{`{"then":[{"put":{"key":"a","ttl":"5"}}]}`, `then[0].put.ttl: time: missing unit in duration "5"`},
		{`{"then":[{"put":{"key":"a","ttl":"-5s"}}]}`, `then[0].put.ttl: -5s: it is longer than 0`},
		{`{"then":[{"create":{"key":"a","owner":"c"}}]}`, `then[0].create: it has no value`},
		{`{"then":[{"swap":{"key":"a","owner":null}}]}`, `then[0].swap: it has no value`},
		{`{"then":[{"put":{"key":"a","value":"1","bucket":"x"},"bucket":"y"}]}`, `then[0]: it names a bucket twice`},
		{`{"then":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, `then[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: it stands deeper than 16 arrays and objects`},
	}
	for _, tt := range tests {
		_, err := txnParser().parseTxn([]byte(tt.in))
		if err == nil {
			t.Errorf("%s: want %s, got no error", tt.in, tt.want)
			continue
		}
		if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.in, diff)
		}
		if code, _ := explain(err); code != exitUsage {
			t.Errorf("%s: want exit code %d, got %d", tt.in, exitUsage, code)
		}
	}
}

// TestTxnParsed wants what the contract allows to be understood as it says.
func TestTxnParsed(t *testing.T) {
	t.Parallel()
	to := ""
	tests := []struct {
		in   string
		want kvbucket.Txn
	}{
		{`{}`, kvbucket.Txn{}},
		{` {"if":[],"then":[],"else":[]} `, kvbucket.Txn{}},
		{`{"if":[{"key":"a","exists":true},{"key":"a","exists":false}]}`,
			kvbucket.Txn{If: []kvbucket.Cond{kvbucket.KeyExists("a"), kvbucket.KeyMissing("a")}}},
		{`{"if":[{"key":"a","value":"1"},{"key":"a","value":{"base64":"/w=="},"op":"<"}]}`,
			kvbucket.Txn{If: []kvbucket.Cond{kvbucket.ValueIs("a", kvbucket.Equal, []byte("1")), kvbucket.ValueIs("a", kvbucket.Less, []byte{0xff})}}},
		{`{"if":[{"key":"a","owner":null,"op":"=="},{"key":"a","owner":null,"op":"!="},{"key":"a","owner":"c","op":">="}]}`,
			kvbucket.Txn{If: []kvbucket.Cond{kvbucket.Unowned("a"), kvbucket.OwnerIs("a", kvbucket.NotEqual, ""), kvbucket.OwnerIs("a", kvbucket.GreaterOrEqual, "c")}}},
		{`{"if":[{"key":"a","revision":18446744073709551615,"op":"<="},{"bucket":"b","key":"a","version":2,"op":">"}]}`,
			kvbucket.Txn{If: []kvbucket.Cond{kvbucket.RevisionIs("a", kvbucket.LessOrEqual, 1<<64-1), kvbucket.VersionIs("a", kvbucket.Greater, 2).In("b")}}},
		{`{"then":[{"get":{"key":"a"}},{"get":{}},{"pop":{"prefix":"p"}},{"delete":{"from":"a","to":""}}],"else":[{"count":{"to":""},"bucket":"b"},{"list":{"from":"x","bucket":"b"}}]}`,
			kvbucket.Txn{
				Then: []kvbucket.Op{kvbucket.OpGet("a"), kvbucket.OpGetRange(kvbucket.Range{}), kvbucket.OpPopRange(kvbucket.Prefix("p")), kvbucket.OpDeleteRange(kvbucket.Between("a", ""))},
				Else: []kvbucket.Op{kvbucket.OpCount(kvbucket.Range{To: &to}).In("b"), kvbucket.OpKeys(kvbucket.Range{From: "x"}).In("b")},
			}},
		{`{"then":[{"put":{"key":"\ud83d\ude00","value":""}},{"put":{"key":"a","owner":null}},{"put":{"key":"a","ttl":"5s"}},{"create":{"key":"a","value":"1","owner":"c"}}]}`,
			kvbucket.Txn{Then: []kvbucket.Op{
				kvbucket.OpPut("😀", []byte{}), kvbucket.OpSetOwner("a", kvbucket.NoOwner()), kvbucket.OpSetOwner("a", kvbucket.TTL(5e9)),
				kvbucket.OpCreate("a", []byte("1"), kvbucket.OwnedBy(kvbucket.Owner{ID: "c"})),
			}}},
		{`{"then":[{"setdefault":{"key":"a","value":"1"}},{"swap":{"key":"a","value":"2","ttl":"1m"}},{"exists":{"key":"a"}},{"delete":{"key":"a"}},{"pop":{"key":"a"}}]}`,
			kvbucket.Txn{Then: []kvbucket.Op{
				kvbucket.OpSetDefault("a", []byte("1")), kvbucket.OpSwap("a", []byte("2"), kvbucket.TTL(60e9)), kvbucket.OpExists("a"), kvbucket.OpDelete("a"), kvbucket.OpPop("a"),
			}}},
	}
	for _, tt := range tests {
		got, err := txnParser().parseTxn([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: want no error, got %v", tt.in, err)
			continue
		}
		everything := cmp.Exporter(func(reflect.Type) bool { return true })
		if diff := cmp.Diff(tt.want, got.Txn, everything); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.in, diff)
		}
	}
}

// FuzzTxn wants no panic, and of what is refused one line.
func FuzzTxn(f *testing.F) {
	for _, seed := range []string{
		`{"if":[{"key":"a","owner":null,"op":"!="}],"then":[{"put":{"key":"a","value":{"base64":"/w=="}}}],"else":[{"get":{"to":""}}]}`,
		`{"then":[{"swap":{"key":"\ud800\udc00","value":"\\u","ttl":"5s"},"bucket":"b"}]}`, `{"then":[[[1,2.5e3,null,true]]]}`, `"\u`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := txnParser().parseTxn(text)
		if valid := json.Valid(text); err == nil && !valid {
			t.Errorf("want %q refused, got no error", text)
		}
		if err == nil {
			return
		}
		var stderr bytes.Buffer
		a := &app{Streams: &Streams{Err: &stderr}, globals: globals{output: outputTable}}
		if got := a.finish(t.Context(), err); got != exitUsage || strings.Count(stderr.String(), "\n") != 1 || !errors.As(err, new(usageError)) {
			t.Errorf("want exit code 2 and one line, got %d and %q", got, stderr.String())
		}
	})
}
