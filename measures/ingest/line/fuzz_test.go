package line

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/metricdef"
)

var bodies = []string{
	"cpu_load,cluster=c,hostname=h,type=node value=1.5 1735689600\ncpu_load,cluster=c,hostname=h2 value=51.03947562839471 1735689600\n",
	"cpu_load,cluster=c,hostname=h value=1\nnosuch,a=b value=2 1\n# x\n\n  cpu_user,host=h,cluster=second value=3i 1735689600000\r\n",
	"cpu_load,cluster=c,hostname=a\\ b value=1,value=2,x=\"y\nz\" 1735689600\ncpu_load,cluster=c,hostname=h value=NaN\ncpu_load,cluster=c",
	"mem_bw,cluster=c,hostname=h,type=core,type-id=1 value=-0.5e-3 -60\nmem_bw,cluster=c,hostname=h,type=core,type-id=1 value=1e400 1\nmem_bw,cluster=..,hostname=h value=1 2",
	"job event=\"open\ncpu_load,cluster=c,hostname=h value=1 99999999999\n\\\"\"\ncpu_load,cluster=c,hostname=h value=1 1735689600 \n",
	"cpu_load,cluster=c,hostname=h value=00000000000000000001.0000 0000001735689600\n,x\n=\n\"\n\tx y=1\rcpu_load value=1\n",
	"cpu_load,cluster=c,hostname=h value=1i 1735689600\ncpu_load,cluster=c,hostname=h value=-9223372036854775808i 1735689600\ncpu_load,cluster=c,hostname=h value=\"on\" 1735689600\ncpu_load,cluster=c,hostname=h value=t 1735689600\ncpu_load,cluster=c,hostname=h value=18446744073709551615u 1735689600\ncpu_load,cluster=c,hostname=h value=1.5i 1735689600\n",
	"cpu_load,cluster=c,hostname=h\xff value=1\ncpu_load,cluster=c,hostname=h value=1 17356896\x0000\n{\"a\":1}\nm\xc3\xb6te,cluster=c,hostname=h value=1",
}

// FuzzFastAgainstLibrary holds the decoder without a cache, with a cold one and with a warm one against each other, and all
// against what the library makes of the body as a whole.
func FuzzFastAgainstLibrary(f *testing.F) {
	for _, b := range bodies {
		f.Add([]byte(b), []byte(bodies[0]))
		f.Add([]byte(bodies[0]), []byte(b))
	}
	f.Add([]byte("cpu_load,cluster=c,hostname=h value=1,load=2i,x=3 1735689600\ncpu_load,cluster=c,hostname=h value=1,load=2,load=3 1735689600\ncpu_load,cluster=c,hostname=h value=1,x=2 1735689600\n"), []byte("cpu_load,cluster=c,hostname=h value=1,load=2 1735689600\n,load=2 1735689600\n"))
	for _, r := range refusals {
		f.Add([]byte(r.body), []byte(bodies[1]))
	}
	f.Fuzz(func(t *testing.T, body, before []byte) { agree(t, body, before) })
}

// TestRandomBodies does what the fuzz test does with bodies that are put together from parts of lines, so that most lines
// are nearly right.
func TestRandomBodies(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	body := func() []byte {
		var b strings.Builder
		for range r.IntN(8) {
			if r.IntN(12) == 0 {
				b.WriteString(one("", " ", "# x", "#\x00", "\r", "\"", "hello world", "nosuch x=\"", "nosuch,a=b", "cpu_load", "\\", "="))
			} else {
				b.WriteString(one("", "", "", "", "", "", " ", "#"))
				b.WriteString(one("cpu_load", "cpu_load", "cpu_load", "cpu_user", "net_bw", "mem_bw", "nosuch", "m\\ x", "möte", "cpu\xff"))
				b.WriteString(one(",cluster=c", ",cluster=c", ",cluster=c", ",cluster=second", "", ",cluster=", ",cluster=a/b", ",cluster=c\\ d"))
				b.WriteString(one(",hostname=h", ",hostname=h", ",host=h", ",hostname=h\\,", ",hostname=h,", "", ",hostname=\"h\"", ",hostname=h=", ",hostname=h\\"))
				b.WriteString(one("", "", ",type=node", ",type=core,type-id=1", ",unit=\"x"))
				b.WriteString(one(" ", " ", " ", " ", " ", "  ", "\t", ""))
				b.WriteString(one("value=", "value=", "value=", "value=", "value=", "value==", "load=", "load=2,value=", "value=1,value=", "x=1i,value=", "x=\"a,\",value=", "value=\"", "v\\ =", "value"))
				if r.IntN(3) == 0 {
					b.WriteString(one("1,a=", "1,b=2,a=", "2i,a=", "1,a=1,a=", "1,b=", "1,a=2,b=3,c=", "1,skipped=1,a=", "1, a=", "1,,a=", "x,a=", "1,a=t,b=", "1,a=\"x\",b=", "1i,a=", "1u,b="))
				}
				b.WriteString(one("1", "1", "12.34", "51.03947562839471", "-0", "1e3", "1e400", "3i", "-007i", "9007199254740993i", "9223372036854775808i", "4u", "-4u", "t", "NaN", "", "1.2.3", "\"x\"", "\"", "00000000000000000000001", "1_0", "0x1", ".5", "1.", "1\"", "\xff"))
				b.WriteString(one(" ", " ", " ", " ", " ", " ", "", "  ", ",", "\t"))
				b.WriteString(one("1735689600", "1735689600", "1735689600", "1735689601", "1735689600000", "1735689600000000000", "1735689600000000001", "", "-1", "1", "9223372037", "x", "17356896000000000000", "1 2", "\"1\"", "0001735689600"))
			}
			b.WriteString(one("\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r", " \n", "\n\n", ""))
		}
		return []byte(b.String())
	}
	for range 6000 {
		agree(t, body(), body())
	}
}

// agree fails the test if the ways to decode a body tell different things.
func agree(t *testing.T, body, before []byte) {
	t.Helper()
	for _, m := range []Mapping{cockpit(), &ClusterCockpit{Cluster: "d", Tenant: cockpit().Tenant}, typed{cockpit()}, derivingCockpit(), everyField{cockpit()}} {
		r := newRegistry()
		var h, wanted handed
		want := decode(NewDecoder(r, Options{Now: clock, MaxLine: 300, Derived: wanted.add}), r, m, string(body))
		slices.Sort(want.samples) // a body that is split gives its tenants in turns

		// The cache learns from another body first, then from this one with other numbers in it.
		cached := NewDecoder(r, Options{Now: clock, MaxLine: 300, MaxRows: 2, Cache: NewCache(CacheOptions{Now: clock}), Derived: h.add})
		decode(cached, r, m, string(before))
		for _, pass := range []string{"cold", "warm", "in other company"} {
			h = nil
			got := decode(cached, r, m, string(body))
			slices.Sort(got.samples)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || !slices.Equal(h, wanted) {
				t.Fatalf("%s: %q after %q\ngot  %+v, handed over %q\nwant %+v, %q", pass, body, before, got, h, want, wanted)
			}
			if pass == "warm" {
				decode(cached, r, m, strings.NewReplacer("=1", "=7", "\"", "", "\r", "\n").Replace(string(before)+string(body)))
			}
		}
		if m, ok := m.(*ClusterCockpit); ok {
			againstLibrary(t, m, body, want)
		}
	}
}

// againstLibrary compares with a loop over the library alone. Where lines are malformed the library may go on in another
// place, and it takes a lone carriage return for the end of a line, so that only bodies without these are compared.
func againstLibrary(t *testing.T, m *ClusterCockpit, body []byte, got told) {
	lone := bytes.Count(body, []byte("\r")) != bytes.Count(body, []byte("\r\n"))
	if got.malformed > 0 || got.err != "" || lone || bytes.IndexByte(body, '"') >= 0 || len(body) > 300 {
		return
	}
	var samples []string
	d := lineprotocol.NewDecoderWithBytes(body)
	w := newWindow(now.UnixNano(), m.Bounds())
	for d.Next() {
		name, err := d.Measurement()
		if err != nil {
			t.Fatalf("%q: library: %v", body, err)
		}
		if !m.Wanted(string(name)) {
			continue
		}
		metric := string(name)
		var tags []metricdef.Tag
		for {
			k, v, err := d.NextTag()
			if err != nil {
				t.Fatalf("%q: library: %v", body, err)
			}
			if k == nil {
				break
			}
			tags = append(tags, metricdef.Tag{Name: string(k), Value: string(v)})
		}
		var s Series
		if err := m.Series(metric, tags, &s); err != nil {
			continue
		}
		var value string
		for {
			k, v, err := d.NextField()
			if err != nil {
				t.Fatalf("%q: library: %v", body, err)
			}
			if k == nil {
				break
			}
			if f, ok := float(v); string(k) == "value" && ok {
				value = fmt.Sprint(f)
			}
		}
		stamp, err := d.TimeBytes()
		if err != nil {
			t.Fatalf("%q: library: %v", body, err)
		}
		ns, err := w.parse(stamp)
		if err != nil {
			t.Fatalf("%q: time: %v", body, err)
		}
		if _, ok := w.check(ns); ok && value != "" {
			samples = append(samples, fmt.Sprintf("%d/%d/%s %s %d", s.Tenant, s.Type, metricdef.AppendKey(nil, metric, s.Tags), value, ns))
		}
	}
	slices.Sort(samples)
	all := slices.Sorted(slices.Values(got.samples))
	if strings.Join(samples, "\n") != strings.Join(all, "\n") {
		t.Fatalf("%q:\ngot  %q\nlibrary %q", body, all, samples)
	}
}

func float(v lineprotocol.Value) (float64, bool) {
	switch v.Kind() {
	case lineprotocol.Float:
		return v.FloatV(), true
	case lineprotocol.Int:
		return float64(v.IntV()), true
	case lineprotocol.Uint:
		return float64(v.UintV()), true
	}
	return 0, false
}

// everyField is typed with a metric for each field.
type everyField struct{ *ClusterCockpit }

func (everyField) Typed() {}

func (e everyField) AppendScope(dst []byte) []byte {
	return append(e.ClusterCockpit.AppendScope(dst), " every"...)
}

func (everyField) Metric(dst []byte, measurement, field string) ([]byte, bool) {
	return append(append(append(dst, measurement...), '_'), field...), field != "skipped"
}
