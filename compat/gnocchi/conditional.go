package gnocchi

import (
	"crypto/sha1" //nolint:gosec // an ETag is no secret, and clients know its form
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"granary/compat/gnocchi/when"
	"granary/metricdef/resource"
)

// etagOf is the entity tag of a revision of a resource.
func etagOf(r *resource.Resource) string {
	sum := sha1.Sum(when.AppendDatetime([]byte(r.ID.String()), r.RevisionStart)) //nolint:gosec // see above
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// modified is when a resource has become what it is, in whole seconds, as header fields say it.
func modified(r *resource.Resource) time.Time {
	return time.Unix(0, r.RevisionStart).UTC().Truncate(time.Second)
}

// setRevision writes the fields of an answer that clients make conditions of.
func setRevision(h http.Header, r *resource.Resource) {
	h["Etag"] = []string{etagOf(r)}
	h["Last-Modified"] = []string{modified(r).Format(http.TimeFormat)}
}

// precondition is what the header of a request demands of a resource: 0 if it is met, 412 if it is not, or 304 if a GET asks for
// nothing that it does not know. A time counts where there is no tag, and a time that cannot be read does not count.
func precondition(r *http.Request, res *resource.Resource) int {
	tag := etagOf(res)
	match, none := r.Header["If-Match"], r.Header["If-None-Match"]
	if len(match) > 0 {
		if !hasTag(match, tag) {
			return http.StatusPreconditionFailed
		}
	} else if t, ok := timeOf(r, "If-Unmodified-Since"); ok && modified(res).After(t) {
		return http.StatusPreconditionFailed
	}
	read := r.Method == http.MethodGet
	if len(none) > 0 {
		if hasTag(none, tag) {
			if read {
				return http.StatusNotModified
			}
			return http.StatusPreconditionFailed
		}
	} else if t, ok := timeOf(r, "If-Modified-Since"); ok && read && !modified(res).After(t) {
		return http.StatusNotModified
	}
	return 0
}

// hasTag says whether a list of tags has one, or is all of them. Quotes may be missing.
func hasTag(fields []string, tag string) bool {
	for _, f := range fields {
		for one := range strings.SplitSeq(f, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == "*" || strings.Trim(one, `"`) == strings.Trim(tag, `"`) {
				return true
			}
		}
	}
	return false
}

func timeOf(r *http.Request, field string) (time.Time, bool) {
	t, err := http.ParseTime(r.Header.Get(field))
	return t, err == nil
}

// errPrecondition refuses a request whose condition is not met.
var errPrecondition = &refusal{http.StatusPreconditionFailed, "precondition-failed", ""}

// met is precondition as an error, for requests that change something.
func met(r *http.Request, res *resource.Resource) error {
	if precondition(r, res) != 0 {
		return errPrecondition
	}
	return nil
}
