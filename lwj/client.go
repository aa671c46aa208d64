package lwj

import (
	"context"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Client speaks of jobs to a host. Safe for concurrent use.
type Client struct{ conn *bus.Conn }

// NewClient returns a client over c, which it does not close.
func NewClient(c *bus.Conn) *Client { return &Client{conn: c} }

// Conn is the connection of the client.
func (c *Client) Conn() *bus.Conn { return c.conn }

// Advance asks for transitions of different jobs, at most MaxItems, and
// returns what became of each, in their order. A refused one changes nothing.
// A job that is given back (to Submitted) while its cancel is asked for is
// cancelled: the result's State says so.
//
// Errors: of an item, ErrNoJob, ErrFenced or ErrTransition; of the call, those
// of bus.Conn.Call.
func (c *Client) Advance(ctx context.Context, items ...Advance) ([]ItemResult, error) {
	return c.items(ctx, VerbAdvance, AdvanceRequest{Items: items})
}

// AdvanceOne asks for one transition, with the errors of Advance.
func (c *Client) AdvanceOne(ctx context.Context, id uint64, to State, epoch uint64, detail *Detail) error {
	return one(c.Advance(ctx, Advance{ID: id, To: to, Epoch: epoch, Detail: detail}))
}

// Cancel ends jobs, at most MaxItems: one without an owner is cancelled at
// once, the owner of another is asked to send SIGTERM, and SIGKILL after grace.
// To ask again with the same grace changes nothing.
//
// Errors: of an item, ErrNoJob, or ErrTooLate for a job in a final state; of
// the call, CodeUsage and those of bus.Conn.Call.
func (c *Client) Cancel(ctx context.Context, grace time.Duration, ids ...uint64) ([]ItemResult, error) {
	return c.items(ctx, VerbCancel, CancelRequest{IDs: ids, Grace: int64(grace)})
}

// Signal asks the owners of jobs, at most MaxItems, to send a signal to their
// processes.
//
// Errors: of an item, ErrNoJob, ErrTooLate, or ErrTransition for a job without
// an owner; of the call, CodeUsage and those of bus.Conn.Call.
func (c *Client) Signal(ctx context.Context, number int, ids ...uint64) ([]ItemResult, error) {
	return c.items(ctx, VerbSignal, SignalRequest{IDs: ids, Number: number})
}

// Forget removes jobs in a final state, at most MaxItems, with all that is
// known of them. An item with ErrOverloaded is to be asked for again.
//
// Errors: of an item, ErrNoJob, ErrTransition, bus.ErrOverloaded; of the call,
// those of bus.Conn.Call.
func (c *Client) Forget(ctx context.Context, ids ...uint64) ([]ItemResult, error) {
	return c.items(ctx, VerbForget, ForgetRequest{IDs: ids})
}

// Post adds an event named name to the log of a job, which may have ended, and
// returns its number among the job's events.
//
// Errors: ErrNoJob; ErrTooLarge beyond MaxEvents or MaxEventData; CodeUsage.
func (c *Client) Post(ctx context.Context, id uint64, name string, data map[string]string) (uint64, error) {
	return c.PostEvent(ctx, id, 0, EventRecord{Kind: KindEvent, Name: name, Data: data})
}

// PostEvent is Post for any kind of event. An epoch that is not 0 must be the
// job's: sync and action events are its owner's alone (ErrFenced).
func (c *Client) PostEvent(ctx context.Context, id, epoch uint64, ev EventRecord) (uint64, error) {
	var answer PostAnswer
	err := c.conn.Call(ctx, VerbPost, PostRequest{ID: id, Epoch: epoch, Event: ev}, &answer)
	return answer.Number, err
}

// Owned returns the control records of owner's jobs that changed after
// revision since, and the revision to ask on from. It is what a launcher reads
// when its events may have had a gap.
func (c *Client) Owned(ctx context.Context, owner string, since uint64) ([]Owned, uint64, error) {
	var answer OwnedAnswer
	err := c.conn.Call(ctx, VerbOwned, OwnedRequest{Owner: owner, Since: since}, &answer, bus.Read())
	return answer.Jobs, answer.Revision, err
}

// items calls a verb that answers about each of its items.
func (c *Client) items(ctx context.Context, verb string, in any) ([]ItemResult, error) {
	var answer ItemsAnswer
	err := c.conn.Call(ctx, verb, in, &answer)
	return answer.Results, err
}

func one(results []ItemResult, err error) error {
	if err != nil {
		return err
	}
	if len(results) != 1 {
		return bus.NewError(bus.CodeMalformed, "%d results for one item", len(results))
	}
	return results[0].Err()
}
