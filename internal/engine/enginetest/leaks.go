package enginetest

import "go.uber.org/goleak"

// ServerLeaks is what goleak is to pass over in packages that run real
// servers: a NATS server that is shut down while a stream is being made may
// leave that stream's goroutines behind. They are the server's, not ours.
func ServerLeaks() []goleak.Option {
	const server = "github.com/nats-io/nats-server/v2/server"
	return []goleak.Option{
		goleak.IgnoreAnyFunction(server + ".(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction(server + ".(*msgBlock).flushLoop"),
		goleak.IgnoreAnyFunction(server + "/ats.Register.func1"),
	}
}
