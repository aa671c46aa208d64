package cli

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestShellLine: what is shown of a command is one line that speaks to no
// terminal, and a shell reads the same words from it.
func TestShellLine(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Log("no bash here: nothing reads the lines back")
	}
	for _, tt := range []struct {
		command []string
		want    string
	}{
		{[]string{"make", "-j4", "CC=gcc", "./a_b:c,d@e%+"}, "make -j4 CC=gcc ./a_b:c,d@e%+"},
		{[]string{"sh", "-c", "echo $A; exit 3"}, "sh -c 'echo $A; exit 3'"},
		{[]string{"echo", "", "it's", `a\b "c"`, "~", "*", "漢", "=x", "#"}, `echo '' 'it'\''s' 'a\b "c"' '~' '*' '漢' '=x' '#'`},
		{[]string{"A=1", "B=2"}, "'A=1' B=2"},
		{[]string{"printf", "a\nb'c\\\t1\x1b[2J\xff7\u202e漢"}, `printf $'a\012b\'c\\\0111\033[2J\3777\342\200\256漢'`},
		{nil, ""},
	} {
		got := shellLine(tt.command)
		if got != tt.want || printable(got) != got {
			t.Errorf("%q: want %s, got %s", tt.command, tt.want, got)
		}
		if bash == "" || len(tt.command) == 0 {
			continue
		}
		out, err := exec.CommandContext(t.Context(), bash, "-c", `printf '%s\0' `+got).Output()
		if err != nil {
			t.Errorf("%s: %v", got, err)
		}
		var words []byte
		for _, w := range tt.command {
			words = append(append(words, w...), 0)
		}
		if !slices.Equal(words, out) {
			t.Errorf("a shell reads %s differently (-want +got):\n%s", got, cmp.Diff(string(words), string(out)))
		}
	}
}

func TestCommandLineIsCut(t *testing.T) {
	t.Parallel()
	long := make([]string, 100)
	for i := range long {
		long[i] = "x y"
	}
	if got := []rune(commandLine(long)); len(got) != 60 || got[59] != '…' {
		t.Errorf("want 60 runes with … at their end, got %q", string(got))
	}
}
