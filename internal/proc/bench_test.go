package proc

import (
	"context"
	"os"
	"os/exec"
	"testing"
)

// What a supervisor costs is the difference to BenchmarkPlain.
func BenchmarkGroup(b *testing.B) {
	for name, held := range map[string]bool{"direct": false, "held": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g, err := Start(context.Background(), Spec{Command: []string{"true"}, Env: os.Environ(), Tasks: 1, Held: held}, func(Event) {})
				if err != nil {
					b.Fatal(err)
				}
				_ = g.Release() // does nothing for the direct one
				<-g.Done()
			}
		})
	}
}

func BenchmarkPlain(b *testing.B) {
	for b.Loop() {
		if err := exec.Command("true").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOutput(b *testing.B) {
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		g, err := Start(context.Background(), Spec{Command: []string{"head", "-c", "67108864", "/dev/zero"}, Env: os.Environ(), Tasks: 1}, func(Event) {})
		if err != nil {
			b.Fatal(err)
		}
		<-g.Done()
	}
}
