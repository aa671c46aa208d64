package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

var (
	// errNoCounter is returned for a key that holds no number, or none any more.
	errNoCounter = errors.New("the key holds no counter")
	// errBelowZero is returned when the counter would be less than 0.
	errBelowZero = errors.New("the counter is 0 already")
)

// counter is a number in a key that any process of any machine may change, as
// the recipe of the same name does it in Skein. Safe for concurrent use.
type counter struct {
	bucket *kvbucket.Bucket
	key    string
}

// openCounter returns the counter of a key, which begins with 0.
func openCounter(ctx context.Context, b *kvbucket.Bucket, key string) (*counter, error) {
	e, err := b.SetDefault(ctx, key, []byte("0"))
	if err != nil {
		return nil, err
	}
	if _, err := number(e); err != nil {
		return nil, err
	}
	return &counter{b, key}, nil
}

// number is what an entry holds.
func number(e *kvbucket.Entry) (uint64, error) {
	if e == nil || e.Op != bus.OpPut {
		return 0, errNoCounter
	}
	n, err := strconv.ParseUint(string(e.Value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %w", e.Key, errNoCounter, err)
	}
	return n, nil
}

// get returns the number.
func (c *counter) get(ctx context.Context) (uint64, error) {
	e, err := c.bucket.Get(ctx, c.key)
	if err != nil {
		return 0, err
	}
	return number(e)
}

// increment adds 1 and returns the new number.
func (c *counter) increment(ctx context.Context) (uint64, error) {
	return c.change(ctx, func(n uint64) (uint64, error) { return n + 1, nil })
}

// decrement takes 1 away and returns the new number.
func (c *counter) decrement(ctx context.Context) (uint64, error) {
	return c.change(ctx, func(n uint64) (uint64, error) {
		if n == 0 {
			return 0, errBelowZero
		}
		return n - 1, nil
	})
}

// change replaces the number on condition that nobody did so meanwhile.
func (c *counter) change(ctx context.Context, next func(uint64) (uint64, error)) (now uint64, err error) {
	_, err = c.bucket.Update(ctx, c.key, func(old *kvbucket.Entry) ([]byte, error) {
		n, err := number(old)
		if err != nil {
			return nil, err
		}
		now, err = next(n)
		return strconv.AppendUint(nil, now, 10), err
	})
	return now, err
}

// inside calls do while the counter is one higher. It is lowered again in any
// case but that of a killed process, which a key of its own per process, with
// an owner, would count as well (see kvbucket.OpenSession).
func (c *counter) inside(ctx context.Context, do func(context.Context) error) (err error) {
	if _, err := c.increment(ctx); err != nil {
		return err
	}
	defer func() {
		_, left := c.decrement(context.WithoutCancel(ctx))
		err = errors.Join(err, left)
	}()
	return do(ctx)
}

// waitZero returns when the counter is, or was after the call, 0.
func (c *counter) waitZero(ctx context.Context) error {
	return c.wait(ctx, func(n uint64) bool { return n == 0 })
}

// wait returns when the counter is, or was after the call, as wanted. The watch
// begins before the number is read: no change is missed between them.
func (c *counter) wait(ctx context.Context, wanted func(uint64) bool) (err error) {
	w, err := c.bucket.Watch(ctx, kvbucket.Keys(c.key))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	n, err := c.get(ctx)
	for err == nil && !wanted(n) {
		n, err = nextNumber(ctx, w)
	}
	return err
}

// nextNumber is the number after the next change.
func nextNumber(ctx context.Context, w *kvbucket.Watch) (uint64, error) {
	for {
		ev, err := w.Next(ctx)
		if err != nil {
			return 0, err
		}
		if ev.Entry != nil {
			return number(ev.Entry)
		}
	}
}
