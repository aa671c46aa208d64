package faults_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/natstest"
	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	// lostAnswers is how many writes have their connection cut.
	lostAnswers = 80
	// cutWindow bounds the time from a write's begin to a cut at random.
	cutWindow = 2 * time.Millisecond
	// shortCall is a call's time when its caller is to give up.
	shortCall = 40 * time.Millisecond
)

// cutSome breaks the connection of the write that begins now, or not.
func (p *proxy) cutSome(ctx context.Context, r *rand.Rand) (done func()) {
	switch r.IntN(4) {
	case 0:
		p.loseReply.Store(true)
	case 1:
		p.loseRequest.Store(true)
	case 2:
		ended := make(chan struct{})
		go func() { defer close(ended); pass(ctx, r, cutWindow); p.cut() }()
		return func() { <-ended }
	}
	return func() {}
}

// TestK26AnswerIsLost: with the connection cut between store and answer, at
// either end and at random, each write is executed once and its caller learns
// its revision.
func TestK26AnswerIsLost(t *testing.T) {
	t.Parallel()
	ctx, r, bed := testContext(t), random(t), natstest.New(t)
	p := newProxy(t, bed.Dir())
	b := open(t, dial(t, p.dir, bus.Config{RequestTimeout: patience, TryTimeout: time.Second}))
	straight := open(t, bed.Conn())
	var revision, own uint64 // of the namespace, of the key "if"
	writes := []func() (uint64, error){
		func() (uint64, error) { return b.Put(ctx, "put", text(int(revision))) },
		func() (uint64, error) {
			return b.PutAll(ctx, []kvbucket.KV{{Key: "x", Value: text(int(revision))}, {Key: "y", Value: text(int(revision))}})
		},
		func() (uint64, error) {
			rev, err := b.Put(ctx, "if", text(int(revision)), kvbucket.IfRevision(own))
			own = rev
			return rev, err
		},
		func() (uint64, error) { return b.Create(ctx, "new"+string(text(int(revision))), nil) },
		func() (uint64, error) {
			ok, err := b.Delete(ctx, "y")
			if !ok && err == nil {
				err = errors.New("the key was not there")
			}
			return revision + 1, err
		},
	}
	for i := range lostAnswers {
		if i%len(writes) == 4 { // there is always something to delete
			_, err := straight.Put(ctx, "y", nil)
			must(t, err)
			revision++
		}
		done := p.cutSome(ctx, r)
		got, err := writes[i%len(writes)]()
		done()
		if revision++; err != nil || got != revision {
			t.Fatalf("write %d: want revision %d, got %d (%v)", i, revision, got, err)
		}
	}
	now, err := kvbucket.Revision(ctx, bed.Conn())
	if err != nil || now != revision {
		t.Fatalf("want revision %d, got %d (%v)", revision, now, err)
	}
	t.Logf("%d writes, %d cuts", lostAnswers, p.cuts.Load())
}

// TestK26CallerGivesUp: a caller that gives up is told that nobody can tell, or
// that nothing was done; nothing is done twice.
func TestK26CallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, r, bed := testContext(t), random(t), natstest.New(t)
	p := newProxy(t, bed.Dir())
	b := open(t, dial(t, p.dir, bus.Config{RequestTimeout: shortCall}))
	var done, maybe uint64
	for i := range lostAnswers {
		wait := p.cutSome(ctx, r)
		_, err := b.Put(ctx, "k", text(i))
		wait()
		switch {
		case err == nil:
			done++
		case errors.Is(err, bus.ErrUnknownOutcome):
			maybe++
		case !errors.Is(err, bus.ErrUnreachable):
			t.Fatalf("write %d: want an unknown outcome or no host, got %v", i, err)
		}
	}
	e, err := open(t, bed.Conn()).Get(ctx, "k")
	must(t, err)
	if e.Version < done || e.Version > done+maybe {
		t.Fatalf("want %d to %d versions, got %d", done, done+maybe, e.Version)
	}
	t.Logf("%d done, %d unknown, %d not done; %d versions", done, maybe, lostAnswers-done-maybe, e.Version)
}
