package engine

import (
	"sort"
	"time"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/bus"
)

// MaxOwnerID bounds an owner's id, in bytes.
const MaxOwnerID = 256

// RegisterOwner asks for an owner that lives as long as its lease is renewed.
// Verb "owner.register"; answers OwnerAnswer.
type RegisterOwner struct {
	_msgpack struct{} `msgpack:",as_array"`
	ID       string
	TTL      int64 // milliseconds, MinTTL to MaxTTL
	Info     string
}

// OwnerAnswer is the token of a registration.
type OwnerAnswer struct {
	_msgpack struct{} `msgpack:",as_array"`
	Token    uint64
}

// RenewOwner and EndOwner name one registration. Verbs "owner.renew" and "owner.end".
type RenewOwner struct {
	_msgpack struct{} `msgpack:",as_array"`
	ID       string
	Token    uint64
}

// EndOwner ends a registration: everything it owns is settled.
type EndOwner RenewOwner

// ownLayer is what every engine answers: owners and their leases.
func (e *Engine) ownLayer() Layer {
	return Layer{
		Name:    "engine",
		Buckets: []Bucket{{Name: OwnerBucket, History: 1, Transient: true, ReadOnly: true}},
		Subject: func(bus.Names, *bus.Change) string { return "" },
		Procedures: []Procedure{
			Write("owner.register", checkRegister, e.registerOwner),
			Write("owner.end", nil, func(tx *Tx, in *EndOwner) (any, error) { return nil, e.endByHand(tx, in) }),
		},
		Reads: []Read{
			ReadOf("owner.renew", nil, func(v *View, in *RenewOwner) (any, error) {
				return OwnerAnswer{Token: in.Token}, e.leases.renew(in.ID, in.Token, e.engineTime())
			}),
		},
	}
}

func checkRegister(in *RegisterOwner) error {
	ttl := time.Duration(in.TTL) * time.Millisecond
	switch {
	case in.ID == "" || len(in.ID) > MaxOwnerID || !utf8.ValidString(in.ID):
		return bus.NewError(bus.CodeUsage, "an owner's id has 1 to %d bytes of UTF-8", MaxOwnerID)
	case ttl < MinTTL || ttl > MaxTTL:
		return bus.NewError(bus.CodeUsage, "a lease of %v is outside %v to %v", ttl, MinTTL, MaxTTL)
	}
	return nil
}

func (e *Engine) registerOwner(tx *Tx, in *RegisterOwner) (any, error) {
	if c := tx.Get(OwnerBucket, in.ID); c != nil {
		return nil, bus.NewError(bus.CodeExists, "owner %q is registered already (token %d)", in.ID, c.Created).WithRevision(c.Created)
	}
	value, err := bus.Marshal(Registration{TTL: in.TTL, Info: in.Info})
	if err != nil {
		return nil, err
	}
	return OwnerAnswer{Token: tx.Put(OwnerBucket, in.ID, value).Created}, nil
}

// OwnerAlive tells whether an owner is registered under this token.
func (tx *Tx) OwnerAlive(o Owner) bool {
	c := tx.Get(OwnerBucket, o.ID)
	if c == nil || c.Created != o.Token {
		return false
	}
	var r Registration
	return bus.Unmarshal(c.Value, &r) == nil && !r.Ending
}

func (e *Engine) endByHand(tx *Tx, in *EndOwner) error {
	if !tx.OwnerAlive(Owner{in.ID, in.Token}) {
		return noOwner(in.ID)
	}
	return e.endOwner(tx, Owner{in.ID, in.Token}, bus.ReasonOwnerGone)
}

// endOwner settles what an owner leaves. What is too much for one transaction
// is first marked, so that nothing is added, and goes on in the next.
func (e *Engine) endOwner(tx *Tx, o Owner, reason string) error {
	c := tx.Get(OwnerBucket, o.ID)
	if c == nil || c.Created != o.Token {
		return nil
	}
	for _, settle := range e.ended {
		if settle(tx, o.ID, o.Token, settledPerEnd) {
			return markEnding(tx, c)
		}
	}
	tx.Delete(OwnerBucket, o.ID, reason)
	return nil
}

func markEnding(tx *Tx, c *bus.Change) error {
	var r Registration
	if err := bus.Unmarshal(c.Value, &r); err != nil {
		return err
	}
	r.Ending = true
	value, err := bus.Marshal(r)
	if err == nil {
		tx.Put(OwnerBucket, c.Key, value)
	}
	return err
}

// endLeases ends the owners whose leases are over.
func (e *Engine) endLeases() {
	for _, o := range e.leases.expired(e.now, endedPerTick) {
		_, err := e.transact("", 0, true, func(tx *Tx) (any, error) { return nil, e.endOwner(tx, o, bus.ReasonLeaseExpired) }, nil)
		if err != nil {
			e.cfg.Logger.Error("an owner cannot be ended", "owner", o.ID, "error", err)
			e.leases.failed(o, e.now)
		}
	}
}

// Owners lists the registered owners and what is left of their leases, by id.
func (e *Engine) Owners() []OwnerLease {
	e.leases.mu.Lock()
	defer e.leases.mu.Unlock()
	out, now := make([]OwnerLease, 0, len(e.leases.byID)), e.engineTime()
	for _, le := range e.leases.byID {
		out = append(out, OwnerLease{Owner{le.id, le.token}, time.Duration(le.deadline - now)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// OwnerLease is one registered owner.
type OwnerLease struct {
	Owner
	Left time.Duration
}
