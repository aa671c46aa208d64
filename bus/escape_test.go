package bus

import (
	"regexp"
	"strings"
	"testing"
)

func TestEscapeKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, want string }{
		{"", ""},
		{"12.state", "12.state"},
		{"lwj/next-id_x", "lwj/next-id_x"},
		{"a b", "a=20b"},
		{"a=b", "a=3Db"},
		{"_a_", "=5Fa_"},
		{".a.", "=2Ea=2E"},
		{"a..b", "a.=2Eb"},
		{"a...b", "a.=2E=2Eb"},
		{".", "=2E"},
		{"*>:", "=2A=3E=3A"},
		{"\x00", "=00"},
		{"界", "=E7=95=8C"},
	} {
		got := EscapeKey(c.key)
		if got != c.want {
			t.Errorf("%q: want %q, got %q", c.key, c.want, got)
		}
		if back, ok := UnescapeKey(got); !ok || back != c.key {
			t.Errorf("%q: want it back, got %q (%v)", c.key, back, ok)
		}
	}
}

func TestUnescapeKeyRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"=", "=2", "a=2", "=zz", "=2e", "=41", "_owner.x", ".a", "a.", "a..b", "a b", "界"} {
		if key, ok := UnescapeKey(s); ok {
			t.Errorf("%q: want it refused, got %q", s, key)
		}
	}
}

func TestEscapeKeyFastPathAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = EscapeKey("123.state") }); n != 0 {
		t.Errorf("want no allocation, got %v", n)
	}
}

var natsKey = regexp.MustCompile(`^[-/_=.A-Za-z0-9]+$`)

func FuzzEscapeKey(f *testing.F) {
	for _, s := range []string{"a", "..", "_", "=", "a.b.c", "=2E", "x y", "a..b", "界"} {
		f.Add(s, s+".")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		e := EscapeKey(a)
		if back, ok := UnescapeKey(e); !ok || back != a {
			t.Fatalf("%q: want it back from %q, got %q (%v)", a, e, back, ok)
		}
		if (e == EscapeKey(b)) != (a == b) {
			t.Fatalf("%q and %q: want their escapes equal only if they are, got %q", a, b, e)
		}
		if a != "" && (!natsKey.MatchString(e) || e[0] == '.' || e[0] == '_' || e[len(e)-1] == '.' || strings.Contains(e, "..")) {
			t.Fatalf("%q: want a legal key, got %q", a, e)
		}
		if key, ok := UnescapeKey(b); ok && EscapeKey(key) != b {
			t.Fatalf("%q: want the only escape of %q, got another", b, key)
		}
	})
}
