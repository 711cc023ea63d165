package hawkulartest

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestExpectationsAreWhole holds the vectors of the strict mode against the contract that they are made from, where it lies beside the
// repository: each case, each row, and everything that a row says of the answer. Bodies that the contract cuts off begin as it says.
func TestExpectationsAreWhole(t *testing.T) {
	text, err := os.ReadFile("../../../../shared/contracts/hawkular-expectations.md")
	if err != nil {
		t.Skip("the contracts are not here: ", err)
	}
	cases, err := Load("../testdata/expectations.json")
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string][]Step{}
	for _, c := range cases {
		steps[c.Name] = c.Steps
	}
	name, n, rows := "", 0, 0
	for line := range strings.Lines(written.Replace(string(text))) {
		if rest, ok := strings.CutPrefix(line, "### "); ok {
			if n != len(steps[name]) {
				t.Errorf("%s has %d steps, and %d rows in the contract", name, len(steps[name]), n)
			}
			name, _, _ = strings.Cut(rest, " ")
			n = 0
			continue
		}
		m := aRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] != strconv.Itoa(n) || n >= len(steps[name]) {
			t.Fatalf("%s: there is no step for %s", name, line)
		}
		s := steps[name][n]
		for _, why := range append(s.asks(unbar(m[2])), s.expects(unbar(m[3]))...) {
			t.Errorf("%s, step %d: %s", name, n, why)
		}
		n++
		rows++
	}
	if rows < 294 {
		t.Errorf("%d rows were read", rows)
	}
}

var (
	aRow    = regexp.MustCompile(`^\| (\d+) \| (.*[^\\]) \| (.*) \|\n$`)
	anExpec = regexp.MustCompile(`^\*\*(\d+)\*\*`)
	aNow    = regexp.MustCompile(`\bnow([+-]\d+)?\b`)
	// written are texts that the vectors have in other words: those of one run of a test, and the time at which the contract was written.
	written = strings.NewReplacer("91c171ed-0294-44b3-bcdb-42253b58aa5a", "5b0c5a52-6f0e-4c8e-9d2c-0c1f6f6f5a10", "dsqdqs", "x", "1795250189926", "{{now-600000}}")
	unbar   = func(text string) string { return strings.ReplaceAll(text, `\|`, "|") }
	// members are how the contract words what is compared.
	members = map[string]string{
		"body = ": "Equals", "body ⊇ ": "Contains", "an element = ": "Element", "has ": "Has", "lacks ": "Lacks", "length ": "Length", "key count ": "Members",
		"ids = ": "IDs", "ids ⊇ ": "SomeIDs", "set = ": "Set", "value sets = ": "Sets", "keys = ": "Keys", "at ": "At", "bucket absent ": "Absent", "headers ": "Answers",
	}
)

// asks says what of the request of a step is not as the contract words it.
func (s *Step) asks(text string) (faults []string) {
	text, without := strings.CutSuffix(text, " (no tenant)")
	text, headers, _ := strings.Cut(text, " headers ")
	text, body, _ := strings.Cut(text, " body ")
	text, query, _ := strings.Cut(text, " ? ")
	if text != s.Method+" "+s.Path || query != aQuery(strings.Join(s.Query, ", ")) || without != (s.Tenant != nil && !*s.Tenant) {
		faults = append(faults, fmt.Sprintf("asks %s %s %q, not %s ? %s", s.Method, s.Path, s.Query, text, query))
	}
	if headers != "" && !alike(headers, s.Headers) {
		faults = append(faults, fmt.Sprintf("has the headers %v, not %s", s.Headers, headers))
	}
	var sent any = s.Body
	if s.Text != nil {
		if sent = *s.Text; body != "" && body[0] != '"' {
			sent = json.RawMessage(*s.Text)
		}
	}
	front, cut := strings.CutSuffix(body, "…")
	switch {
	case body == "", body == "(empty)":
		if s.Body != nil || s.Text != nil {
			faults = append(faults, "has a body")
		}
	case cut:
		if mine := squeezed(aNow.ReplaceAllString(string(s.Body), "now$1")); !strings.HasPrefix(mine, squeezed(front)) {
			faults = append(faults, "has a body that begins otherwise than "+front)
		}
	case !alike(body, sent):
		faults = append(faults, fmt.Sprintf("has the body %s, not %s", sent, body))
	}
	return faults
}

// expects says what of the answer that a step expects is not as the contract words it.
func (s *Step) expects(text string) (faults []string) {
	status := anExpec.FindStringSubmatch(text)
	if status == nil || status[1] != strconv.Itoa(s.Status) {
		return []string{fmt.Sprintf("expects %d, not %s", s.Status, text)}
	}
	said := map[string]bool{}
	text = text[len(status[0]):]
	for more := true; more; {
		if text, more = strings.CutPrefix(text, "; "); !more {
			break
		}
		field := ""
		for words, f := range members {
			if rest, ok := strings.CutPrefix(text, words); ok {
				field, text = f, aNow.ReplaceAllString(rest, `"@now$1"`)
			}
		}
		switch rest, empty := strings.CutPrefix(text, "empty body"); {
		case field != "":
			d := json.NewDecoder(strings.NewReader(text))
			var want json.RawMessage
			if err := d.Decode(&want); err != nil {
				return append(faults, err.Error()+": "+text)
			}
			text, said[field] = text[d.InputOffset():], true
			if !alike(string(want), reflect.ValueOf(s).Elem().FieldByName(field).Interface()) {
				faults = append(faults, fmt.Sprintf("does not expect %s %s", field, want))
			}
		case empty:
			if text = rest; !s.Empty && s.Status != 204 {
				faults = append(faults, "does not expect that there is no body")
			}
		default:
			place, ok := strings.CutPrefix(text, "Location ends ")
			end := len(place)
			if i := strings.IndexAny(place, "; "); i >= 0 {
				end = i
			}
			if text = place[end:]; !ok || place[:end] != s.Location {
				return append(faults, fmt.Sprintf("expects the Location %q, not %q", s.Location, place))
			}
		}
	}
	if text != "" && !strings.HasPrefix(text, " — ") {
		faults = append(faults, "is not wholly understood: "+text)
	}
	for _, field := range members {
		if v := reflect.ValueOf(s).Elem().FieldByName(field); !said[field] && !v.IsZero() {
			faults = append(faults, "expects "+field+", of which the contract says nothing")
		}
	}
	return faults
}

// alike compares a JSON text of the contract, in which times are now-600000, with a value of a step.
func alike(text string, v any) bool {
	mine, err := json.Marshal(v)
	if err != nil {
		return false
	}
	var a, b any
	if json.Unmarshal([]byte(quoteTimes(text)), &a) != nil || json.Unmarshal(mine, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}

// quoteTimes makes the times of a text such as vectors have.
func quoteTimes(text string) string {
	if strings.Contains(text, "@now") || strings.Contains(text, "{{now") {
		return text
	}
	return aNow.ReplaceAllString(text, `"@now$1"`)
}

// aQuery is a query with times as the contract has them.
func aQuery(query string) string {
	return strings.NewReplacer("{{now", "now", "}}", "").Replace(query)
}

// squeezed is a JSON text without blanks and marks of times.
func squeezed(text string) string {
	return string(slices.DeleteFunc([]byte(strings.ReplaceAll(text, `"@now`, "now")), func(c byte) bool { return c == ' ' || c == '"' }))
}
