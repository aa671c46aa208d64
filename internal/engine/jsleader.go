package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// leaderGet is the request for one message that only the leader of a stream
// answers. The library asks any replica where the stream allows it, and a
// replica may be behind.
const leaderGet = "$JS.API.STREAM.MSG.GET."

// storedMessage is a message of a stream.
type storedMessage struct {
	Subject string
	Seq     uint64
	Header  nats.Header
	Data    []byte
}

// whichMessage is the body of the request: a sequence or a subject.
type whichMessage struct {
	Seq     uint64 `json:"seq,omitempty"`
	Subject string `json:"last_by_subj,omitempty"`
}

// messageOf asks a stream's leader for one message.
//
// Errors: jetstream.ErrMsgNotFound; other answers as *jetstream.APIError.
func messageOf(ctx context.Context, nc *nats.Conn, stream string, which whichMessage) (m *storedMessage, err error) {
	body, err := json.Marshal(which)
	if err != nil {
		return nil, err
	}
	err = ask(ctx, func(ctx context.Context) error {
		answer, err := nc.RequestWithContext(ctx, leaderGet+stream, body)
		if err == nil {
			m, err = parseStored(answer.Data)
		}
		return err
	})
	return m, err
}

func parseStored(data []byte) (*storedMessage, error) {
	var a struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Header  []byte `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("an answer that cannot be read: %w", err)
	}
	switch {
	case a.Error != nil && a.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case a.Error != nil:
		return nil, a.Error
	case a.Message == nil:
		return nil, fmt.Errorf("an answer without a message: %.80q", data)
	}
	m := &storedMessage{Subject: a.Message.Subject, Seq: a.Message.Seq, Header: nats.Header{}, Data: a.Message.Data}
	if len(a.Message.Header) > 0 {
		h, err := nats.DecodeHeadersMsg(a.Message.Header)
		if err != nil {
			return m, nil // somebody's header; it is none of ours
		}
		m.Header = h
	}
	return m, nil
}
