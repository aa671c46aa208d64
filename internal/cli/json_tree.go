package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxJSONDepth is how deep arrays and objects stand in each other in JSON that
// is read.
const maxJSONDepth = 16

// jsonNode is a value of JSON that knows where it stands, so that whoever
// wrote it is told what is wrong there.
type jsonNode struct {
	path  string // as in then[2].put.key; empty for the whole
	value any    // nil, bool, json.Number, string, []*jsonNode or *jsonObject
}

// jsonObject is the fields of an object, in the order they stand in.
type jsonObject struct {
	names  []string
	fields map[string]*jsonNode
}

// parseJSON reads one JSON value and nothing behind it. Beyond what JSON asks
// it refuses a name that stands twice in an object, and text that is no UTF-8.
func parseJSON(text []byte) (*jsonNode, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, syntaxError(text, err)
	}
	if !utf8.Valid(text) || loneSurrogate(text) {
		return nil, usagef("the JSON has text that is no UTF-8: write such a value as {\"base64\":\"…\"}")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return readNode(d, "", 0)
}

// syntaxError says where JSON ends to be JSON.
func syntaxError(text []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return usagef("it is no JSON: %v", err)
	}
	before := text[:max(0, min(int(syntax.Offset)-1, len(text)))]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return usagef("line %d, column %d: it is no JSON: %v", line, column, err)
}

// loneSurrogate finds an escape such as \ud800 that is no character, which
// would be read as another one. text is JSON: backslashes stand in strings only.
func loneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		if text[i] != 'u' {
			continue
		}
		code := hex4(text[i+1:])
		i += 4
		switch {
		case code < 0xd800 || code > 0xdfff:
		case code < 0xdc00 && bytes.HasPrefix(text[i+1:], []byte(`\u`)) && hex4(text[i+3:])&^0x3ff == 0xdc00:
			i += 6
		default:
			return true
		}
	}
	return false
}

// hex4 is the number that four digits begin with; JSON has been checked.
func hex4(digits []byte) uint64 {
	n, _ := strconv.ParseUint(string(digits[:min(4, len(digits))]), 16, 64) // 0 where there are none
	return n
}

func readNode(d *json.Decoder, path string, depth int) (*jsonNode, error) {
	token, err := d.Token()
	if err != nil {
		return nil, usagef("it is no JSON: %v", err)
	}
	n := &jsonNode{path, token}
	if depth == maxJSONDepth {
		return nil, n.wrong("it stands deeper than %d arrays and objects", maxJSONDepth)
	}
	switch token {
	case json.Delim('{'):
		n.value, err = readObject(d, n, depth)
	case json.Delim('['):
		n.value, err = readArray(d, path, depth)
	}
	return n, err
}

func readObject(d *json.Decoder, n *jsonNode, depth int) (*jsonObject, error) {
	o := &jsonObject{fields: map[string]*jsonNode{}}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, usagef("it is no JSON: %v", err)
		}
		name := token.(string) // of a field, in JSON that has been checked
		if o.fields[name] != nil {
			return nil, n.wrong("%q stands there twice", name)
		}
		field, err := readNode(d, strings.TrimPrefix(n.path+"."+name, "."), depth+1)
		if err != nil {
			return nil, err
		}
		o.names, o.fields[name] = append(o.names, name), field
	}
	_, err := d.Token() // the end, in JSON that has been checked
	return o, err
}

func readArray(d *json.Decoder, path string, depth int) (list []*jsonNode, err error) {
	for d.More() {
		item, err := readNode(d, fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err = d.Token()
	return list, err
}

// wrong is a usage error that says where it is.
func (n *jsonNode) wrong(format string, args ...any) error {
	where := ""
	if n.path != "" {
		where = n.path + ": "
	}
	return usagef("%s%s", where, fmt.Sprintf(format, args...))
}

// is says what the value is, for people.
func (n *jsonNode) is() string {
	switch v := n.value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "the number " + v.String()
	case string:
		return "a string"
	case []*jsonNode:
		return "an array"
	}
	return "an object"
}

// object is the fields of an object; each must be one of names.
func (n *jsonNode) object(names ...string) (*jsonObject, error) {
	o, ok := n.value.(*jsonObject)
	if !ok {
		return nil, n.wrong("it is %s, not an object", n.is())
	}
	for _, name := range o.names {
		if !slices.Contains(names, name) {
			return nil, n.wrong("unknown field %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	return o, nil
}

// array is the items of an array; none where there is no node.
func (n *jsonNode) array() ([]*jsonNode, error) {
	if n == nil {
		return nil, nil
	}
	list, ok := n.value.([]*jsonNode)
	if !ok {
		return nil, n.wrong("it is %s, not an array", n.is())
	}
	return list, nil
}

func (n *jsonNode) text() (string, error) {
	s, ok := n.value.(string)
	if !ok {
		return "", n.wrong("it is %s, not a string", n.is())
	}
	return s, nil
}

func (n *jsonNode) truth() (bool, error) {
	b, ok := n.value.(bool)
	if !ok {
		return false, n.wrong("it is %s, neither true nor false", n.is())
	}
	return b, nil
}

func (n *jsonNode) count() (uint64, error) {
	number, ok := n.value.(json.Number)
	v, err := strconv.ParseUint(number.String(), 10, 64)
	if !ok || err != nil {
		return 0, n.wrong("it is %s, not a whole number from 0 to 18446744073709551615", n.is())
	}
	return v, nil
}

// bytes is a value: a string, or {"base64":"…"}.
func (n *jsonNode) bytes() ([]byte, error) {
	if s, ok := n.value.(string); ok {
		return []byte(s), nil
	}
	o, ok := n.value.(*jsonObject)
	if !ok || len(o.names) != 1 || o.fields["base64"] == nil {
		return nil, n.wrong("it is %s, not a string or {\"base64\":\"…\"}", n.is())
	}
	text, err := o.fields["base64"].text()
	if err != nil {
		return nil, err
	}
	value, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, o.fields["base64"].wrong("%v", err)
	}
	return value, nil
}
