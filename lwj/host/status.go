package host

import (
	"github.com/lwjbus/lwjbus/bus/embedded"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// VerbStatus asks what the host is. It takes no argument; the answer is a Status.
const VerbStatus = "host.status"

// Status is what a host says of itself.
type Status struct {
	_msgpack    struct{} `msgpack:",as_array"`
	Namespace   string
	Store       string // id of the store
	Version     string // of the host's program
	Durability  string // synced or fast
	PowerCut    string // what a power cut would lose, in words
	Revision    uint64
	Epoch       uint64
	Incarnation uint64
	MaxRecord   int // bytes
	URL         string
	Rounds      uint64 // since the host started
	Txns        uint64
	Owners      int
}

type nothing struct{}

// layer is what the host itself answers.
func (h *Host) layer() engine.Layer {
	return engine.Layer{
		Name:  "host",
		Reads: []engine.Read{engine.ReadOf(VerbStatus, nil, func(v *engine.View, _ *nothing) (any, error) { return h.status(v), nil })},
	}
}

func (h *Host) status(v *engine.View) *Status {
	e := v.Engine()
	return &Status{
		Namespace: h.cfg.Namespace, Store: h.store, Version: h.cfg.Version, Durability: h.cfg.Durability, PowerCut: h.powerCut(),
		Revision: v.Revision(), Epoch: v.Epoch, Incarnation: v.Incarnation, MaxRecord: h.streamLog.MaxRecord(), URL: h.server.URL(),
		Rounds: e.Stats().Rounds.Load(), Txns: e.Stats().Transactions.Load(), Owners: len(e.Owners()),
	}
}

// powerCut says what an acknowledged write is worth when the power fails.
func (h *Host) powerCut() string {
	if h.cfg.Durability == embedded.Fast {
		return "up to " + embedded.FastWindow.String() + " of acknowledged writes"
	}
	return "nothing that was acknowledged"
}
