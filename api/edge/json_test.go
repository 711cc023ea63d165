package edge

import (
	"encoding/json"
	"testing"
)

func checkString(t *testing.T, s string) {
	t.Helper()
	want, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := AppendString([]byte("x"), s); string(got) != "x"+string(want) {
		t.Fatalf("%q: %s, want %s", s, got[1:], want)
	}
}

var stringCases = []string{
	"", "plain", `"quoted" \back`, "a\x00b\x01\x1f\x7f", "\b\f\n\r\t", "<a href='x'>&amp;</a>", "nöde €", "\u2028\u2029", "\xff\xfe", "a\xc3", "\ufffd", "\U0001f600",
	"[METRICSTORE]> unknown metric: x",
}

func TestAppendString(t *testing.T) {
	for _, s := range stringCases {
		checkString(t, s)
	}
	if got := string(AppendStrings(nil, []string{"a", `b"`})); got != `["a","b\""]` {
		t.Errorf("array: %s", got)
	}
	if got := string(AppendBool(AppendBool(nil, true), false)); got != "truefalse" {
		t.Errorf("bools: %s", got)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range stringCases {
		f.Add(s)
	}
	f.Fuzz(checkString)
}
