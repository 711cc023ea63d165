package edge

import (
	"net/http"
	"strconv"
	"strings"
)

// Negotiate is the one of the media types offered that the client wants most, by Accept; of equal ones the first. It is ""
// if the client wants none of them. Without Accept, or with one that cannot be read, it is the first.
func Negotiate(r *http.Request, offers ...string) string {
	fields := r.Header["Accept"]
	best, bestQ := "", 0.0
	understood := false
	for _, offer := range offers {
		q, specific := 0.0, -1
		for _, field := range fields {
			for one := range strings.SplitSeq(field, ",") {
				name, params, _ := strings.Cut(one, ";")
				name = strings.ToLower(strings.TrimSpace(name))
				s := matchMedia(name, offer)
				if strings.Contains(name, "/") {
					understood = true
				}
				if s > specific {
					q, specific = weight(params), s
				}
			}
		}
		if q > bestQ {
			best, bestQ = offer, q
		}
	}
	if !understood && len(offers) > 0 {
		return offers[0]
	}
	return best
}

// matchMedia says how exactly a media range names a type: 2 by name, 1 by its first half, 0 as any; below 0 not.
func matchMedia(rng, offer string) int {
	switch {
	case rng == offer:
		return 2
	case rng == "*/*" || rng == "*":
		return 0
	case strings.HasSuffix(rng, "/*") && strings.HasPrefix(offer, rng[:len(rng)-1]):
		return 1
	}
	return -1
}

// weight is the q of the parameters, 1 if there is none that can be read.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		k, v, ok := strings.Cut(p, "=")
		if ok && strings.EqualFold(strings.TrimSpace(k), "q") {
			if q, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil && q >= 0 && q <= 1 {
				return q
			}
		}
	}
	return 1
}

// MediaType is the media type of the request's body without its parameters, in lower case; "" if it says none.
func MediaType(r *http.Request) string {
	name, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(name))
}
