package schemas

import (
	"embed"
	"encoding/json"
	"strings"
)

//go:embed *.json
var files embed.FS

const extension = ".json"

// Names returns the names of all schemas, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // an embedded directory can be read
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), extension))
	}
	return names
}

// Get returns the text of a schema; false for an unknown name.
func Get(name string) ([]byte, bool) {
	text, err := files.ReadFile(name + extension)
	return text, err == nil
}

// Title returns the title of a schema, empty for an unknown name.
func Title(name string) string {
	text, _ := Get(name)
	var s struct{ Title string }
	_ = json.Unmarshal(text, &s) // TestSchemas reads them all
	return s.Title
}
