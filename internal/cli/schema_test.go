package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/docs/schemas"
)

// schema is the part of JSON Schema that docs/schemas uses.
type schema struct {
	Type       any                `json:"type"` // a name or a list of them
	Const      any                `json:"const"`
	Enum       []any              `json:"enum"`
	Required   []string           `json:"required"`
	Properties map[string]*schema `json:"properties"`
	Additional json.RawMessage    `json:"additionalProperties"`
	Items      *schema            `json:"items"`
	OneOf      []*schema          `json:"oneOf"`
}

// check says what is wrong with v. A field that the schema does not have is
// wrong too: whatever is printed is documented.
func (s *schema) check(v any) error {
	if len(s.OneOf) > 0 {
		return s.checkOneOf(v)
	}
	if s.Const != nil && s.Const != v {
		return fmt.Errorf("want %v, got %v", s.Const, v)
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("want one of %v, got %v", s.Enum, v)
	}
	if s.Type != nil && !s.allows(typeOf(v)) {
		return fmt.Errorf("want %v, got %v", s.types(), typeOf(v))
	}
	switch v := v.(type) {
	case map[string]any:
		return s.checkObject(v)
	case []any:
		for i, item := range v {
			if err := s.Items.check(item); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	}
	return nil
}

func (s *schema) checkOneOf(v any) error {
	var errs []string
	for _, one := range s.OneOf {
		err := one.check(v)
		if err == nil {
			return nil
		}
		errs = append(errs, err.Error())
	}
	return fmt.Errorf("it is none of them: %s", strings.Join(errs, "; "))
}

func (s *schema) checkObject(v map[string]any) error {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("want %s, got none", name)
		}
	}
	for name, value := range v {
		one := s.Properties[name]
		if one == nil {
			one = s.additional()
		}
		if one == nil {
			return fmt.Errorf("got %s, which is not documented", name)
		}
		if err := one.check(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (s *schema) additional() *schema {
	one := new(schema)
	if json.Unmarshal(s.Additional, one) != nil {
		return nil // absent, or false
	}
	return one
}

func (s *schema) types() []string {
	if name, ok := s.Type.(string); ok {
		return []string{name}
	}
	var names []string
	for _, name := range s.Type.([]any) {
		names = append(names, name.(string))
	}
	return names
}

func (s *schema) allows(name string) bool {
	return slices.Contains(s.types(), name) || name == "integer" && slices.Contains(s.types(), "number")
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
	}
	return "number"
}

func readSchema(t *testing.T, name string) *schema {
	t.Helper()
	text, ok := schemas.Get(name)
	s := new(schema)
	if err := json.Unmarshal(text, s); !ok || err != nil {
		t.Fatalf("schema %s: want one, got %v", name, err)
	}
	return s
}

// TestOutputFollowsSchemas holds what commands print against docs/schemas, and
// wants every schema to be printed.
func TestOutputFollowsSchemas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := map[string]bool{"job.spec.v1": true} // this one is read
	for _, line := range []string{
		"version", "schema",
		"run --label a=b --env X=1 -- echo hi", "run --detach -- true", "wait 2", "run -- sh -c 'exit 7'",
		"submit --group g --dedup d -- make", "submit --dedup d -- make", "submit --count 2 -- make",
		"jobs", "jobs -a", "show 1", "events", "attach 1", "wait 1 3", "cancel 4 99", "cancel --group g", "rm 1", "rm 5",
		"kv put k v", `kv put bin "$(printf '\377')"`, "kv put k w --create", "kv get k", "kv get nobody", "kv get nobody --default v", "kv del k",
		"kv ls", "kv ls --values", "kv ls --count", "kv history k", "kv history bin", "kv revision",
		"kv watch --since start --count 3", "kv watch --prefix k --since start --keys-only --count 2",
		"kv watch zz --count 1 & p=$!; while kill -0 $p 2>/dev/null; do lwj kv put zz v >/dev/null; done; wait $p",
		"kv watch k --since start --count 1 -- true",
		"kv swap k x", "kv swap fresh x", "kv pop fresh", "kv put p/1 a --ttl 1h", "kv pop --prefix p/", "kv del --prefix p/",
		"kv owner register me", "kv owner register you --ttl 1h", "kv owner register you", "kv put mine v --owner me", "kv put mine v --owner nobody",
		"kv owner ls", "kv owner show me", "kv owner show you", "kv get nobody --wait --fail-if-owner-ends nobody",
		"kv owner end me", "kv owner end me", "kv owner register it -- true",
		"kv bucket create some --history 2", "kv bucket create some", "kv bucket ls", "kv bucket info kv", "kv bucket info none", "kv bucket rm some",
		"kv txn <<'END'\n" + everyOperation + "\nEND", "kv txn <<'END'\n" + `{"if":[{"key":"k","exists":false}]}` + "\nEND", "kv txn </dev/null",
		"atomic add word 1", "atomic load word", "atomic addif word gt 1 1", "atomic cas word 1 2", "atomic rm word", "atomic load word --must-exist",
		"fifo create p --max-deliver 1", "fifo create p", "fifo create q --ack-wait 0", "fifo ls", "fifo info p", "fifo info q", "fifo info none",
		`fifo put p "$(printf '\\377')"`, "fifo put p two", "fifo get p --nowait", "fifo get p --nowait -- false", "fifo dead p --nowait", "fifo get p --nowait", "fifo put p three",
		"fifo close p", "fifo put p four", "fifo cat p", "fifo get p", "fifo rm p", "fifo rm q",
		"barrier b --count 1", "lock l -- true", "lock l", "semaphore s --max 0 -- true",
		"bench --duration 1ms --callers 1", "bogus", "wait 1 --bogus",
		"serve & p=$!; while ! lwj kv revision --host never >/dev/null 2>&1; do :; done; kill $p; wait $p",
	} {
		for _, format := range []string{"json", "jsonl"} {
			for _, v := range printed(t, dir, line, format) {
				checkPrinted(t, line, v, seen)
			}
		}
	}
	awaitNoHost(dir + "/state")
	for _, name := range schemas.Names() {
		if !seen[name] {
			t.Errorf("want schema %s among what is printed, got only %v", name, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// everyOperation is a transaction with a result of each kind.
const everyOperation = `{"then":[{"put":{"key":"t","value":{"base64":"/w=="}}},{"get":{"key":"t"}},{"get":{"prefix":"t"}},{"list":{}},
{"count":{}},{"exists":{"key":"t"}},{"swap":{"key":"t","value":"1"}},{"setdefault":{"key":"t","value":"2"}},{"pop":{"key":"t"}},
{"pop":{"key":"t"}},{"create":{"key":"t","value":"3"}},{"pop":{"prefix":"t"}},{"delete":{"key":"t"}}]}`

// printed runs a command line and returns the JSON values of both its outputs.
func printed(t *testing.T, dir, line, format string) (values []any) {
	t.Helper()
	sh := exec.CommandContext(t.Context(), "sh", "-c", "lwj "+line)
	sh.Env = append(sh.Environ(), "LWJ_DIR="+dir+"/state", "HOME="+dir, "LWJ_OUTPUT="+format)
	var out, talk bytes.Buffer
	sh.Stdout, sh.Stderr = &out, &talk
	_ = sh.Run() // some are refused
	if strings.HasPrefix(line, "run") && !strings.Contains(line, "--detach") {
		out.Reset() // the job's own output
	}
	return append(decoded(t, line, &out), decoded(t, line, &talk)...)
}

// decoded reads JSON values; of arrays, their items.
func decoded(t *testing.T, line string, in io.Reader) (values []any) {
	t.Helper()
	d := json.NewDecoder(in)
	for {
		var v any
		err := d.Decode(&v)
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Errorf("lwj %s: want JSON, got %v", line, err)
			return values
		}
		if list, ok := v.([]any); ok {
			values = append(values, list...)
			continue
		}
		values = append(values, v)
	}
}

func checkPrinted(t *testing.T, line string, v any, seen map[string]bool) {
	t.Helper()
	object, ok := v.(map[string]any)
	name, named := object["schema"].(string)
	if _, isError := object["error"]; ok && !named && isError {
		name, named = "error.line.v1", true
	}
	if !named {
		t.Errorf("lwj %s: want a schema, got %v", line, v)
		return
	}
	seen[name] = true
	if err := readSchema(t, name).check(v); err != nil {
		t.Errorf("lwj %s: %s: %v in %v", line, name, err, v)
	}
	for _, field := range object {
		checkInside(t, line, field, seen)
	}
}

// checkInside holds what stands inside and has a schema of its own against it.
func checkInside(t *testing.T, line string, v any, seen map[string]bool) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["schema"]; ok {
			checkPrinted(t, line, v, seen)
		}
	case []any:
		for _, item := range v {
			checkInside(t, line, item, seen)
		}
	}
}

// TestEventSchemas holds the kinds of events that the commands above do not
// make against their schema.
func TestEventSchemas(t *testing.T) {
	t.Parallel()
	s := readSchema(t, eventSchema)
	for _, ev := range otherEvents() {
		text, err := encodeJSON(newEventJSON(ev))
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if err := s.check(v); err != nil {
			t.Errorf("%s: %v in %s", ev.Kind, err, text)
		}
	}
}

func TestSchemaCheck(t *testing.T) {
	t.Parallel()
	s := readSchema(t, "kv.revision.v1")
	tests := []struct{ text, want string }{
		{`{"schema":"kv.revision.v1","revision":1}`, ""},
		{`{"schema":"kv.revision.v1"}`, "want revision"},
		{`{"schema":"kv.revision.v1","revision":"1"}`, "want [integer]"},
		{`{"schema":"kv.revision.v1","revision":1.5}`, "want [integer]"},
		{`{"schema":"other","revision":1}`, "want kv.revision.v1"},
		{`{"schema":"kv.revision.v1","revision":1,"more":1}`, "not documented"},
	}
	for _, tt := range tests {
		var v any
		if err := json.Unmarshal([]byte(tt.text), &v); err != nil {
			t.Fatal(err)
		}
		if got := s.check(v); (tt.want == "") != (got == nil) || got != nil && !strings.Contains(got.Error(), tt.want) {
			t.Errorf("%s: want %q, got %v", tt.text, tt.want, got)
		}
	}
}
