package clustercockpit

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"granary/api/edge"
)

// write serves /api/write: all good lines of the body are stored. Malformed lines make the answer 400, which names the
// first of them and how many were stored. What is well formed but not wanted is counted in X-Granary-Ignored and answers
// 200: senders throw away, or send again for ever, what got a 4xx.
func (d *Dialect) write(w http.ResponseWriter, r *http.Request) {
	cluster := clusterParameter(r.URL.RawQuery)
	if err := d.checkRate(r); err != nil {
		d.fail(w, r, err)
		return
	}
	body, err := d.o.Lines.ReadFor(r, d.charged(r, cluster))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	defer body.Free()
	lines := body.Bytes
	if body.Cut != nil {
		// The last line may be the front of a longer one: "value=12" of "value=123".
		lines = lines[:bytes.LastIndexByte(lines, '\n')+1]
	}
	v := viewOf(r.Context())
	from := Source{Cluster: cluster, Subject: v.who.Subject, Other: v.other, Tenant: v.tenantOf, May: v.may}
	done, err := d.o.Writer.WriteLines(body.Context(r.Context()), from, lines)
	if done.Ignored != "" {
		w.Header()["X-Granary-Ignored"] = []string{done.Ignored}
	}
	switch {
	case err != nil:
		d.fail(w, r, err)
	case body.Cut != nil:
		d.refuse(w, r, http.StatusBadRequest, fmt.Sprintf("%v; %d lines stored", body.Cut, done.Stored))
	case done.Malformed > 0:
		d.refuse(w, r, http.StatusBadRequest, malformed(done))
	case done.Limited > 0 && d.o.SeriesStatus > http.StatusOK:
		d.fail(w, r, &seriesError{done.Limited, done.Stored, d.o.SeriesStatus})
	default:
		edge.CompressOff.Answer(w, r, http.StatusOK, "application/json", nil)
	}
}

// seriesError says that a tenant's limit on series is reached, where that is no success.
type seriesError struct{ limited, stored, status int }

func (e *seriesError) Error() string {
	return fmt.Sprintf("%d samples of new series were not stored: the tenant's limit on series is reached (setting granary.limits.series); %d were stored", e.limited, e.stored)
}

func (*seriesError) Kind() string  { return string(edge.OverLimit) }
func (*seriesError) Code() string  { return "tenant-limit" }
func (e *seriesError) Status() int { return e.status }

// Lasting says that time alone does not help.
func (*seriesError) Lasting() bool { return true }

// malformed is the error of a body with bad lines: the original's text of the first one, then what came of the others.
func malformed(done Written) string {
	return fmt.Sprintf("%s (line %d: %q; %d lines malformed, %d stored)",
		done.First.Reason, done.First.Line, shorten(done.First.Text, 120), done.Malformed, done.Stored)
}

// shorten cuts a line that is too long for an error, not in the middle of a character.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// clusterParameter is the first value of the parameter "cluster", not decoded: senders of the original write it as it
// is to be stored.
func clusterParameter(rawQuery string) string {
	for part := range strings.SplitSeq(rawQuery, "&") {
		if value, ok := strings.CutPrefix(part, "cluster="); ok {
			return value
		}
	}
	return ""
}
