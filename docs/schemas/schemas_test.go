package schemas

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSchemas wants every schema to have a title and to name itself.
func TestSchemas(t *testing.T) {
	t.Parallel()
	if len(Names()) == 0 {
		t.Fatal("want schemas, got none")
	}
	for _, name := range Names() {
		text, ok := Get(name)
		type object struct {
			Properties struct{ Schema *struct{ Const string } }
		}
		var s struct {
			object
			Title string
			OneOf []object
		}
		if err := json.Unmarshal(text, &s); !ok || err != nil {
			t.Errorf("%s: want JSON, got %v", name, err)
		}
		if s.Title == "" || s.Title != Title(name) {
			t.Errorf("%s: want its title, got %q and %q", name, s.Title, Title(name))
		}
		for _, o := range append(s.OneOf, s.object) {
			if c := o.Properties.Schema; c != nil && c.Const != name {
				t.Errorf("%s: want it to name itself, got %q", name, c.Const)
			}
		}
	}
	if _, ok := Get("nothing"); ok || Title("nothing") != "" {
		t.Error("want nothing for an unknown name, got a schema")
	}
}
