package hawkulartest

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Case is a list of requests that are sent one after the other, all for one tenant that nobody has used before.
type Case struct {
	Name  string `json:"case"`
	Steps []Step `json:"steps"`
}

// Step is one request and what is expected of its answer. In the body and in what is expected, "@now-60000" is the number of
// milliseconds of that time, and everywhere {{now-60000}} is its digits, {{T}} the tenant and {{ADMIN}} the admin token.
type Step struct {
	Method string `json:"method"`
	// Path lies below the prefix, or is whole if it begins with /hawkular, and is sent as it stands, with the query if it has one.
	Path string `json:"path"`
	// Query are parameters name=value, of which the value is yet to be escaped.
	Query  []string `json:"query"`
	Tenant *bool    `json:"tenant"` // false: the request names none
	// Headers are fields of the request. The body is compressed if they say that it is.
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Text    *string           `json:"text"` // a body that is sent to the byte
	Note    string            `json:"note"`

	Status   int    `json:"status"`
	Empty    bool   `json:"empty"`    // no body
	Location string `json:"location"` // how the header ends
	// Answers are header fields of the answer.
	Answers map[string]string `json:"answers"`

	// Matches are regular expressions that the text of the body has somewhere.
	Matches []string `json:"matches"`

	Equals   json.RawMessage `json:"equals"`   // all of the body; numbers within 0.001
	Contains json.RawMessage `json:"contains"` // some of it: members, and elements in any order
	Element  json.RawMessage `json:"element"`  // one element of the list
	// Shape is a pattern: "<number>", "<text>" and "<boolean>" stand for any value, a list of one element for one or more of its kind; members that are not named do not count.
	Shape   json.RawMessage            `json:"shape"`
	Has     []string                   `json:"has"`   // members
	Lacks   []string                   `json:"lacks"` // members that are not there
	Length  *int                       `json:"length"`
	Members *int                       `json:"members"`
	IDs     []string                   `json:"ids"` // of all elements, in any order
	SomeIDs []string                   `json:"idsContain"`
	Set     []string                   `json:"set"`    // the elements, in any order
	Sets    map[string][]string        `json:"sets"`   // the members, of which each is such a list
	Keys    map[string][]string        `json:"keys"`   // the members and their members
	At      map[string]json.RawMessage `json:"at"`     // by path, as 0.avg
	Absent  map[string][]string        `json:"absent"` // by path, members that are not there
	Rising  string                     `json:"rising"` // the member by which the list rises
	Falling string                     `json:"falling"`
}

// Load reads the cases of a file.
func Load(file string) ([]Case, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields() // an expectation that is misspelt
	var cases []Case
	if err := d.Decode(&cases); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, c := range cases {
		for i, s := range c.Steps {
			if s.Method == "" || s.Status == 0 {
				return nil, fmt.Errorf("%s: step %d of %q has no method or no status", file, i, c.Name)
			}
		}
	}
	return cases, nil
}

// words puts the present in place of the words of a text.
type words struct {
	tenant, admin string
	now           time.Time
}

var whenever = regexp.MustCompile(`"@now([+-]\d+)?"|\{\{now([+-]\d+)?\}\}`)

func (w words) put(text string) string {
	text = whenever.ReplaceAllStringFunc(text, func(word string) string {
		offset, err := strconv.ParseInt(strings.Trim(word, `"@now{}`), 10, 64)
		if err != nil {
			offset = 0 // now itself
		}
		return strconv.FormatInt(w.now.UnixMilli()+offset, 10)
	})
	return strings.NewReplacer("{{T}}", w.tenant, "{{ADMIN}}", w.admin).Replace(text)
}
