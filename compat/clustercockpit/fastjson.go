package clustercockpit

import (
	"unicode/utf8"
)

// fastQuery decodes the requests that clients send: the known keys in lower case, each once per object, strings without
// escapes, integers. It returns false on everything else, right or wrong, and encoding/json has the word; a fuzz test
// holds the two against each other. The strings of req share one copy of the body.
func fastQuery(body []byte, req *queryRequest) bool {
	p := parser{s: string(body)}
	*req = queryRequest{Queries: req.Queries[:0], WithStats: true, WithData: true, WithPadding: true}
	var seen [8]bool
	ok := p.object(func(key string) bool {
		i, ok := 0, false
		switch key {
		case "cluster":
			req.Cluster, ok = p.str()
		case "from":
			i = 1
			req.From, ok = p.integer()
		case "to":
			i = 2
			req.To, ok = p.integer()
		case "queries":
			i = 3
			ok = p.queries(req)
		case "for-all-nodes":
			i = 4
			req.ForAllNodes, ok = p.strings()
		case "with-stats":
			i = 5
			req.WithStats, ok = p.boolean(true)
		case "with-data":
			i = 6
			req.WithData, ok = p.boolean(true)
		case "with-padding":
			i = 7
			req.WithPadding, ok = p.boolean(true)
		}
		ok = ok && !seen[i]
		seen[i] = true
		return ok
	})
	if len(req.Queries) == 0 {
		req.Queries = nil
	}
	return ok
}

// parser reads JSON from s at i. Every method returns false on what it does not take.
type parser struct {
	s string // results are parts of it
	i int
}

func (p *parser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\n' || p.s[p.i] == '\t' || p.s[p.i] == '\r') {
		p.i++
	}
}

// token reads one byte behind any white space.
func (p *parser) token(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) word(w string) bool {
	p.space()
	if len(p.s)-p.i >= len(w) && p.s[p.i:p.i+len(w)] == w {
		p.i += len(w)
		return true
	}
	return false
}

// object reads an object, calling member with each key where its value begins.
func (p *parser) object(member func(key string) bool) bool {
	if !p.token('{') {
		return false
	}
	if p.token('}') {
		return true
	}
	for {
		key, ok := p.str()
		if !ok || !p.token(':') || !member(key) {
			return false
		}
		if p.token('}') {
			return true
		}
		if !p.token(',') {
			return false
		}
	}
}

// array reads an array, calling element where each begins.
func (p *parser) array(element func() bool) bool {
	if !p.token('[') {
		return false
	}
	if p.token(']') {
		return true
	}
	for {
		if !element() {
			return false
		}
		if p.token(']') {
			return true
		}
		if !p.token(',') {
			return false
		}
	}
}

func (p *parser) queries(req *queryRequest) bool {
	if p.word("null") {
		return true
	}
	return p.array(func() bool {
		req.Queries = append(req.Queries, query{})
		return p.query(&req.Queries[len(req.Queries)-1])
	})
}

func (p *parser) query(q *query) bool {
	var seen [9]bool
	return p.object(func(key string) bool {
		i, ok := 0, false
		switch key {
		case "metric":
			q.Metric, ok = p.str()
		case "host":
			i = 1
			q.Host, ok = p.str()
		case "hostname":
			i = 2
			q.Hostname, ok = p.str()
		case "type":
			i = 3
			q.Type, ok = p.optional()
		case "type-ids":
			i = 4
			q.TypeIDs, ok = p.strings()
		case "subtype":
			i = 5
			q.SubType, ok = p.optional()
		case "subtype-ids":
			i = 6
			q.SubTypeIDs, ok = p.strings()
		case "aggreg":
			i = 7
			q.Aggregate, ok = p.boolean(false)
		case "resolution":
			i = 8
			q.Resolution, ok = p.integer()
		}
		ok = ok && !seen[i]
		seen[i] = true
		return ok
	})
}

// str reads a string of valid UTF-8 without escapes and control characters.
func (p *parser) str() (string, bool) {
	if !p.token('"') {
		return "", false
	}
	ascii := true
	for j := p.i; j < len(p.s); j++ {
		switch c := p.s[j]; {
		case c == '"':
			s := p.s[p.i:j]
			p.i = j + 1
			return s, ascii || utf8.ValidString(s)
		case c == '\\' || c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false
}

// optional reads a string or null.
func (p *parser) optional() (*string, bool) {
	if p.word("null") {
		return nil, true
	}
	s, ok := p.str()
	return &s, ok
}

// strings reads an array of strings or null. Of an empty array encoding/json makes an empty slice, which nobody here
// tells from nil.
func (p *parser) strings() (out []string, ok bool) {
	if p.word("null") {
		return nil, true
	}
	ok = p.array(func() bool {
		s, ok := p.str()
		out = append(out, s)
		return ok
	})
	return out, ok
}

// boolean reads true, false or null, which leaves the value as it was.
func (p *parser) boolean(was bool) (value, ok bool) {
	switch {
	case p.word("true"):
		return true, true
	case p.word("false"):
		return false, true
	case p.word("null"):
		return was, true
	}
	return false, false
}

// integer reads an integer of up to 18 digits.
func (p *parser) integer() (int64, bool) {
	p.space()
	neg := p.i < len(p.s) && p.s[p.i] == '-'
	if neg {
		p.i++
	}
	from := p.i
	v := int64(0)
	for p.i < len(p.s) && p.s[p.i]-'0' < 10 {
		v = v*10 + int64(p.s[p.i]-'0')
		p.i++
		if p.i-from > 18 {
			return 0, false
		}
	}
	if p.i == from || p.s[from] == '0' && p.i-from > 1 {
		return 0, false
	}
	// A fraction or an exponent is an error that encoding/json words.
	if p.i < len(p.s) && (p.s[p.i] == '.' || p.s[p.i]|0x20 == 'e') {
		return 0, false
	}
	if neg {
		v = -v
	}
	return v, true
}
