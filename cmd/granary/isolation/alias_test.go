package isolation_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// aliases are names for what a service leaves to chance, such as the secret of an API key: the worlds have different ones, so
// that requests and answers are compared with the name in place of the thing.
type aliases struct {
	of   map[string]string // what is meant by an alias
	list []pair            // of thing and alias, the oldest first
}

type pair struct{ thing, alias string }

// chances find what is left to chance, in the order in which one may lie in another.
var chances = []struct {
	kind string
	re   *regexp.Regexp
}{
	{"secret", regexp.MustCompile(`gk_[0-9A-Za-z]{12}_[0-9A-Za-z_-]{43}`)},
	{"key", regexp.MustCompile(`"(?:id|next)": ?"([0-9A-Za-z]{12})"`)},
	{"job", regexp.MustCompile(`"jobId":"([0-9a-f-]{36})"`)},
	{"cursor", regexp.MustCompile(`[?&]cursor=([0-9A-Za-z_-]{20,})`)},
	{"cursor", regexp.MustCompile(`"next": ?"([0-9A-Za-z_-]{20,})"`)},
}

// learn gives aliases to what an answer holds of this kind, by its step and place, and puts them into the text.
func (a *aliases) learn(step int, text string) string {
	text = a.hide(text)
	for _, c := range chances {
		for n, m := range c.re.FindAllStringSubmatch(text, -1) {
			a.add(fmt.Sprintf("\u00ab%s-%d-%d\u00bb", c.kind, step, n), m[len(m)-1])
		}
		text = a.hide(text)
	}
	return text
}

// inOrder sorts the keys of a list, whose order is left to chance.
func inOrder(text string) string {
	const begin = "{\"keys\":["
	at := strings.Index(text, begin)
	if at < 0 {
		return text
	}
	end := strings.LastIndexByte(text, ']')
	if end < at+len(begin) {
		return text
	}
	items := strings.Split(text[at+len(begin):end], "},{")
	for i := range items {
		items[i] = strings.Trim(items[i], "{}")
	}
	slices.Sort(items)
	return text[:at] + "keys: " + strings.Join(items, "\n") + text[end:]
}

// mask puts the same for everything that is left to chance.
func mask(text string) string {
	for _, c := range chances {
		text = c.re.ReplaceAllString(text, "\u00ab"+c.kind+"\u00bb")
	}
	return text
}

// add makes an alias. Those of long ago are forgotten; what comes again gets another one.
func (a *aliases) add(alias, thing string) {
	const most = 300
	if a.of == nil {
		a.of = map[string]string{}
	}
	if len(a.list) >= most {
		delete(a.of, a.list[0].alias)
		a.list = a.list[1:]
	}
	a.of[alias] = thing
	a.list = append(a.list, pair{thing, alias})
}

// basic marks the value of a header that becomes base64 when what it holds is known.
const basic = "Basic \u00bb"

// resolve puts the things into a request.
func (a *aliases) resolve(r *request) *request {
	c := *r
	c.header = append([]field(nil), r.header...)
	replace := func(s *string) {
		if !strings.Contains(*s, "\u00ab") && !strings.Contains(*s, url.PathEscape("\u00ab")) {
			return
		}
		for alias, thing := range a.of {
			*s = strings.ReplaceAll(strings.ReplaceAll(*s, alias, thing), url.PathEscape(alias), thing)
		}
	}
	replace(&c.target)
	replace(&c.body)
	for i := range c.header {
		v := &c.header[i].value
		replace(v)
		if plain, ok := strings.CutPrefix(*v, basic); ok {
			*v = "Basic " + base64.StdEncoding.EncodeToString([]byte(plain))
		}
	}
	return &c
}

// hide puts the aliases into a text.
func (a *aliases) hide(text string) string {
	for _, p := range a.list {
		text = strings.ReplaceAll(text, p.thing, p.alias)
	}
	return text
}
