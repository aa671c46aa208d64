package kvbucket

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/bus"
)

// Limits of keys, values and requests.
const (
	MaxKey        = 1024    // bytes of a key
	MaxValue      = 1 << 20 // bytes of a value
	MaxOperations = 512     // operations of a branch of a transaction, and its conditions
	MaxFilters    = 4096    // keys, prefixes and ranges of one watch
)

// shownKey is how many bytes of a key an error shows.
const shownKey = 64

var bucketName = regexp.MustCompile(`^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$`)

func checkBucket(name string) error {
	if !bucketName.MatchString(name) {
		return usage(ErrInvalidBucket, "bucket name %s: a name has 1 to 64 of A-Z a-z 0-9 _ - and does not begin with _", shown(name))
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return usage(ErrEmptyKey, "the key is empty: a key has 1 to %d bytes of UTF-8", MaxKey)
	case len(key) > MaxKey:
		return usage(ErrInvalidKey, "key %s has %d bytes: a key has at most %d", shown(key), len(key), MaxKey)
	case !utf8.ValidString(key):
		return usage(ErrInvalidKey, "key %s is not valid UTF-8", shown(key))
	}
	return nil
}

func checkValue(key string, value []byte) error {
	if len(value) > MaxValue {
		return bus.NewError(bus.CodeTooLarge, "the value of key %s has %d bytes: at most %d are allowed", shown(key), len(value), MaxValue).
			WithHint("store the data elsewhere and its name here")
	}
	return nil
}

func checkAll(checks ...error) error {
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}

// shown is a key or a name as it stands in an error: quoted, on one line, not long.
func shown(key string) string {
	if len(key) <= shownKey {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q…", key[:shownKey])
}

// reserved tells whether the name is one of the layers of lwj: they alone
// write such a bucket, and name the subjects of its changes after jobs.
func reserved(bucket string) bool {
	return bucket == "lwj" || strings.HasPrefix(bucket, "lwj-")
}
