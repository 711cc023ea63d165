package config

import "strings"

// mohawkKeys are the keys of a file of Mohawk's, which all stand at its top, and what is here instead.
var mohawkKeys = map[string]string{
	"alerts":                 "granary.compat.hawkular.alerts.rules",
	"alerts-interval":        "granary.compat.hawkular.alerts.interval",
	"alerts-server":          "granary.compat.hawkular.alerts.server",
	"alerts-server-method":   "granary.compat.hawkular.alerts.method",
	"alerts-server-insecure": "granary.compat.hawkular.alerts.insecure",
	"backend":                mohawkStorage,
	"basic-auth":             "granary.identity.basic",
	"bearer-auth":            "granary.identity.tokens",
	"cert":                   "main.https-cert-file",
	"default-start-time":     "granary.compat.hawkular.default-start",
	"default-tenant":         "granary.tenants.default",
	"gzip":                   "granary.compress",
	"key":                    "main.https-key-file",
	"media":                  "nothing (granary.compat.hawkular.cors-origins lets the pages of a web server in)",
	"options":                "granary.compat.hawkular.retention, and granary.data",
	"port":                   "granary.listen",
	"storage":                mohawkStorage,
	"tls":                    "main.https-cert-file and main.https-key-file",
	"verbose":                "granary.log.access",
}

const mohawkStorage = "granary.data, the folder in which all lies"

// guards are the keys of Mohawk's without which a service would be open that was not.
var guards = map[string]bool{"basic-auth": true, "bearer-auth": true}

// refuseMohawk tells what stands where in a file that was Mohawk's, which does not look at capitals in its keys. What is about values is passed over
// with a warning, as every unknown key at the top is, since cc-metric-store does not mind them; a file that asks for identity is refused, since it
// would be served without.
func refuseMohawk(r *reader, top *section) {
	if top.n == nil {
		return
	}
	for _, m := range top.n.members {
		key := strings.ToLower(m.key)
		here, is := mohawkKeys[key]
		if !is {
			continue
		}
		top.said = append(top.said, m.key)
		here += ` (docs/hawkular.md, "Mohawk's command line")`
		if guards[key] {
			r.errs = append(r.errs, &Error{top.n.file, m.line, m.key, "is a key of Mohawk's, which is not read, and without it nobody would be asked who they are; here it is " + here})
		} else {
			r.warns = append(r.warns, Warning{Unknown, top.n.file, m.line, m.key, "is a key of Mohawk's, which is not read; here it is " + here})
		}
	}
}
