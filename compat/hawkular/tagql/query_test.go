package tagql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/metricdef/match"
)

// world is a set of metrics by id, each with its tags.
type world map[string]map[string]string

// found are the ids for which the query holds, sorted, with blanks between them.
func (w world) found(t *testing.T, text string, lists Lists) string {
	t.Helper()
	q, err := Parse(text, lists)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return "error"
	}
	var ids []string
	for id, tags := range w {
		if q.Expr.Eval(func(name string) string { return tags[name] }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

var expressions = world{
	"m1": {"a1": "d", "b1": "B", "a2": "a"},
	"m2": {"a1": "xyz", "b1": "B", "a2": "b"},
	"m3": {"a1": "abcd", "b1": "C"},
	"m4": {"a1": "ab", "b1": "B"},
	"m5": {"a1": "xyz", "b1": "C"},
	"m6": {"c1": "C", "a.b": "c.d"},
}

func TestExpressions(t *testing.T) {
	for text, want := range map[string]string{
		// The first ones are from Hawkular's tests.
		"a1 ~ '*'":                                   "m1 m2 m3 m4 m5",
		"a1 ~ '*' AND b1 = 'B'":                      "m1 m2 m4",
		"a1 ~ '*' AND b1 != 'B'":                     "m3 m5",
		"a1 IN ['xyz','abcd'] AND b1 ~ '*'":          "m2 m3 m5",
		"c1 ~ '*' OR b1 != 'B'":                      "m3 m5 m6",
		"c1 ~ '*' OR (b1 != 'B' AND a1 = 'abcd')":    "m3 m6",
		"a1 NOT IN ['xyz', 'abcd']":                  "m1 m4",
		"a1 NOT IN ['xyz','abcd'] OR b1 = 'B'":       "m1 m2 m4",
		"a1 = 'd' OR ( a1 = 'ab' OR ( c1 ~ '*'))":    "m1 m4 m6",
		"c1 = '100'":                                 "",
		"c1 = 100":                                   "",
		"a1 = d OR a1 = abcd":                        "m1 m3",
		"c1 = '100' OR a1 = 'xyz' OR a1 IN ['abcd']": "m2 m3 m5",
		"c1 = '100' OR a1 = xyz OR a1 IN [abcd]":     "m2 m3 m5",
		"A1 in ['xyz', 'abcd']":                      "",
		"a2":                                         "m1 m2",
		"not a2":                                     "m3 m4 m5 m6",
		"a.b":                                        "m6",
		"a.b = c.d":                                  "m6",
		"a.b = 'c.d'":                                "m6",
		"a.b ~ 'c.*'":                                "m6",
		"a1 !~ 'ab.*'":                               "m1 m2 m5",
		"a1 !~ 'ab.+'":                               "m1 m2 m4 m5",
		"a1 = d OR a1 = ab AND b1 = C":               "", // from left to right, not (… AND …) first
		"a1 = d OR (a1 = ab AND b1 = B)":             "m1 m4",
		"b1 = C AND a1 = xyz OR a1 = d AND b1 = B":   "m1",
		"aNd = 1":                                    "error",
		"a1='d'oR(a1='ab')":                          "m1 m4",
		"NOT a2 aNd b1":                              "m3 m4 m5",
		"((((a1=d))))":                               "m1",
		"\t a1\n=\r'd' ":                             "m1",
		"a1 NoT In [d,'a.*']":                        "m2 m5",
		"a1 IN ['ab.*', 'x.*']":                      "m2 m3 m4 m5",
		"a1 IN ['*']":                                "m1 m2 m3 m4 m5",
		"a1 IN [d, '*']":                             "m1 m2 m3 m4 m5",
		"a1 NOT IN ['*']":                            "",
		"a1 !~ '*'":                                  "",
		"a1 = '*'":                                   "", // literal
		"a1 != '*'":                                  "m1 m2 m3 m4 m5",
		"a1 = ''":                                    "",
		"a1 != ''":                                   "m1 m2 m3 m4 m5",
		"a1 ~ ''":                                    "",
		"a1 ~ 'd?'":                                  "m1", // not those without the tag
		"a1 ~ '.*'":                                  "m1 m2 m3 m4 m5",
		"a1 !~ '.+'":                                 "",
		"a1 IN ['', d]":                              "m1",
		"a1 IN ['d|x.z']":                            "m1 m2 m5",
		"a1 ~ '!d'":                                  "",   // no negation
		"a1 ~ 'ab|xy'":                               "m4", // all of the value, in each alternative
		"a1 != d AND a1 != xyz AND a1 != ab":         "m3",
		"c1 OR NOT a2 AND a1":                        "m3 m4 m5",
		"a1 = 'd' AND a2 = 'a' AND b1 = 'B' OR c1 = 'C'": "m1 m6",
	} {
		for _, lists := range []Lists{Texts, Patterns} {
			if want == "error" {
				if q, err := Parse(text, lists); err == nil {
					t.Errorf("%s: %v", text, q)
				}
			} else if got := expressions.found(t, text, lists); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
	}
}

var simple = world{
	"m1": {"a1": "1"},
	"m2": {"a1": "2", "a3": "3"},
	"m3": {"a1": "2", "a2": "2"},
	"m4": {"a1": "2", "a2": "3"},
	"m5": {"a1": "2", "a2": "4"},
	"m6": {"a2": "4"},
	"mA": {"hostname": "webfin01"},
	"mB": {"hostname": "webswe02"},
	"mC": {"hostname": "backendfin01"},
	"mD": {"hostname": "backendswe02"},
	"mE": {"owner": "hede"},
	"mF": {"owner": "hades"},
	"mG": {"owner": "had"},
	"mH": {"path": "A/B", "colon": "B:A", "comma": "C,D", "plus": "a+b", "version": "1.5", "  a  b": "c d", "100%": "50%"},
	"mI": {"version": "1x5", "x:y,z": "w"},
}

func TestLists(t *testing.T) {
	type both struct{ texts, patterns string } // what is found in either way
	same := func(ids string) both { return both{ids, ids} }
	for text, want := range map[string]both{
		// The first ones are from Hawkular's tests.
		"a1:*":                  same("m1 m2 m3 m4 m5"),
		"a1:*,a2:2":             same("m3"),
		"a1:*,a2:2|3":           same("m3 m4"),
		"a2:2|3":                same("m3 m4"),
		"a1:*,a2:*":             same("m3 m4 m5"),
		"a1:*,a5:*":             same(""),
		"a4:*,a5:none":          same(""),
		"a1:2,a2:2":             same("m3"),
		"a2:!4":                 same("m3 m4"),
		"a1:2,a2:!4":            same("m3 m4"),
		"a2:!4|3":               same("m3"),
		"hostname:web.*":        same("mA mB"),
		"hostname:.*01":         same("mA mC"),
		"owner:h[e|a]de(s?)":    same("mE mF"),
		"!a2:*,a1:*":            same("m1 m2"),
		"!a1:*":                 same("m6 mA mB mC mD mE mF mG mH mI"),
		"a2":                    same("m3 m4 m5 m6"),
		"path:A%2FB":            same("mH"),
		"comma:C%2CD":           same("mH"),
		"colon:B%3AA":           same("mH"),
		"colon:B:A":             same("mH"), // the first colon ends the name
		"version:1.5":           {"mH", "mH mI"},
		"version:1.5|2":         {"mH", "mH mI"},
		"version:1.5|2x?":       same("mH mI"),
		"version:!1.5":          {"mI", ""},
		"version:1x5|1.5":       same("mH mI"),
		"plus:a\\%2Bb":          same("mH"),
		"plus:a%252Bb":          {"", ""},
		"plus:a[+]b":            {"", "mH"}, // a blank between the brackets
		"hostname:web.+":        {"", "mA mB"},
		"hostname:web.%2B":      same("mA mB"),
		"  a  b:c d":            same("mH"),
		"  a  b:c+d":            {"mH", ""},
		"x%3Ay%2Cz:w":           {"", "mI"},
		"100%:50%25":            same("mH"),
		"a2:4|":                 same("m5 m6"), // an alternative that is empty stands for nothing
		"a2:!4|":                same("m3 m4"),
		"nosuch:.*":             same(""), // an absent tag is not an empty one
		"nosuch:x?":             same(""),
		"nosuch:!x":             same(""),
		"a2:!*":                 same(""),
		"a1:2,":                 same("m2 m3 m4 m5"),
		"a1:^2$":                same("m2 m3 m4 m5"),
		"a2:2|3,a1:1|2,a2:3|4":  same("m4"), // each list of alternatives cuts the others down
		"owner:had|hades|x.y|z": {"mF mG", "mF mG"},
		"!nosuch:":              same("m1 m2 m3 m4 m5 m6 mA mB mC mD mE mF mG mH mI"),
	} {
		if got := simple.found(t, text, Texts); got != want.texts {
			t.Errorf("%s as texts: %s, want %s", text, got, want.texts)
		}
		if got := simple.found(t, text, Patterns); got != want.patterns {
			t.Errorf("%s as patterns: %s, want %s", text, got, want.patterns)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"a1:*,a2:*":                           "a1 a2",
		"b:1,a:2,b:3":                         "b a",
		"b:1,!c:x,a:2":                        "b a",
		"b = 1 OR (a2 ~ 'x' AND NOT c) OR a2": "b a2",
		"a":                                   "a",
		"NOT a":                               "",
	} {
		q, err := Parse(text, Texts)
		if got := strings.Join(q.Names, " "); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	var long []string
	for i := range 100 {
		long = append(long, fmt.Sprintf("n%d:x", i%50))
	}
	q, err := Parse(strings.Join(long, ","), Texts)
	if err != nil || len(q.Names) != 50 || q.Names[0] != "n0" || q.Names[49] != "n49" {
		t.Errorf("%v, %v", q.Names, err)
	}

	for text, want := range map[string]string{
		"a2,b1:B": "a2 b1", "a": "a", "a,a:1": "a", "a,b,": "a b", " x:": " x", "a%2Cb": "a,b",
	} {
		got, err := Names(text, Patterns)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", ":5", ",a", "a,,b", "a, ,b", "a,:x"} {
		var bad *Error
		if got, err := Names(text, Texts); !errors.As(err, &bad) || bad.Code() != "tag-query-invalid" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got, err := Names("a%2Cb", Texts); err != nil || got[0] != "a%2Cb" {
		t.Error(got, err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		text   string
		at     int
		term   string
		reason string
	}{
		{"", 0, "", "blank"},
		{" \t", 0, "", "blank"},
		{"a = ", 4, "a =", "expected a value in single quotes, or one of letters, digits, _ and ., found the end"},
		{"a = 'x", 4, "a =", "has no end"},
		{"a = 'x' b", 8, "a = 'x'", "expected AND, OR or the end, found b"},
		{"a = 'x' b:c", 8, "a = 'x'", "expected AND, OR or the end, found b"},
		{"a=b:c", 3, "a=b", `expected AND, OR or the end, found ":"`},
		{"a = 1 AND", 9, "", `expected a tag, NOT or "(", found the end`},
		{"a = 1 AND b >", 12, "b", `found ">"`},
		{"(a = 1", 6, "a = 1", `expected AND, OR or ")"`},
		{"a = 1)", 5, "a = 1", `found ")"`},
		{"a NOT x", 6, "a NOT", "expected IN behind NOT, found x"},
		{"a IN 'x'", 5, "a IN", `expected "[" and values`},
		{"a IN []", 6, "a IN [", "expected a value"},
		{"a IN [x y]", 8, "a IN [x", `expected "," or "]"`},
		{"a = or", 4, "a =", "found or"},
		{"NOT", 3, "NOT", "expected a tag behind NOT"},
		{"NOT (a)", 4, "NOT", "expected a tag behind NOT"},
		{"NOT a = 1", 6, "NOT a", "expected AND, OR or the end"},
		{"a ~ '('", 4, "a ~ '('", "missing closing )"},
		{"a ~ '(:'", 4, "a ~ '(:'", "missing closing )"},
		{"a ~ '(?=x)'", 4, "a ~ '(?=x)'", "look-around"},
		{"a IN [x, 'y**']", 9, "", "invalid nested repetition"},
		{"a1:**", 0, "a1:**", "missing argument to repetition"},
		{"a:1,b:(?!x)", 4, "b:(?!x)", "look-around"},
		{",a:1", 0, "", "nothing stands between the commas"},
		{"a:1,,b:2", 4, "", "nothing stands between the commas"},
		{":x", 0, ":x", "the name is blank"},
		{"  :x", 0, "  :x", "the name is blank"},
		{"!:x", 0, "!:x", "the name is blank"},
		{"a:", 0, "a:", "the value is blank"},
		{"a: ", 0, "a: ", "the value is blank"},
		{"a:!", 0, "a:!", "the value is blank"},
		{"a:1,b", 4, "b", "expected name:value"},
		{"a,b", 1, "a", "expected AND, OR or the end"},
		{"a:%zz", 0, "a:%zz", "%zz is no percent-encoded character"},
		{"\xff", 0, "", "byte 0xff"},
		{"größe", 2, "gr", "found \"ö\""},
		{strings.Repeat("(", 65) + "a", 65, "", "more than 64 parentheses"},
		{strings.Repeat("(", 1<<20), 65, "", "more than 64 parentheses"},
		{strings.Repeat("a", MaxQuery+1), MaxQuery, "", "at most 1048576"},
		{"a = 1 " + strings.Repeat("and b = 2 or c = 3 ", 40), -1, "", "more than 64 levels"},
		{strings.Repeat("a:1,", 5000), -1, "a:1", "more than 4096 matchers"},
		{strings.Repeat("a ~ '([ab][cd]){6}x+' AND ", 64) + "a", -1, "", "too large together"},
		{"a IN [" + strings.Repeat("'([ab][cd]){6}x+',", 64) + "b]", -1, "", "too large together"},
		{"a:" + strings.Repeat("x.*", 1<<18), 0, "", "at most 65536"},
		{"a ~ '" + strings.Repeat("(", 1<<19) + "'", 4, "", "at most 65536"},
	} {
		began := time.Now()
		q, err := Parse(c.text, Texts)
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%.60s: %v, %v, want %s", c.text, q, err, c.reason)
			continue
		}
		code := "tag-query-invalid"
		var re *match.PatternError
		if errors.As(err, &re) {
			code = "regexp-invalid"
		}
		if c.at >= 0 && bad.At != c.at || c.term != "" && bad.Term != c.term || bad.Kind() != "invalid" || bad.Code() != code || len(err.Error()) > 700 {
			t.Errorf("%.60s: byte %d, term %.100q, kind %s, code %s: %v", c.text, bad.At, bad.Term, bad.Kind(), bad.Code(), err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%.60s: took %v", c.text, took)
		}
	}
	if _, err := Parse("a:%zz", Patterns); err != nil {
		t.Error(err)
	}
}

// TestManyAlternatives reads what clients send for a screen of pods.
func TestManyAlternatives(t *testing.T) {
	ids := make([]string, 20_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("91c171ed-0294-44b3-bcdb-%012d", i)
	}
	for _, lists := range []Lists{Texts, Patterns} {
		q, err := Parse("type:pod,pod_id:"+strings.Join(ids, "|"), lists)
		if err != nil {
			t.Fatal(err)
		}
		if !q.Expr.Eval(func(name string) string { return map[string]string{"type": "pod", "pod_id": ids[7]}[name] }) {
			t.Error("the pod is not found")
		}
	}
}

// FuzzParse: no text panics or takes long, errors lie within the text, what was read can be searched for, and a query without NOT and ! asks
// for tags.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a1 ~ '*' AND (b1 != 'B' OR c1 NOT IN ['x', y.z, 'a|b*']) or not d", "a1:*,!b:x,c:!x|y.z,d:%2F+", "a IN ['']", "a:**", "((a)",
		"a:%", "x='y'z", "a:(?=b)", "a:[|]|!", "a,b", "a2:4|,", "ä:ö", "a\xff:\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4000 {
			return
		}
		for _, lists := range []Lists{Texts, Patterns} {
			q, err := Parse(text, lists)
			if err != nil {
				var bad *Error
				if !errors.As(err, &bad) || bad.At < 0 || bad.At > len(text) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			var bounds match.Bounds
			if err := bounds.AddAll(q.Expr); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if err := match.CheckDepth(levelsOf(q.Expr)); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if _, err := match.Parse(match.Text(q.Expr)); err != nil && !strings.ContainsAny(text, "\\") {
				t.Fatalf("%q is printed as %s: %v", text, match.Text(q.Expr), err)
			}
			negated := strings.Contains(text, "!") || strings.Contains(strings.ToLower(text), "not") || strings.Contains(text, "%")
			if q.Expr.Eval(func(string) string { return "" }) && !negated {
				t.Fatalf("%q holds for a metric without tags: %v", text, q.Expr)
			}
		}
	})
}

// FuzzNames: no list panics, and names are not blank.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a2,b1:B", ",", "a,,", "%2C:x", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, lists := range []Lists{Texts, Patterns} {
			names, err := Names(text, lists)
			if err == nil && (len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return strings.TrimSpace(n) == "" })) {
				t.Fatalf("%q: %q", text, names)
			}
		}
	})
}
