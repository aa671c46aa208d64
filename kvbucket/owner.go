package kvbucket

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of owners and of how long a key lives by itself.
const (
	MaxOwnerID = 256                       // bytes of an owner's id
	MinTTL     = time.Second               // of a key
	MaxKeyTTL  = 10 * 365 * 24 * time.Hour // of a key
)

// Owner is who keys belong to: they are deleted when it ends.
type Owner struct {
	ID string
	// Token is the fencing token of one registration of ID. 0: whoever is
	// registered under ID when the write is evaluated.
	Token uint64
}

// OwnerOption says whose a key is after a write. A write without one leaves the
// key with the owner it has. It is an option of every write that sets a key.
type OwnerOption struct{ to wireOwner }

// OwnedBy gives the key to an owner. A write under an owner that is not
// registered fails with ErrNoOwner, one under a token that is not the owner's
// any more with ErrFenced.
func OwnedBy(o Owner) OwnerOption {
	return OwnerOption{wireOwner{Kind: ownerNamed, ID: o.ID, Token: o.Token}}
}

// NoOwner leaves the key without an owner, and without a TTL.
func NoOwner() OwnerOption { return OwnerOption{wireOwner{Kind: ownerNone}} }

// TTL has the key deleted after d, counted from the write, at most 2 s late
// while a host runs. d is MinTTL to MaxKeyTTL, in steps of a millisecond,
// rounded up. A key has a TTL or an owner: OwnedBy and TTL in one write are an
// error.
func TTL(d time.Duration) OwnerOption {
	return OwnerOption{wireOwner{Kind: ownerTTL, TTL: int64((d + time.Millisecond - 1) / time.Millisecond)}}
}

func (o OwnerOption) changePut(w *wireOp) { o.change(w) }

// change adds the option to an operation; the zero option adds nothing.
func (o OwnerOption) change(w *wireOp) {
	switch {
	case o.to.Kind == 0:
	case w.Owner != nil:
		w.Owner = &wireOwner{Kind: ownerTwice}
	default:
		w.Owner = &o.to
	}
}

// ownerKind is what a write does to the owner of its key. The numbers travel.
type ownerKind uint8

const (
	ownerNone  ownerKind = 1
	ownerNamed ownerKind = 2
	ownerTTL   ownerKind = 3
	ownerTwice ownerKind = 255 // two options in one write: always refused
)

// wireOwner is an OwnerOption as it travels.
type wireOwner struct {
	Kind  ownerKind
	ID    string
	Token uint64
	TTL   int64 // milliseconds
}

func (w *wireOwner) EncodeMsgpack(e *msgpack.Encoder) error {
	return bus.EncodeFields(e, uint8(w.Kind), w.ID, w.Token, w.TTL)
}

func (w *wireOwner) DecodeMsgpack(d *msgpack.Decoder) error {
	return bus.DecodeFields(d, 1, (*uint8)(&w.Kind), &w.ID, &w.Token, &w.TTL)
}

// check is what client and host ask of a write's owner; nil keeps the one there is.
func (w *wireOwner) check() error {
	switch {
	case w == nil || w.Kind == ownerNone:
		return nil
	case w.Kind == ownerNamed:
		return checkOwnerID(w.ID)
	case w.Kind != ownerTTL:
		return usage(ErrInvalidOwner, "a write takes one of an owner, no owner and a TTL")
	case w.TTL < MinTTL.Milliseconds() || w.TTL > MaxKeyTTL.Milliseconds():
		return usage(ErrInvalidOwner, "a key's TTL is %v to %v", MinTTL, MaxKeyTTL)
	}
	return nil
}

func checkOwnerID(id string) error {
	switch {
	case id == "" || len(id) > MaxOwnerID || !utf8.ValidString(id):
		return usage(ErrInvalidOwner, "owner %s: an owner's id has 1 to %d bytes of UTF-8", shown(id), MaxOwnerID)
	case strings.HasPrefix(id, "_"):
		return usage(ErrInvalidOwner, "owner %s: ids that begin with _ are the host's own", shown(id))
	}
	return nil
}
