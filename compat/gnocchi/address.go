package gnocchi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

type baseKey struct{}

// withBase remembers what a request has before Prefix: "" or PrefixOther.
func withBase(ctx context.Context, base string) context.Context {
	return context.WithValue(ctx, baseKey{}, base)
}

// address is where the client sees the service: scheme, host, and what stands before Prefix.
func (d *Dialect) address(r *http.Request) string {
	scheme, host, prefix := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if d.o.ProxyHeaders {
		scheme, host, prefix = forwarded(r.Header, scheme, host)
	}
	base, _ := r.Context().Value(baseKey{}).(string)
	return scheme + "://" + host + prefix + base
}

// forwarded is scheme, host and prefix as the proxy before the service has seen them.
func forwarded(h http.Header, scheme, host string) (string, string, string) {
	if list := h.Get("Forwarded"); list != "" {
		first, _, _ := strings.Cut(list, ",")
		for pair := range strings.SplitSeq(first, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = strings.Trim(value, `"`)
			switch strings.ToLower(name) {
			case "proto":
				scheme = schemeOr(value, scheme)
			case "host":
				host = hostOr(value, host)
			}
		}
	} else {
		scheme, host = schemeOr(h.Get("X-Forwarded-Proto"), scheme), hostOr(h.Get("X-Forwarded-Host"), host)
	}
	prefix := strings.TrimSuffix(h.Get("X-Forwarded-Prefix"), "/")
	if prefix != "" && (prefix[0] != '/' || strings.ContainsAny(prefix, " \"<>\\")) {
		prefix = ""
	}
	return scheme, host, prefix
}

func schemeOr(v, or string) string {
	if v == "http" || v == "https" {
		return v
	}
	return or
}

func hostOr(v, or string) string {
	if u, err := url.Parse("http://" + v); v == "" || err != nil || u.Host != v {
		return or
	}
	return v
}

// url is the address of a path below Prefix.
func (c *call) url(path string) string { return c.d.address(c.r) + Prefix + path }
