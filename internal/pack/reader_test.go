package pack_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/internal/pack"
)

// encode writes values as bus.Marshal does.
func encode(t testing.TB, values ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	e := msgpack.NewEncoder(&out)
	e.UseCompactInts(true)
	if err := e.EncodeMulti(values...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReaderReadsEveryWidth(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64} {
		r := pack.Read(encode(t, n))
		if got := r.Uint(); got != n || !r.Done() {
			t.Errorf("want %d, got %d (done %v)", n, got, r.Done())
		}
	}
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		want := bytes.Repeat([]byte("x"), n)
		r := pack.Read(encode(t, want, string(want), make([]bool, n), true))
		gotBytes, gotText, length := r.Bytes(), r.Text(), r.Array(1)
		for range n {
			if r.Bool() {
				t.Fatal("want false, got true")
			}
		}
		if !bytes.Equal(want, gotBytes) || gotBytes == nil || !bytes.Equal(want, gotText) || length != n || !r.Bool() || !r.Done() {
			t.Errorf("want %d of each, got %d %d %d (done %v)", n, len(gotBytes), len(gotText), length, r.Done())
		}
	}
}

func TestReaderReadsMaps(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 65535, 65536} {
		b := encode(t, []byte(nil))
		m := map[int]int{}
		for i := range n {
			m[i] = i
		}
		r := pack.Read(append(b, encode(t, m)...))
		if got := r.Bytes(); got != nil {
			t.Errorf("want nil, got %v", got)
		}
		got := r.Map()
		for range got {
			if key, value := r.Uint(), r.Uint(); key != value {
				t.Fatalf("want %d, got %d", key, value)
			}
		}
		if got != n || !r.Done() {
			t.Errorf("want %d pairs, got %d (done %v)", n, got, r.Done())
		}
	}
}

// A value of another form ends the reading.
func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	read := map[string]func(*pack.Reader){
		"uint":  func(r *pack.Reader) { r.Uint() },
		"bool":  func(r *pack.Reader) { r.Bool() },
		"text":  func(r *pack.Reader) { r.Text() },
		"bytes": func(r *pack.Reader) { r.Bytes() },
		"array": func(r *pack.Reader) { r.Array(1) },
		"map":   func(r *pack.Reader) { r.Map() },
	}
	forms := map[string][]int{"uint": nil, "bool": nil, "text": nil, "bytes": nil, "array": nil, "map": nil}
	for c := range 256 {
		for name, fn := range read {
			r := pack.Read(append([]byte{byte(c)}, make([]byte, 64)...))
			if fn(&r); r.Len() > 0 {
				forms[name] = append(forms[name], c)
			} else if r.Done() || r.Uint() != 0 || r.Bytes() != nil || r.Array(1) != 0 || r.Done() {
				t.Errorf("%s of %#x: want nothing read and not done", name, c)
			}
		}
	}
	for name, want := range map[string]int{"uint": 128 + 4, "bool": 2, "text": 32 + 3, "bytes": 1 + 3, "array": 16 + 2, "map": 16 + 2} {
		if len(forms[name]) != want {
			t.Errorf("%s: want %d codes, got %d: %x", name, want, len(forms[name]), forms[name])
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, []byte{4, 0, 1, 2, 3, 5})
	f.Add([]byte{0x92, 0xcd, 1, 2, 0xa1, 'x'}, []byte{4, 0, 2})
	f.Fuzz(func(t *testing.T, b, asks []byte) {
		r := pack.Read(b)
		for _, ask := range asks {
			before := r.Len()
			n := 0
			switch ask % 6 {
			case 0:
				r.Uint()
			case 1:
				r.Bool()
			case 2:
				n = len(r.Text())
			case 3:
				n = len(r.Bytes())
			case 4:
				n = r.Array(1)
			case 5:
				n = r.Map()
			}
			if r.Len() > before || n > before || r.Len() == before && before > 0 {
				t.Fatalf("ask %d: %d bytes left of %d, length %d", ask%6, r.Len(), before, n)
			}
		}
	})
}
