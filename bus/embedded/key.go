package embedded

import (
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// key is an nkey of a user.
type key struct {
	public string
	seed   []byte
}

// newKey makes a key from the system's randomness.
func newKey() (key, error) {
	kp, err := nkeys.CreateUser()
	if err != nil {
		return key{}, err
	}
	seed, err := kp.Seed()
	if err != nil {
		return key{}, err
	}
	return parseKey(seed)
}

func parseKey(seed []byte) (key, error) {
	kp, err := nkeys.FromSeed(seed)
	if err != nil {
		return key{}, err
	}
	public, err := kp.PublicKey()
	return key{public: public, seed: seed}, err
}

// option signs the server's challenge with the key.
func (k key) option() nats.Option {
	return nats.Nkey(k.public, func(nonce []byte) ([]byte, error) {
		kp, err := nkeys.FromSeed(k.seed)
		if err != nil {
			return nil, err
		}
		return kp.Sign(nonce)
	})
}
