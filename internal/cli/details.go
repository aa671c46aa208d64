package cli

import (
	"fmt"
	"strings"
)

// details is one thing for people: a name and a value a line, what is empty
// left out. pairs are names and values by turns.
func details(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, "%-11s%s\n", pairs[i], printable(pairs[i+1]))
		}
	}
	return b.String()
}
