package embedded

import (
	"strings"
	"text/template"
)

// The accounts. The boundary between them is what keeps clients out of the
// streams; permissions inside an account are a convenience only.
const (
	accountCore = "CORE" // the log, checkpoints, output; the host's own connections
	accountView = "VIEW" // the projected buckets; the host and the "view" user of tools
	accountCLI  = "CLI"  // all clients; no JetStream
	accountSys  = "SYS"  // nobody
)

// LocalUser is the user that every process of this machine's user is: the
// token of its subjects and, after "_INBOX_", the first token of its inboxes.
const LocalUser = "local"

// accountsTemplate is in the server's own configuration language, because that
// is what an operator of another NATS deployment has to write, too.
//
// A stream import does not say who published. A client cannot publish these
// subjects, but an answer to a request goes wherever its reply subject says:
// what reaches a subscriber that way is an answer of the API, never an event
// (TestNATSFacts_ReplyInjection).
var accountsTemplate = template.Must(template.New("accounts").Parse(`
system_account: {{.Sys}}
accounts {
  {{.Sys}} {}
  {{.Core}} {
    jetstream: enabled
    users: [ { nkey: {{.CoreKey}}, allowed_connection_types: [IN_PROCESS] } ]
    exports: [
      { service: "{{.NS}}.api.v1.*.>", response_type: singleton }
      { service: "$SRV.>", response_type: stream }
      {{range .Events}}{ stream: "{{.}}" }
      {{end}}
    ]
  }
  {{.View}} {
    jetstream: enabled
    users: [
      { nkey: {{.ViewHostKey}}, allowed_connection_types: [IN_PROCESS] }
      { nkey: {{.ViewKey}}, permissions: {
          publish: [ "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
                     "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.>", "$JS.ACK.>", "$JS.FC.>" ]
          subscribe: [ "_INBOX.>" ] } }
    ]
  }
  {{.CLI}} {
    users: [ { nkey: {{.LocalKey}}, permissions: {
        publish: [ "{{.NS}}.api.v1.{{.User}}.>", "$SRV.>" ]
        subscribe: [ "_INBOX_{{.User}}.>"{{range .Events}}, "{{.}}"{{end}} ] } } ]
    imports: [
      { service: { account: {{.Core}}, subject: "{{.NS}}.api.v1.{{.User}}.>" } }
      { service: { account: {{.Core}}, subject: "$SRV.>" } }
      {{range .Events}}{ stream: { account: {{$.Core}}, subject: "{{.}}" } }
      {{end}}
    ]
  }
}
`))

// accounts returns the accounts, users, exports and imports as configuration text.
func (s *Server) accounts() string {
	var b strings.Builder
	err := accountsTemplate.Execute(&b, map[string]any{
		"Sys": accountSys, "Core": accountCore, "View": accountView, "CLI": accountCLI,
		"NS": s.cfg.Namespace, "User": LocalUser, "Events": eventSubjects(s.cfg.Namespace),
		"CoreKey": s.core.public, "ViewHostKey": s.view.public,
		"ViewKey": s.id.view.public, "LocalKey": s.id.local.public,
	})
	if err != nil {
		panic(err) // the template and its fields are above
	}
	return b.String()
}

// eventSubjects are the subjects that the host publishes and clients may follow.
func eventSubjects(ns string) []string {
	return []string{ns + ".state.>", ns + ".event.>", ns + ".kv.>", ns + ".ctl.>", ns + ".feed.>", ns + ".engine"}
}
