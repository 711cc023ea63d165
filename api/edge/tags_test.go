package edge

import (
	"testing"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"granary/metricdef"
)

// TestAppendTags: the form is that of the library, which others have stored before.
func TestAppendTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOfN(rapid.String(), rapid.String(), 0, 5).Draw(t, "tags")
		var tags []metricdef.Tag
		for name, value := range m {
			tags = append(tags, metricdef.Tag{Name: name, Value: value})
		}
		got, err := AppendTags(nil, tags)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(m, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		if len(m) == 0 {
			want = nil
		}
		if string(got) != string(want) {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

func TestScaled(t *testing.T) {
	for _, c := range []struct {
		text string
		unit uint64
		want int64
		ok   bool
	}{
		{"1.5", 1e9, 1500000000, true}, {"-1.9", 1, -1, true}, {"1e-10", 1e9, 0, true}, {"9223372036.854775807", 1e9, 1<<63 - 1, true},
		{"9223372036.854775808", 1e9, 0, false}, {"1e30", 1, 0, false}, {"x", 1, 0, false}, {"01", 1, 0, false}, {"1e999", 1, 0, false},
	} {
		if v, ok := Scaled(c.text, c.unit); ok != c.ok || v != c.want {
			t.Errorf("%s times %d: %d, %v", c.text, c.unit, v, ok)
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"-0", 0, true}, {"100", 100, true}, {"100.0", 100, true}, {"1e2", 100, true}, {"-12.50e1", -125, true},
		{"9007199254740993", 9007199254740993, true}, {"9007199254740993.000", 9007199254740993, true},
		{"9223372036854775807", 9223372036854775807, true}, {"-9223372036854775808", -9223372036854775808, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false}, {"1e19", 0, false}, {"1e400", 0, false},
		{"1.5", 0, false}, {"1e-1", 0, false}, {"", 0, false}, {"+1", 0, false}, {"01", 0, false}, {"1.", 0, false}, {"x", 0, false},
		{"0e999", 0, true}, {"10000000000000000000000e-20", 100, true},
	} {
		if v, ok := Whole(c.text); ok != c.ok || ok && v != c.want {
			t.Errorf("%s is %d, %v", c.text, v, ok)
		}
	}
}
