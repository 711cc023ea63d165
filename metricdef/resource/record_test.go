package resource

import (
	"bytes"
	"encoding/hex"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"granary/tenant"
)

func fullResource() *Resource {
	return &Resource{
		Draft: Draft{
			Tenant: 7, ID: id(9), Type: "vm", Creator: "u:p", Original: "my vm", User: new("me"), Project: new(""), Started: -5, Ended: 1e18,
			Attributes: map[string]Value{
				"bool": BoolValue(true), "id2": UUIDValue(id(3)), "name": TextValue("ä"), "none": TextValue(""), "size": NumberValue(-1.5), "when": TimeValue(12),
			},
		}, Revision: 3, Created: 1000, RevisionStart: 5000,
	}
}

// TestRecordBytes: the bytes of records do not change.
func TestRecordBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		rec  []byte
		want string
	}{
		"full": {appendRecord(nil, fullResource(), 4), "018e00000700000000000000000000000000000009" + "02766d" + "0403" + "8813000000000000e803000000000000" + "07" +
			"056d7920766d03753a70026d6500" + "fbffffffffffffff000064a7b3b6e00d" + "06" + "04626f6f6c0401" + "036964320200000000000000000000000000000003" +
			"046e616d650102c3a4" + "046e6f6e650100" + "0473697a6503000000000000f8bf" + "047768656e050c00000000000000"},
		"remove": {AppendRemove(nil, 7, []uuid.UUID{id(1)}), "0111000007" + "00000000000000000000000000000001"},
		"gone":   {appendTypeEnd(nil, "vm"), "01040000" + "02766d01"},
		"type": {(&typeState{
			Type: Type{Name: "vm", Created: 5, Attributes: []Attribute{
				{Name: "a", Kind: String, Required: true, MinLength: 1, MaxLength: 200}, {Name: "b", Kind: Number, Min: new(1.5)},
			}}, mark: 3, since: []uint64{1, 2}, fills: []fill{{}, {3, NumberValue(2)}},
		}).append(nil), "012f0000" + "02766d00" + "0500000000000000" + "0302" + "0161010101c80101" + "0162030a0000" + "000000000000f83f" + "02" + "03" + "030000000000000040"},
	} {
		if got := hex.EncodeToString(tt.rec); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, tt.want)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	want := fullResource()
	rec := appendRecord(nil, want, 4)
	got, mark, n, err := parseRecord(append(rec, 1, 2, 3))
	if err != nil || n != len(rec) || mark != 4 {
		t.Fatal(mark, n, err)
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Error(diff)
	}
	for cut := range rec {
		if _, _, _, err := parseRecord(rec[:cut]); err == nil {
			t.Errorf("cut at byte %d: no error", cut)
		}
	}
	small := &Resource{Draft: Draft{Tenant: 1, ID: id(1), Original: id(1).String(), Type: Generic}, Revision: 1, Created: 1000, RevisionStart: 1000}
	got, _, _, err = parseRecord(appendRecord(nil, small, 0))
	if diff := cmp.Diff(small, &got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, fullResource(), 4))
	f.Add(appendRecord(nil, &Resource{Draft: Draft{Tenant: 1, ID: id(1), Original: id(1).String(), Type: Generic}, Revision: 1, Created: 1000, RevisionStart: 1000}, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, mark, n, err := parseRecord(b)
		if err != nil {
			return
		}
		if again := appendRecord(nil, &r, mark); !bytes.Equal(again, b[:n]) {
			t.Errorf("%x became %x", b[:n], again)
		}
		reg := NewRegistry(Options{})
		if _, _, _, err := reg.Apply(b[:n]); err != nil {
			t.Error(err)
		}
		if got, ok := reg.Get(r.Tenant, r.ID); !ok || got.Original != r.Original || len(got.Attributes) != len(r.Attributes) {
			t.Errorf("%+v became %+v", r, got)
		}
	})
}

func FuzzTypeRecord(f *testing.F) {
	f.Add(appendTypeEnd(nil, "vm"))
	one := create(Type{Name: "vm", Attributes: []Attribute{{Name: "a", Kind: String, MaxLength: 5}, {Name: "b", Kind: Number, Min: new(1.0), Max: new(2.0)}}})
	f.Add(one.append(nil))
	two, err := one.change(&Type{Name: "vm", Attributes: append(one.Clone().Attributes, Attribute{Name: "c", Kind: Bool, Required: true})}, map[string]Value{"c": BoolValue(true)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(two.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, ts, n, err := parseType(b)
		if err != nil {
			return
		}
		again := appendTypeEnd(nil, name)
		if ts != nil {
			again = ts.append(nil)
		}
		if !bytes.Equal(again, b[:n]) {
			t.Errorf("%x became %x", b[:n], again)
		}
	})
}

func FuzzRemoveRecord(f *testing.F) {
	f.Add(AppendRemove(nil, 3, []uuid.UUID{id(1), id(2)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewRegistry(Options{})
		if n, num, ids, err := r.Remove(b); err == nil && !bytes.Equal(AppendRemove(nil, num, ids), b[:n]) {
			t.Errorf("%x of %d, %v", b[:n], num, ids)
		}
	})
}

func TestLike(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"%", "", true}, {"%", "abc", true}, {"a%", "abc", true}, {"a%", "bca", false}, {"%c", "abc", true},
		{"%b%", "abc", true}, {"a%c", "ac", true}, {"a%c", "a", false}, {"a%a", "a", false}, {"_", "ä", true}, {"_", "", false}, {"__", "ä", false},
		{"%_", "", false}, {"_%", "ab", true}, {"a_c", "abc", true}, {"%ab%ab", "ab", false}, {"%ab%ab", "abab", true}, {"%a_", "aab", true},
		{`a\%`, "a%", true}, {`a\%`, "ab", false}, {`\_`, "_", true}, {`\_`, "a", false}, {`\\`, `\`, true}, {"%%", "a", true}, {"A%", "abc", false},
		{"%aab", "aaab", true}, {"%a_b%c", "xaab--c", true},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match(tt.text); got != tt.want {
			t.Errorf("%q like %q: %v", tt.text, tt.pattern, got)
		}
	}
	for _, bad := range []string{`\`, `a\`, "\xff", strings.Repeat("a", maxPattern+1)} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%q is not refused", bad)
		}
	}
}

func FuzzLike(f *testing.F) {
	f.Add("%a_b%c", "xaab--c")
	f.Add(`\%_%`, "%ä")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 50 || len(text) > 200 || !utf8.ValidString(text) {
			return
		}
		p, err := parsePattern(pattern)
		if err != nil {
			return
		}
		var re strings.Builder
		re.WriteString("^(?s:")
		for rest := pattern; rest != ""; {
			r, n := utf8.DecodeRuneInString(rest)
			switch rest = rest[n:]; r {
			case '%':
				re.WriteString(".*")
			case '_':
				re.WriteString(".")
			case '\\':
				r, n = utf8.DecodeRuneInString(rest)
				rest = rest[n:]
				fallthrough
			default:
				re.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		re.WriteString(")$")
		if want := regexp.MustCompile(re.String()).MatchString(text); p.match(text) != want {
			t.Errorf("%q like %q: want %v", text, pattern, want)
		}
	})
}

// FuzzQuery: whatever values a query compares with, the search ends and does not panic.
func FuzzQuery(f *testing.F) {
	f.Add("host", uint8(Like), "a%", 1.5, int64(3), false)
	f.Add("id", uint8(Eq), id(1).String(), math.Inf(1), int64(math.MinInt64), true)
	f.Fuzz(func(t *testing.T, attribute string, op uint8, text string, number float64, at int64, null bool) {
		h := newHarness(t, Options{})
		h.typ(vm)
		h.create(Draft{Tenant: 1, ID: id(1), Type: "vm", Attributes: map[string]Value{"host": TextValue("abc")}})
		h.create(Draft{Tenant: 1, ID: id(2), Type: "vm", Original: "x", Attributes: map[string]Value{"host": TextValue(""), "size": NumberValue(4)}})
		typ, _ := h.Type("vm")
		kind, _ := typ.KindOf(attribute, true)
		c := &Compare{Attribute: attribute, Op: Op(op), Values: []Operand{{Value{kind, text, number, null, at}, null}}}
		for _, q := range []Query{c, Not{c}, And{c, Not{c}}, Or{c, c}} {
			if _, err := h.Search(t.Context(), Search{Type: "vm", Where: q, History: true, Tenants: []tenant.Num{1}}); err != nil {
				return
			}
		}
	})
}
