package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// maxTxn is how many bytes of JSON a transaction has at most: values that fit
// a record of the host, in base64 and with room.
const maxTxn = 64 << 20

func (k *kv) txnCommand() *cobra.Command {
	var tell bool
	c := &cobra.Command{
		Use:   "txn [FILE|-]",
		Short: "Run a transaction: JSON in, JSON out",
		Long: `Run a transaction: if all conditions hold the operations of "then", else those of "else", all of them or
none, over any buckets. It is read from FILE, or from standard input when that is - or absent:

  {"if":[C…],"then":[O…],"else":[O…]}       all optional
  C  {"key":K,"exists":true|false}  {"key":K,"value":V,"op":OP}  {"key":K,"owner":ID|null,"op":OP}
     {"key":K,"revision":R,"op":OP}  {"key":K,"version":N,"op":OP};  OP is == (the default) != < <= > or >=
  O  {"get":S} {"pop":S} {"delete":S} {"count":S} {"list":S} {"exists":{"key":K}}
     {"put":{"key":K,"value":V,"owner":ID|null,"ttl":"5s"}}, and so create, setdefault and swap;
     put: an owner that is absent stays, null takes it away; a value that is absent stays
  S  {"key":K}, {"prefix":P} or {"from":A,"to":B}, each end optional
  V  a string or {"base64":"…"}

A condition or an operation may name another "bucket". The result has one item for each operation: for get,
pop, swap and setdefault of a key the entry or null, of a range a list of entries; for list a list of keys; for
count and delete a number; for exists true or false; for put and create null. Later operations see earlier
ones. What cannot be understood, and an operation that fails, refuses all of it.`,
		Example: `  echo '{"then":[{"put":{"key":"a","value":"1"}},{"get":{"key":"a"}}]}' | lwj kv txn
  echo '{"if":[{"key":"a","value":"1","op":"=="}],"then":[{"delete":{"prefix":"a"}}],"else":[{"get":{"key":"a"}}]}' >move.json
  lwj kv txn move.json --exit-code`,
		Args: between(0, 1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := k.txnText(cmd.Context(), args)
			if err != nil {
				return err
			}
			t, err := k.parseTxn(text)
			if err != nil {
				return err
			}
			return k.open(cmd.Context(), func(b *kvbucket.Bucket) error { return k.txn(cmd.Context(), b, t, tell) })
		},
	}
	c.Flags().BoolVar(&tell, "exit-code", false, "end with 4 when a condition does not hold")
	return c
}

// txnText is the file that was named, or standard input.
func (k *kv) txnText(ctx context.Context, args []string) ([]byte, error) {
	in := k.input(ctx)
	if len(args) > 0 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return nil, usagef("%v", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTxn+1))
	if err == nil && len(text) > maxTxn {
		err = bus.NewError(bus.CodeTooLarge, "a transaction has at most %d bytes of JSON", maxTxn).WithHint("split it")
	}
	return text, err
}

func (k *kv) txn(ctx context.Context, b *kvbucket.Bucket, t *txn, tell bool) error {
	r, err := b.Commit(ctx, t.Txn)
	if err != nil {
		return err
	}
	j, err := t.result(r)
	if err != nil {
		return err
	}
	line, err := encodeJSON(j)
	if err != nil {
		return err
	}
	if err := writeString(k.Out, line+"\n"); err != nil {
		return err
	}
	if tell && !r.Succeeded {
		return errQuiet(exitCondition)
	}
	return nil
}
