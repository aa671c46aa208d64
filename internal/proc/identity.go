package proc

import "strings"

// signature comes before the identity in a signed text.
const signature = ", process "

// Sign adds to a text who this process is among all that the machine has ever
// run, so that Gone can tell later. Where the system does not tell it, the text
// stays as it is.
func Sign(text string) string {
	if id := identity(); id != "" {
		return text + signature + id
	}
	return text
}

// Gone reports whether the process that signed a text is over for certain: it
// ran before the machine was started last, or nothing runs under its number,
// or what does began later, or has ended (TestGone). In doubt it is not gone:
// the text is not signed, or was signed in another PID namespace. A text of
// another machine must not be asked about.
func Gone(text string) bool {
	at := strings.LastIndex(text, signature)
	return at >= 0 && gone(text[at+len(signature):])
}
