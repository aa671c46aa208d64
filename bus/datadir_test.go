package bus

import "testing"

func TestDefaultDir(t *testing.T) {
	for _, c := range []struct{ name, lwj, xdg, home, want string }{
		{"named", "/a", "/x", "/h", "/a"},
		{"XDG", "", "/x", "/h", "/x/lwj"},
		{"relative XDG", "", "x", "/h", "/h/.local/state/lwj"},
		{"home", "", "", "/h", "/h/.local/state/lwj"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("LWJ_DIR", c.lwj)
			t.Setenv("XDG_STATE_HOME", c.xdg)
			t.Setenv("HOME", c.home)
			if got, err := DefaultDir(); err != nil || got != c.want {
				t.Errorf("want %q, got %q (%v)", c.want, got, err)
			}
		})
	}
	t.Run("homeless", func(t *testing.T) {
		for _, v := range []string{"LWJ_DIR", "XDG_STATE_HOME", "HOME"} {
			t.Setenv(v, "")
		}
		if got, err := DefaultDir(); CodeOf(err) != CodeUsage {
			t.Errorf("want an error of usage, got %q (%v)", got, err)
		}
	})
}
