package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// message is a writer of protobuf.
type message []byte

func (m message) number(field int, v uint64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), v)
}

func (m message) double(field int, v float64) message {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(m, uint64(field)<<3|1), math.Float64bits(v))
}

func (m message) bytes(field int, b []byte) message {
	return append(binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3|2), uint64(len(b))), b...)
}

// point is a sample.
type point struct {
	at    int64
	value float64
}

// add adds a series; labels are name and value one after the other.
func (m message) add(labels []string, points ...point) message {
	var s message
	for i := 0; i < len(labels); i += 2 {
		s = s.bytes(1, message{}.bytes(1, []byte(labels[i])).bytes(2, []byte(labels[i+1])))
	}
	for _, p := range points {
		s = s.bytes(2, message{}.double(1, p.value).number(2, uint64(p.at)))
	}
	return m.bytes(1, s)
}

func TestDecode(t *testing.T) {
	m := message{}.add([]string{"job", "node", "__name__", "up", "empty", "", "instance", "a:1"}, point{1000, 1}, point{-5, math.Float64frombits(Stale)}).
		bytes(3, []byte("metadata")).number(9, 7).add([]string{"__name__", "down"})
	m = append(m, binary.AppendUvarint(nil, 10<<3|5)...)
	m = append(m, 1, 2, 3, 4)
	var extra message
	extra = extra.bytes(1, message{}.bytes(1, []byte("__name__")).bytes(2, []byte("x"))).bytes(3, nil).bytes(4, nil).bytes(4, nil).bytes(2, nil).number(8, 1)
	m = m.bytes(1, extra)
	d := NewDecoder(Options{})
	for range 2 {
		if err := d.Decode(m, nil); err != nil {
			t.Fatal(err)
		}
		var got []string
		for s := range d.Series() {
			from, to := d.Rows(s)
			for _, l := range d.Labels(s) {
				got = append(got, fmt.Sprintf("%s=%s", l.Name, l.Value))
			}
			got = append(got, fmt.Sprint(d.Times[from:to], d.Values[from:to]))
		}
		if got, want := strings.Join(got, " "), "__name__=up instance=a:1 job=node [1000 -5] [1 NaN] __name__=down [] [] __name__=x [0] [0]"; got != want {
			t.Errorf("%s instead of %s", got, want)
		}
		if !IsStale(d.Values[1]) || IsStale(math.NaN()) || d.Histograms != 2 || d.Exemplars != 1 || d.Metadata != 1 || string(d.Label(0, "job")) != "node" || d.Label(0, "x") != nil {
			t.Error(d.Request)
		}
	}
}

func TestRefused(t *testing.T) {
	good := message{}.add([]string{"__name__", "up"}, point{1, 1})
	for name, c := range map[string]struct {
		m    message
		text string
	}{
		"cut":         {good[:len(good)-1], "byte 2: a field is longer than what follows"},
		"cut inside":  {message{}.bytes(1, good[2:len(good)-1]), "a field is longer than what follows"},
		"length":      {message{1<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "a field is longer than what follows"},
		"number":      {message{9 << 3, 0xff}, "a number does not end"},
		"eight":       {message{9<<3 | 1, 1}, "a number of 8 bytes does not end"},
		"four":        {message{9<<3 | 5, 1}, "a number of 4 bytes does not end"},
		"field 0":     {message{2, 0}, "there is no field"},
		"group":       {message{1<<3 | 3}, "a field is of a form that there is not"},
		"text":        {message("hello"), "no valid remote write"},
		"no labels":   {message{}.bytes(1, nil), "a series has no labels"},
		"no name":     {message{}.add([]string{"", "up"}), "the name of a label is empty"},
		"twice":       {message{}.add([]string{"a", "1", "a", "3"}), `the label "a" is given twice`},
		"UTF-8":       {message{}.add([]string{"a", "\xff"}), "a label is not UTF-8"},
		"labels":      {message{}.add(many(6)), "a series has more than 2 labels"},
		"samples":     {message{}.add([]string{"a", "1"}, point{}, point{}, point{}, point{}), "a request has more than 3 samples"},
		"many series": {message{}.add([]string{"a", "1"}, point{}, point{}).add([]string{"a", "2"}, point{}, point{}), "a request has more than 3 samples"},
	} {
		d := NewDecoder(Options{MaxSamples: 3, MaxLabels: 2})
		err := d.Decode(c.m, nil)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) || e.Code() == "" || (e.Kind() == "over limit") != strings.Contains(c.text, "more than") {
			t.Errorf("%s: %v", name, err)
		}
		if d.Series() != 0 || len(d.Times) != 0 {
			t.Errorf("%s: something is left", name)
		}
	}
}

func many(n int) (labels []string) {
	for i := range n / 2 {
		labels = append(labels, fmt.Sprint("l", i), "v")
	}
	return append(labels, "z", "v")
}

// FuzzDecode: nothing panics, and what is read is written and read as the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(message{}.add([]string{"__name__", "up", "job", "x"}, point{1, 2}, point{-3, math.NaN()})))
	f.Add([]byte(message{}.add([]string{"b", "1", "a", "2"}).add([]string{"a", "1"}, point{5, 6}).bytes(3, nil)))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(Options{})
		if d.Decode(b, nil) != nil {
			return
		}
		var m message
		for s := range d.Series() {
			var labels []string
			for _, l := range d.Labels(s) {
				labels = append(labels, string(l.Name), string(l.Value))
			}
			var points []point
			for from, to := d.Rows(s); from < to; from++ {
				points = append(points, point{d.Times[from], d.Values[from]})
			}
			m = m.add(labels, points...)
		}
		again := NewDecoder(Options{})
		if err := again.Decode(m, nil); err != nil {
			t.Fatal(err)
		}
		same := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
		if again.Series() != d.Series() || !slices.Equal(again.Times, d.Times) || !slices.EqualFunc(again.Values, d.Values, same) {
			t.Fatalf("%x became %x", b, []byte(m))
		}
	})
}

// TestRandom: a message of any series is read as it was written.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d := NewDecoder(Options{})
	for range 200 {
		var m message
		var want []string
		for s := range r.IntN(5) {
			name := fmt.Sprint("m", s)
			var points []point
			text := name
			for range r.IntN(4) {
				p := point{r.Int64() - r.Int64(), r.NormFloat64()}
				points = append(points, p)
				text += fmt.Sprint(p)
			}
			m = m.add([]string{"x", "y", "__name__", name}, points...)
			want = append(want, text)
		}
		if err := d.Decode(m, nil); err != nil {
			t.Fatal(err)
		}
		var got []string
		for s := range d.Series() {
			text := string(d.Label(s, "__name__"))
			for from, to := d.Rows(s); from < to; from++ {
				text += fmt.Sprint(point{d.Times[from], d.Values[from]})
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Fatal(got, want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	var m message
	for s := range 1000 {
		m = m.add([]string{"__name__", "node_cpu_seconds_total", "cpu", fmt.Sprint(s), "instance", "host:9100", "job", "node", "mode", "idle"}, point{1_700_000_000_000, float64(s)})
	}
	d := NewDecoder(Options{})
	if err := d.Decode(m, nil); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(m)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(m, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*1000), "ns/series")
}
