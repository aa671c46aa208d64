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
	accountCLI  = "CLI"  // all clients, and the host's connection that answers them; no JetStream
	accountSys  = "SYS"  // nobody
)

// LocalUser is the user that every process of this machine's user is: the
// token of its subjects and, after "_INBOX_", the first token of its inboxes.
const LocalUser = "local"

// accountsTemplate is in the server's own configuration language, because that
// is what an operator of another NATS deployment has to write, too.
//
// Requests stay in the clients' account: an import of the API would cost each
// a header, a reply subject of its own and a third of the server's time. An
// answer goes wherever the reply subject of its request says, so the host's
// user there publishes to inboxes and nothing else (TestAccounts_replyInjection).
var accountsTemplate = template.Must(template.New("accounts").Parse(`
system_account: {{.Sys}}
accounts {
  {{.Sys}} {}
  {{.Core}} {
    jetstream: enabled
    users: [ { nkey: {{.CoreKey}}, allowed_connection_types: [IN_PROCESS] } ]
    exports: [
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
    users: [
      { nkey: {{.FrontKey}}, allowed_connection_types: [IN_PROCESS], permissions: {
          publish: [ "_INBOX_{{.User}}.>" ]
          subscribe: [ "{{.NS}}.api.v1.*.>", "$SRV.>" ] } }
      { nkey: {{.LocalKey}}, permissions: {
          publish: [ "{{.NS}}.api.v1.{{.User}}.>", "$SRV.>" ]
          subscribe: [ "_INBOX_{{.User}}.>"{{range .Events}}, "{{.}}"{{end}} ] } }
    ]
    imports: [
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
		"CoreKey": s.core.public, "ViewHostKey": s.view.public, "FrontKey": s.front.public,
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
