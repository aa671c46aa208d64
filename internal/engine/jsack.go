package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// Error codes of the server (nats-server/server/errors.json).
const (
	errCodeUnavailable      = 10008 // JetStream temporarily unavailable
	errCodeNotLeader        = 10009
	errCodeAccountResources = 10002
	errCodeInsufficient     = 10023
	errCodeMemory           = 10028
	errCodeStorage          = 10047
	errCodeMessageSize      = 10054
	errCodeLastSequence     = 10071
	errCodeStoreFailed      = 10077 // maximum messages or bytes of the stream
	errCodeHeaderSize       = 10097
	errCodeSealed           = 10109
	errCodeNoLimits         = 10120
	errCodeLastSequenceR3   = 10164
)

// storeClosed is how the code of the stream's limits ends when it is not about
// a limit: the server is shutting down.
const storeClosed = "store is closed"

// errDuplicate is the doubt about an ack that says it saw the message before.
// Our messages carry no id that could make one a duplicate.
var errDuplicate = errors.New("the server took the message for a duplicate")

// headerStatus is the header of the client library's "no responders".
const headerStatus = "Status"

// parseAck reads a publish acknowledgement. The errors are those of
// Log.Append. The plain acknowledgement costs no allocation.
func parseAck(m *nats.Msg) (seq uint64, err error) {
	if len(m.Data) == 0 {
		if m.Header.Get(headerStatus) == "503" {
			return 0, nats.ErrNoResponders
		}
		return 0, fmt.Errorf("an empty acknowledgement with status %q", m.Header.Get(headerStatus))
	}
	if seq, ok := plainAck(m.Data); ok {
		return seq, nil
	}
	var a struct {
		Seq       uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
		Error     *struct {
			Code        uint16 `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return 0, fmt.Errorf("an acknowledgement that cannot be read: %w", err)
	}
	switch {
	case a.Error != nil:
		return 0, refusal(a.Error.Code, a.Error.Description)
	case a.Duplicate:
		return a.Seq, errDuplicate
	case a.Seq == 0:
		return 0, errors.New("an acknowledgement without a sequence")
	}
	return a.Seq, nil
}

// plainAck reads {"stream":"NAME", "seq":N}, with "domain" or without.
func plainAck(data []byte) (uint64, bool) {
	if bytes.Contains(data, []byte(`"error"`)) || bytes.Contains(data, []byte(`"duplicate"`)) {
		return 0, false
	}
	_, rest, ok := bytes.Cut(data, []byte(`"seq":`))
	if !ok {
		return 0, false
	}
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	if n == 0 || n == len(rest) {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(rest[:n]), 10, 64)
	return seq, err == nil && seq > 0
}

// refusal sorts the server's error codes: lost condition, definite, doubt.
func refusal(code uint16, description string) error {
	switch code {
	case errCodeLastSequence, errCodeLastSequenceR3:
		return ErrLostCondition
	case errCodeStoreFailed:
		if strings.Contains(description, storeClosed) {
			break
		}
		return &RefusedError{Code: code, Reason: description}
	case errCodeAccountResources, errCodeInsufficient, errCodeMemory, errCodeStorage, errCodeMessageSize,
		errCodeHeaderSize, errCodeSealed, errCodeNoLimits:
		return &RefusedError{Code: code, Reason: description}
	}
	return fmt.Errorf("the server answers %s (%d)", description, code)
}
