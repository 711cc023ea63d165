package audit

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"granary/tenant"
)

// Entry is one line of the log. What is empty is left out.
type Entry struct {
	Time time.Time `json:"time"`

	// Who: the subject of the identity, what vouches for it, and the name of the credential, which is no secret.
	Subject    string `json:"subject,omitzero"`
	Source     string `json:"source,omitzero"`
	Credential string `json:"credential,omitzero"`
	Remote     string `json:"remote,omitzero"` // the address that they came from

	Action  string         `json:"action"`           // "tenant.create"
	Target  string         `json:"target,omitzero"`  // what it is about
	Tenant  tenant.ID      `json:"tenant,omitzero"`  // the tenant of the request
	Tenants string         `json:"tenants,omitzero"` // several: a list with commas, "*" for all
	Outcome string         `json:"outcome"`          // OK, or the code of the error
	Detail  map[string]any `json:"detail,omitempty"` // what else there is to say
}

// OK is the outcome of what was done.
const OK = "ok"

// maxText bounds each text of an entry, some of which senders choose, in bytes.
const maxText = 512

func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// line is the entry as it stands in the file.
func (e *Entry) line() ([]byte, error) {
	c := *e
	c.Time = c.Time.UTC()
	for _, s := range []*string{&c.Subject, &c.Source, &c.Credential, &c.Remote, &c.Action, &c.Target, &c.Tenants, &c.Outcome} {
		*s = strings.ToValidUTF8(short(*s), "\ufffd")
	}
	b, err := json.Marshal(&c, json.Deterministic(true))
	return append(b, '\n'), err
}
