package host

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go/micro"

	"github.com/lwjbus/lwjbus/bus"
)

// apiName is how NATS tools list the service: nats micro ls.
const apiName = "lwj"

// openAPI serves every verb of the engine as a NATS micro service.
func (h *Host) openAPI(context.Context) error {
	svc, err := micro.AddService(h.front, micro.Config{
		Name: apiName, Version: h.cfg.Version, Description: "lwjbus: jobs, keys and events",
		Metadata: map[string]string{"namespace": h.cfg.Namespace, "store": h.store},
	})
	if err != nil {
		return err
	}
	h.api = svc
	names := bus.Names{Namespace: h.cfg.Namespace}
	for _, verb := range h.engine.Verbs() {
		err := svc.AddEndpoint(strings.ReplaceAll(verb, ".", "-"), h.handler(verb),
			micro.WithEndpointSubject(names.API("*", verb)),
			micro.WithEndpointMetadata(map[string]string{"schema": "lwj.api.v1." + verb}))
		if err != nil {
			return err
		}
	}
	return h.front.Flush()
}

// handler answers one verb. It never waits: what takes time answers later.
func (h *Host) handler(verb string) micro.Handler {
	return micro.HandlerFunc(func(r micro.Request) {
		var req bus.Request
		if err := bus.Unmarshal(r.Data(), &req); err != nil {
			h.reply(r, &bus.Response{Error: bus.NewError(bus.CodeMalformed, "the request cannot be read: %v", err)})
			return
		}
		h.engine.Submit(userOf(r.Subject()), verb, &req, func(res *bus.Response) { h.reply(r, res) })
	})
}

// userOf is the user token of <ns>.api.v1.<user>.<verb>, which the server
// pins to the connection's user.
func userOf(subject string) string {
	parts := strings.SplitN(subject, ".", 5)
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}

func (h *Host) reply(r micro.Request, res *bus.Response) {
	data, err := bus.Marshal(res)
	if err != nil {
		h.cfg.Logger.Error("an answer cannot be encoded", "error", err)
		return
	}
	if res.Error != nil {
		err = r.Error(string(res.Error.Code), oneLine(res.Error.Message), data)
	} else {
		err = r.Respond(data)
	}
	if err != nil {
		h.cfg.Logger.Debug("an answer was not sent", "subject", r.Subject(), "error", err)
	}
}

// oneLine makes text fit for a header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}
