package line

import (
	"strings"
	"testing"
)

// Bodies that the ClusterCockpit store (1.5.4) answers with 400, and its texts, as recorded,
// some with what ours say beyond it.
var refusals = []struct {
	body, text string
}{
	{"cpu_load,cluster=wr,hostname=v_nan,type=node value=NaN 1735689600", "at line 1:52: value for field \"value\" (\"NaN\") has unrecognized type: NaN and infinity are not stored"},
	{"cpu_load,cluster=wr,hostname=v_nan,type=node value=nan 1735689600", "at line 1:52: value for field \"value\" (\"nan\") has unrecognized type"},
	{"cpu_load,cluster=wr,hostname=v_inf,type=node value=Inf 1735689600", "at line 1:52: value for field \"value\" (\"Inf\") has unrecognized type"},
	{"cpu_load,cluster=wr,hostname=v__inf,type=node value=+Inf 1735689600", "at line 1:53: value for field \"value\" (\"+Inf\") has unrecognized type: NaN and infinity are not stored"},
	{"cpu_load,cluster=wr,hostname=v__inf,type=node value=-Inf 1735689600", "at line 1:53: cannot parse value for field key \"value\": non-number \"-Inf\" cannot be represented as a line-protocol field value: NaN and infinity are not stored"},
	{"cpu_load,cluster=wr,hostname=v_plus_sign,type=node value=+5 1735689600", "at line 1:58: value for field \"value\" (\"+5\") has unrecognized type"},
	{"cpu_load,cluster=wr,hostname=v_float_overflow,type=node value=1e400 1735689600", "at line 1:63: cannot parse value for field key \"value\": line-protocol value out of range"},
	{"cpu_load,cluster=wr,hostname=v_int_overflow,type=node value=9223372036854775808i 1735689600", "at line 1:61: cannot parse value for field key \"value\": line-protocol value out of range"},
	{"cpu_load,cluster=wr,hostname=v_int_with_dot,type=node value=4.2i 1735689600", "at line 1:61: cannot parse value for field key \"value\": invalid integer value syntax"},
	{"cpu_load,cluster=wr,hostname=v_negative_uint,type=node value=-1u 1735689600", "at line 1:62: cannot parse value for field key \"value\": invalid unsigned integer value syntax"},
	{"cpu_load,cluster=wr,hostname=v_hex,type=node value=0x10 1735689600", "at line 1:52: cannot parse value for field key \"value\": invalid float value syntax"},
	{"cpu_load,cluster=wr,hostname=v_garbage,type=node value=1.2.3 1735689600", "at line 1:56: cannot parse value for field key \"value\": invalid float value syntax"},
	{"cpu_load,cluster=wr,hostname=v_empty_value,type=node value= 1735689600", "at line 1:60: missing field value for field \"value\""},
	{"cpu_load,cluster=wr,hostname=nf,type=node 1735689600", "at line 1:53: want '=' after field key \"1735689600\", found end of input"},
	{"cpu_load,cluster=wr,hostname=nf,type=node", "at line 1:42: expected field key but none found"},
	{"cpu_load", "at line 1:9: expected tag key or field but found end of input instead"},
	{",cluster=wr value=1 1735689600", "at line 1:1: invalid character ',' found at start of measurement name"},
	{"cpu_load,cluster=,hostname=x value=1 1735689600", "at line 1:18: expected tag value after tag key \"cluster\", but none found"},
	{"cpu_load,cluster,hostname=x value=1 1735689600", "at line 1:10: expected '=' after tag key \"cluster\", but got ',' instead"},
	{"cpu_load, cluster=wr,hostname=x value=1 1735689600", "at line 1:10: expected tag key after comma; got white space instead"},
	{"cpu_load,cluster=wr,hostname=x, value=1 1735689600", "at line 1:32: expected tag key after comma; got white space instead"},
	{"cpu_load,cluster=wr,hostname=gbg,type=node value=1 1735689600\ncpu_load,cluster=wr,hostname=gbg,type=node value=xx 1735689660\ncpu_load,cluster=wr,hostname=gbg,type=node value=3 1735689720\n", "at line 2:50: value for field \"value\" (\"xx\") has unrecognized type"},
	{"cpu_load,cluster=wr,hostname=ln,type=node value=1 1735689600\n\n# comment\ncpu_load,cluster=wr,hostname=ln,type=node value=2 1735689660\ncpu_load,cluster=wr,hostname=ln type=node value=3\n", "at line 5:38: value for field \"type\" (\"node\") has unrecognized type"},
	{"cpu_load,cluster=wr,hostname=tab,type=node\tvalue=1 1735689600", "at line 1:43: expected tag key or field but found '\\t' instead"},
	{"cpu_load,cluster=wr,hostname=\xff\xfe,type=node value=1 1735689600", "at line 1:30: invalid utf-8 sequence in token \"\\xff\\xfe\""},
	{"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x00\x00\x83\x16\xdc\x8c\x01\x00\x00\x00", "at line 1:1: invalid character '\\x1f' found at start of measurement name"},
}

// TestRefusals holds our texts against the recorded ones: ours begin with them.
func TestRefusals(t *testing.T) {
	for _, tc := range refusals {
		for _, o := range []Options{{}, {Cache: NewCache(CacheOptions{})}} {
			d, r := open(t, o)
			got := decode(d, r, cockpit(), tc.body)
			_, reason, ok := strings.Cut(got.first, "\" ")
			for ok && !strings.HasPrefix(reason, "at line") {
				_, reason, ok = strings.Cut(reason, "\" ")
			}
			if got.malformed != 1 || !strings.HasPrefix(reason, tc.text) {
				t.Errorf("%q: %d malformed, %s\nwant %s", tc.body, got.malformed, reason, tc.text)
			}
		}
	}
}
