package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// shellLine is a command as a shell takes it back, word by word
// (TestShellLine): POSIX, and for what a terminal would obey $'…' with octal
// escapes, which POSIX has since 2024 and bash, zsh and ksh always had.
func shellLine(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		if words[i] = shellWord(w); i == 0 && words[i] == w && strings.Contains(w, "=") {
			words[i] = "'" + w + "'" // the first word would be an assignment
		}
	}
	return strings.Join(words, " ")
}

// plainRunes mean nothing to a shell, but = at a word's begin to zsh.
const plainRunes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./,:@%+="

func shellWord(w string) string {
	special := func(r rune) bool { return !strings.ContainsRune(plainRunes, r) }
	switch {
	case w != "" && w[0] != '=' && strings.IndexFunc(w, special) < 0:
		return w
	case printable(w) == w:
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return dollarQuoted(w)
}

// dollarQuoted is a word as $'…', each byte that cannot be shown in octal.
func dollarQuoted(w string) string {
	var b strings.Builder
	b.WriteString("$'")
	for len(w) > 0 {
		_, n := utf8.DecodeRuneInString(w)
		switch part := w[:n]; {
		case part == `\` || part == "'":
			b.WriteString(`\` + part)
		case printable(part) == part:
			b.WriteString(part)
		default:
			for _, c := range []byte(part) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
		w = w[n:]
	}
	b.WriteString("'")
	return b.String()
}
