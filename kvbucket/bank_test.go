package kvbucket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/lwjbus/lwjbus/kvbucket"
)

const (
	bankAccounts  = 4 // in each of two buckets
	bankCallers   = 8
	bankTransfers = 25 // of each caller
	bankDeposit   = 100
)

// bank moves money between accounts of two buckets.
type bank struct {
	b, other bucket
}

func account(i int) string { return fmt.Sprint("account", i%bankAccounts) }

func (k bank) of(i int) bucket {
	if i < bankAccounts {
		return k.b
	}
	return k.other
}

func (k bank) get(i int) kvbucket.Op { return kvbucket.OpGet(account(i)).In(k.of(i).Name()) }

func amount(e *kvbucket.Entry) int {
	n, _ := strconv.Atoi(string(e.Value))
	return n
}

// transfer moves an amount once nobody else has changed either account since
// both were read, at one revision.
func (k bank) transfer(from, to, n int) error {
	txn := kvbucket.Txn{Else: []kvbucket.Op{k.get(from), k.get(to)}, If: []kvbucket.Cond{kvbucket.KeyMissing(account(from)).In(k.of(from).Name())}}
	for {
		res, err := k.b.Commit(k.b.ctx, txn)
		if err != nil || res.Succeeded {
			return err
		}
		a, b := res.Results[0].Entry, res.Results[1].Entry
		txn.If, txn.Then = nil, nil
		for _, side := range []struct {
			e *kvbucket.Entry
			n int
		}{{a, -n}, {b, n}} {
			txn.If = append(txn.If, kvbucket.RevisionIs(side.e.Key, kvbucket.Equal, side.e.Revision).In(side.e.Bucket))
			txn.Then = append(txn.Then, kvbucket.OpPut(side.e.Key, []byte(strconv.Itoa(amount(side.e)+side.n))).In(side.e.Bucket))
		}
	}
}

// total is what the accounts of both buckets hold, as one transaction reads it.
func (k bank) total(ctx context.Context) (sum int, err error) {
	res, err := k.b.Commit(ctx, kvbucket.Txn{Then: []kvbucket.Op{
		kvbucket.OpGetRange(everything), kvbucket.OpGetRange(everything).In(k.other.Name()),
	}})
	if err != nil {
		return 0, err
	}
	for _, r := range res.Results {
		for _, e := range r.Entries {
			sum += amount(e)
		}
	}
	return sum, nil
}

// caseBank: while money moves between two buckets nobody ever sees some of it
// gone or doubled, neither by transactions nor at a revision.
func caseBank(t *testing.T, b bucket) {
	k := bank{b, openBucket(t, b.conn, "other")}
	for i := range 2 * bankAccounts {
		k.of(i).put(account(i), strconv.Itoa(bankDeposit))
	}
	const all = 2 * bankAccounts * bankDeposit
	ctx, stop := context.WithCancel(b.ctx)
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for ctx.Err() == nil {
			if sum, err := k.total(b.ctx); err != nil || sum != all {
				t.Errorf("want %d in all, got %d, %v", all, sum, err)
				return
			}
		}
	})
	readers.Go(func() {
		for ctx.Err() == nil {
			if sum := k.totalAt(b.revision()); sum != all {
				t.Errorf("want %d at one revision, got %d", all, sum)
				return
			}
		}
	})
	for range bankCallers {
		writers.Go(func() {
			for range bankTransfers {
				from := rand.IntN(2 * bankAccounts)
				if err := k.transfer(from, (from+1+rand.IntN(2*bankAccounts-1))%(2*bankAccounts), rand.IntN(10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	sum, err := k.total(b.ctx)
	check(t, err)
	same(t, all, sum)
}

// totalAt is the total of two lists at one revision. What is compacted
// meanwhile counts as right.
func (k bank) totalAt(revision uint64) (sum int) {
	for _, b := range []bucket{k.b, k.other} {
		list, err := b.List(b.ctx, everything, kvbucket.At(revision))
		if err != nil {
			return 2 * bankAccounts * bankDeposit
		}
		for _, e := range list {
			sum += amount(e)
		}
	}
	return sum
}
