package metricdef

import (
	"strings"
	"testing"
)

func TestKindOfType(t *testing.T) {
	tests := []struct {
		typ   Type
		def   Kind
		takes []Kind
	}{
		{Gauge, KindFloat, []Kind{KindFloat, KindInt}},
		{Counter, KindInt, []Kind{KindFloat, KindInt}},
		{Availability, KindState, []Kind{KindState}},
		{String, KindText, []Kind{KindText}},
		{0, 0, nil},
		{String + 1, 0, nil},
	}
	for _, tt := range tests {
		if got := tt.typ.Kind(); got != tt.def {
			t.Errorf("%s: kind %s, want %s", tt.typ, got, tt.def)
		}
		for k := Kind(0); k <= KindText+1; k++ {
			want := false
			for _, x := range tt.takes {
				want = want || x == k
			}
			if got := tt.typ.Takes(k); got != want {
				t.Errorf("%s takes %s: %v, want %v", tt.typ, k, got, want)
			}
		}
	}
}

func TestDraftKind(t *testing.T) {
	r := NewRegistry(Options{})
	for i, tt := range []struct {
		typ  Type
		kind Kind
		want Kind
		ok   bool
	}{
		{Gauge, 0, KindFloat, true},
		{Gauge, KindInt, KindInt, true},
		{Counter, 0, KindInt, true},
		{Counter, KindFloat, KindFloat, true},
		{Availability, 0, KindState, true},
		{String, KindText, KindText, true},
		{String, KindFloat, 0, false},
		{Gauge, KindState, 0, false},
		{Gauge, KindText + 1, 0, false},
	} {
		d := &Draft{Identity: Identity{Tenant: 1, Type: tt.typ, Name: "m" + string(rune('a'+i))}, Kind: tt.kind}
		ref := r.Reserve(d, 1)
		if (ref != 0) != tt.ok {
			t.Errorf("%s of %s: ref %d, error %v", tt.kind, tt.typ, ref, d.Validate())
			continue
		}
		if got := r.Kind(ref); got != tt.want {
			t.Errorf("%s of %s: kind %s, want %s", tt.kind, tt.typ, got, tt.want)
		}
	}
	if got := r.Kind(1000); got != 0 {
		t.Errorf("kind of no definition is %s", got)
	}
}

func TestStates(t *testing.T) {
	for s := State(0); s < NumStates; s++ {
		if got, err := ParseState(strings.ToUpper(s.String())); err != nil || got != s {
			t.Errorf("%s: %s, %v", s, got, err)
		}
		if got, ok := StateOf(float64(s)); !ok || got != s {
			t.Errorf("%s: %s, %v", s, got, ok)
		}
	}
	if _, err := ParseState("sideways"); err == nil || !strings.Contains(err.Error(), "down, up, unknown, admin") {
		t.Errorf("error %v", err)
	}
	for _, v := range []float64{-1, 0.5, float64(NumStates)} {
		if s, ok := StateOf(v); ok {
			t.Errorf("%v is taken for %s", v, s)
		}
	}
}
