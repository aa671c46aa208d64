package fifo

import (
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// layerName is what timers know the layer by.
const layerName = "fifo"

// Layer is what a host answers for pipes.
func Layer() engine.Layer {
	return engine.Layer{
		Name:       layerName,
		Buckets:    buckets(),
		Subject:    func(bus.Names, *bus.Change) string { return "" },
		Procedures: procedures(),
		Reads: []engine.Read{
			engine.ReadOf(verbInfo, (*pipeRequest).check, info),
			engine.ReadOf(verbList, nil, list),
		},
		OwnerEnded: ownerEnded,
		Timer:      rang,
	}
}

// buckets keep nothing but what is now. The engine knows the owners of claims
// and writers; the layer settles them when an owner ends.
func buckets() []engine.Bucket {
	all := []engine.Bucket{{Name: pipeBucket}, {Name: itemBucket}, {Name: backBucket}, {Name: claimBucket}, {Name: writerBucket}}
	for i := range all {
		all[i].History, all[i].Transient, all[i].ReadOnly = 1, true, true
	}
	return all
}

func procedures() []engine.Procedure {
	get := engine.Write(verbGet, (*getRequest).check, get)
	get.Reveal = reveal
	remove := engine.Write(verbRemove, (*pipeRequest).check, remove)
	settle := engine.Write(verbAck, (*ackRequest).check, settle)
	extend := engine.Write(verbExtend, (*ackRequest).check, extend)
	closing := engine.Write(verbClose, (*pipeRequest).check, closePipe)
	for _, p := range []*engine.Procedure{&get, &remove, &settle, &extend, &closing} {
		p.Reserve = true // they free something, or lead to it
	}
	return []engine.Procedure{
		get, remove, settle, extend, closing,
		engine.Write(verbCreate, (*createRequest).check, create),
		engine.Write(verbWriter, (*writerRequest).check, openWriter),
		engine.Write(verbPut, (*putRequest).check, put),
		engine.Write(verbGiveUp, (*giveUpRequest).check, giveUp),
	}
}

// The checks of requests, before they are queued.

func (r *createRequest) check() error {
	c := Config{MaxItems: int(r.MaxItems), MaxBytes: r.MaxBytes, AckWait: NoAckWait, MaxDeliver: int(r.MaxDeliver)}
	if r.AckWait >= 0 {
		c.AckWait = time.Duration(min(r.AckWait, int64(MaxAckWait)+1)) * time.Millisecond
	}
	if err := checkName(r.Name); err != nil {
		return err
	}
	return c.check()
}

func (r *pipeRequest) check() error   { return checkName(r.Name) }
func (r *writerRequest) check() error { return checkName(r.Name) }

func (r *putRequest) check() error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	return checkItems(r.Items)
}

func (r *getRequest) check() error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	if err := checkLane(r.Lane); err != nil {
		return err
	}
	return checkCount(r.Most)
}

func (r *ackRequest) check() error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	if len(r.At) > MaxBatch || r.How < ack || r.How > skip {
		return usage("an acknowledgement of %d items, kind %d, is none", len(r.At), r.How)
	}
	for i := 1; i < len(r.At); i++ {
		if r.At[i] <= r.At[i-1] {
			return usage("an acknowledgement names its items in their order, each once")
		}
	}
	return checkLane(r.Lane)
}

func (r *giveUpRequest) check() error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	return checkLane(r.Lane)
}

func checkLane(l lane) error {
	if l >= lanes {
		return usage("a pipe has no lane %d", l)
	}
	return nil
}
