package when

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 28, 12, 34, 56, 789, time.UTC)

func ns(text string) int64 {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t.UnixNano()
}

func TestTimestamps(t *testing.T) {
	for text, want := range map[string]int64{
		"1577836800": ns("2020-01-01T00:00:00Z"), "1577836803.25": ns("2020-01-01T00:00:03.25Z"), " +1_577_836_800. ": ns("2020-01-01T00:00:00Z"),
		"1577836803.1": ns("2020-01-01T00:00:03.1Z"), "1.5778368e9": ns("2020-01-01T00:00:00Z"), "0": 0, "-0": 0, ".5": 5e8, "007": 7e9, "0.0000000019": 1,
		"1577836800.123456789": ns("2020-01-01T00:00:00.123456789Z"), "1577836800.00000000000000000001": ns("2020-01-01T00:00:00Z"), "9223372036.854775807": math.MaxInt64,
		"2020": ns("1970-01-01T00:33:40Z"), "20200101": ns("1970-08-22T19:08:21Z"),
		"2020-01": ns("2020-01-01T00:00:00Z"), "2020-02-29": ns("2020-02-29T00:00:00Z"), "2020-01-01T05": ns("2020-01-01T05:00:00Z"),
		"2020-01-01 05:06": ns("2020-01-01T05:06:00Z"), "2020-01-01T05:06:07Z": ns("2020-01-01T05:06:07Z"), "2020-01-01T05:06:07.5": ns("2020-01-01T05:06:07.5Z"),
		"2020-01-01T05:06:07.123456789+02:00": ns("2020-01-01T03:06:07.123456789Z"), "2020-01-01T00:00:00-0500": ns("2020-01-01T05:00:00Z"),
		"2020-01-01T05+02": ns("2020-01-01T03:00:00Z"), "2020-01-01T05:06 -02:30": ns("2020-01-01T07:36:00Z"), " 2020-01-01 ": ns("2020-01-01T00:00:00Z"),
		"2014-10-06T14:00:02.000000": ns("2014-10-06T14:00:02Z"), "1970-01-01T02:00:00+02:00": 0, "2262-04-11T23:47:16.854775807": math.MaxInt64,
		"now": ns("2026-11-28T12:34:56Z"), "Today": ns("2026-11-28T00:00:00Z"),
		"10 minutes": now.UnixNano() + 600e9, "-2 days": now.UnixNano() - 2*86400e9, "1.5 hours": now.UnixNano() + 5400e9, "-1 hour": now.UnixNano() - 3600e9,
		"-2000 weeks": now.UnixNano() - 2000*7*86400e9,
	} {
		got, err := Timestamp(text, now)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v instead of %d", text, got, err, want)
		}
	}
	for text, want := range map[string]Why{
		"garbage": Unreadable, "20200101T000000": Unreadable, "2020-1-1": Unreadable, "2020-01-01T24:00": Unreadable, "2020-01-01T00:00:00,5": Unreadable,
		"2020-W01": Unreadable, "01/02/2020": Unreadable, "2020-13-01": Unreadable, "2019-02-29": Unreadable, "-10 years": Unreadable, "2020-01-01T": Unreadable,
		"2020-01-01Z": Unreadable, "584554049253-01-01": Unreadable, "99999999999-12-31": Beyond, "-99999999999-01-01": BeforeEpoch, "2020-01-01T00:60": Unreadable, "2020-01-01T00:00:00.1234567891": Unreadable, "2020-01-01T00:00:00x": Unreadable, "2020-": Unreadable,
		"1__0": Unreadable, "0x10": Unreadable, "1e": Unreadable, "--5": Unreadable, "2020-01-01T00:00:": Unreadable, "2020-01-01T00:00+1": Unreadable,
		"-5": BeforeEpoch, "1960-01-01": BeforeEpoch, "-2020-01-01": BeforeEpoch, "-1e30": BeforeEpoch, "-3000 weeks": BeforeEpoch, "-99999999999999 weeks": BeforeEpoch,
		"0001-01-01": BeforeEpoch, "1970-01-01T00:00:00+00:01": BeforeEpoch,
		"9999999999999": Beyond, "1e18": Beyond, "2262-04-11T23:47:16.854775808": Beyond, "2263-01-01": Beyond, "99999999-01-01": Beyond, "13000 weeks": Beyond,
		"99999999999999 weeks": Beyond,
		"":                     NotATime, "NaT": NotATime, "nan": NotATime, "-Infinity": NotATime, "  ": NotATime,
	} {
		got, err := Timestamp(text, now)
		var e *TimeError
		if !errors.As(err, &e) || e.Why != want || e.Error() == "" || e.Kind() != "invalid" || e.Code() != "time-invalid" {
			t.Errorf("%q: %d, %v instead of reason %d", text, got, err, want)
		}
	}
}

func TestFormatOfAList(t *testing.T) {
	for _, c := range []struct {
		first, text string
		want        int64 // -1: it is refused
	}{
		{"1577836801", "1577836802", 1577836802e9}, {"1577836801", "2020-01-01", -1}, {"2020-01-01", "2020", ns("2020-01-01T00:00:00Z")},
		{"2020-01-01", "-1 hour", -1}, {"-1 hour", "2020-01-01T00:00:00", -1}, {"-1 hour", "5", now.UnixNano() + 5e9}, {"2020-01-01", "now", ns("2026-11-28T12:34:56Z")},
	} {
		got, err := FormatOf(c.first).Timestamp(c.text, now)
		if (err != nil) != (c.want == -1) || err == nil && got != c.want {
			t.Errorf("%q behind %q: %d, %v instead of %d", c.text, c.first, got, err, c.want)
		}
	}
}

func TestSpans(t *testing.T) {
	const h, d = 3600 * second, daySecs * second
	for text, want := range map[string]int64{
		"60": 60 * second, "0.5": second / 2, "1.001": 1_001_000_000, "1e-9": 1, "1m": 60 * second, "1.5 hours": 5400 * second, "1d12h": 36 * h, "7 day": 7 * d, "7 days, 0:00:00": 7 * d,
		"1 day, 1:02:03.5": d + h + 123*second + second/2, "1:30": 90 * second, "1:00:00": h, "2:03:04:05": 2*d + 3*h + 245*second, ":09": 9 * second, "10s": 10 * second,
		"1w 2D/3 Hrs , 4mins5secs": 9*d + 3*h + 245*second, "1W": 7 * d, "0.1 s": second / 10, "+ 5 m": 300 * second, "1second": second, ".5m": 30 * second, "1 wk 0:00:01": 7*d + second,
		"0:00:00.000001500": 1500, "1h,": h, "100:00:00": 100 * h, "90:30:00": 90*h + 30*60*second,
	} {
		if got, err := Span(text); err != nil || got != want {
			t.Errorf("%q: %d, %v instead of %d", text, got, err, want)
		}
	}
	for text, want := range map[string]SpanWhy{
		"": SpanSyntax, "abc": SpanSyntax, "1 month": SpanSyntax, "1y": SpanSyntax, "D": SpanSyntax, "1": NotPositive, "1m1h": SpanSyntax, "1h1h": SpanSyntax, "nan": SpanSyntax, "inf": SpanSyntax,
		"1..2s": SpanSyntax, "100:30": SpanSyntax, "1:2": SpanSyntax, "1:2:03": SpanSyntax, "1h 1:00:00": SpanSyntax, "1d 1:30": SpanSyntax, "1:1:1:1:1": SpanSyntax, "5s,": SpanSyntax, "1:00:00.": SpanSyntax,
		":": SpanSyntax, "-": SpanSyntax, "5 5": SpanSyntax, "::05": SpanSyntax,
		"0": NotPositive, "-1": NotPositive, "-1 day": NotPositive, "1e-10": NotPositive, "0s": NotPositive, "-1e300": NotPositive, "-99999999999 weeks": NotPositive,
		"1e300": TooLong, "99999999999999999999999w": TooLong, "15250w 15250d": TooLong, "106752 days": TooLong,
	} {
		if text == "1" {
			text = "0.0"
		}
		got, err := Span(text)
		var e *SpanError
		if !errors.As(err, &e) || e.Why != want || e.Error() == "" || e.Kind() != "invalid" || e.Code() != "time-invalid" {
			t.Errorf("%q: %d, %v instead of reason %d", text, got, err, want)
		}
	}
	if text := (&SpanError{}).Error(); text != "Invalid timespan" {
		t.Error(text)
	}
}

func TestPrinting(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0:00:00", 300 * second: "0:05:00", daySecs * second: "1 day, 0:00:00", 7 * daySecs * second: "7 days, 0:00:00", second / 2: "0:00:00.500000", 1500: "0:00:00.000001500",
		36*3600*second + 1000: "1 day, 12:00:00.000001", -second: "-1 day, 23:59:59", -2 * daySecs * second: "-2 days, 0:00:00",
	} {
		if got := SpanText(in); got != want {
			t.Errorf("%d: %s instead of %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"2014-01-02T23:23:34Z": "2014-01-02T23:23:34+00:00", "2014-01-02T23:23:34.5Z": "2014-01-02T23:23:34.500000+00:00", "2014-01-02T23:23:34.000000999Z": "2014-01-02T23:23:34+00:00",
	} {
		if got := Datetime(ns(in)); got != want {
			t.Errorf("%s: %s instead of %s", in, got, want)
		}
	}
	if got := string(AppendTime(nil, ns("2020-06-03T01:00:01.999999999Z"))); got != "2020-06-03T01:00:01+00:00" {
		t.Error(got)
	}
	for in, want := range map[int64]float64{60 * second: 60, second / 2: 0.5, 1: 1e-9, math.MaxInt64: 9223372036.854775807, 604800 * second: 604800} {
		if got := Seconds(in); got != want {
			t.Errorf("%d: %v instead of %v", in, got, want)
		}
	}
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct{ group, in, want string }{
		{"W", "2020-01-01T00:00:00Z", "2019-12-29T00:00:00Z"}, {"W", "2019-12-29T00:00:00Z", "2019-12-29T00:00:00Z"}, {"W", "2019-12-28T23:59:59.9Z", "2019-12-22T00:00:00Z"},
		{"M", "2020-02-29T12:00:00Z", "2020-02-01T00:00:00Z"}, {"Q", "2020-06-30T12:00:00Z", "2020-04-01T00:00:00Z"}, {"Q", "2020-12-31T12:00:00Z", "2020-10-01T00:00:00Z"},
		{"H", "2020-06-30T12:00:00Z", "2020-01-01T00:00:00Z"}, {"H", "2020-07-01T00:00:00Z", "2020-07-01T00:00:00Z"}, {"Y", "2020-12-31T12:00:00Z", "2020-01-01T00:00:00Z"},
		{"W", "1970-01-01T00:00:00Z", "1969-12-28T00:00:00Z"},
	} {
		g, ok := ParseCalendar(c.group)
		if got := g.Start(ns(c.in)); !ok || got != ns(c.want) || g.String() != c.group {
			t.Errorf("%s of %s: %s", c.group, c.in, time.Unix(0, got).UTC())
		}
	}
	for _, text := range []string{"", "D", "y", "YY", "60"} {
		if _, ok := ParseCalendar(text); ok {
			t.Error(text)
		}
	}
}

// FuzzDates: dates are those of the library, printed and read.
func FuzzDates(f *testing.F) {
	for _, v := range []int64{0, -1, math.MaxInt64, math.MinInt64 + daySecs*second, 951782400e9, 951868799999999999, 4107542399e9} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v int64) {
		if v < math.MinInt64+400*daySecs*second {
			return
		}
		at := time.Unix(0, v).UTC()
		if got, want := string(AppendTime(nil, v)), at.Truncate(time.Second).Format("2006-01-02T15:04:05+00:00"); at.Nanosecond() == 0 && got != want {
			t.Fatalf("%d: %s instead of %s", v, got, want)
		}
		text := at.Format("2006-01-02T15:04:05.000000+00:00")
		if at.Nanosecond()/1000 == 0 {
			text = at.Format("2006-01-02T15:04:05+00:00")
		}
		if got := Datetime(v); got != text {
			t.Fatalf("%d: %s instead of %s", v, got, text)
		}
		if got := time.Unix(0, Month.Start(v)).UTC(); !got.Equal(time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)) {
			t.Fatalf("%s: month %s", at, got)
		}
		if got := time.Unix(0, Week.Start(v)).UTC(); got.Weekday() != time.Sunday || at.Before(got) || at.Sub(got) >= 7*24*time.Hour {
			t.Fatalf("%s: week %s", at, got)
		}
		if got := SpanText(v); v >= 0 {
			if back, err := SignedSpan(got); err != nil || back != v {
				t.Fatalf("%s: %d, %v", got, back, err)
			}
		}
		text = at.Format(time.RFC3339Nano)
		if back, err := Timestamp(text, now); v >= 0 && (err != nil || back != v) {
			t.Fatalf("%s: %d, %v", text, back, err)
		}
	})
}

// FuzzTimestamp: nothing panics, nothing is before 1970, what the short way takes is what the long way makes of it, and what is a time for
// the library is one here.
func FuzzTimestamp(f *testing.F) {
	for _, s := range []string{"2020-01-01T00:00:00Z", "2020-01-01 00:00:00.5", "2020-02-29T23:59:59+00:00", "1577836800.5", "-1 hour", "now", "1e9", "2020-01-01T00:00:00-05:30", "1 day, 0:00:00", "nan", "2000-01-01T0:00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Timestamp(s, now)
		if err == nil && got < 0 {
			t.Fatalf("%q: %d", s, got)
		}
		if v, end, ok := Usual([]byte(s+`"`), 0); ok && end == len(s) && (err != nil || v != got) {
			t.Fatalf("%q: %d instead of %d, %v", s, v, got, err)
		}
		at, e := time.Parse(time.RFC3339Nano, s)
		if e == nil && !lenient(s) && at.Unix() >= 0 && at.Year() < 2262 && (err != nil || got != at.UnixNano()) {
			t.Fatalf("%q: %d, %v instead of %d", s, got, err, at.UnixNano())
		}
	})
}

// lenient says whether a text is of a form that the library reads but ISO 8601 does not have: a comma, a fraction of more digits, an hour
// of one digit.
func lenient(s string) bool {
	digits := 0
	for i := 19; i < len(s) && (s[i] == '.' || digit(s[i])); i++ {
		digits++
	}
	return digits > 10 || len(s) > 13 && s[13] != ':' || len(s) > 19 && s[19] == ','
}

// FuzzSpan: nothing panics, and a timespan that is printed reads as itself.
func FuzzSpan(f *testing.F) {
	for _, s := range []string{"1h30m", "1 day, 0:00:00", "-5", "1:2:3:4", "1w2d3h4m5.5s", "9e18", "1e-9", "106751 days"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := SignedSpan(s)
		if err != nil || d < 0 {
			return
		}
		if back, err := SignedSpan(SpanText(d)); err != nil || back != d {
			t.Fatalf("%q is %d, %s: %d, %v", s, d, SpanText(d), back, err)
		}
	})
}

func BenchmarkTimestamp(b *testing.B) {
	for _, text := range []string{"2020-01-01T00:00:07.5", "2020-01-01T00:00:07+02:00", "1577836803.25", "-10 minutes"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Timestamp(text, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("usual", func(b *testing.B) {
		text := fmt.Appendf(nil, "2020-01-01T00:00:07.5%q", "")
		b.ReportAllocs()
		for b.Loop() {
			if _, _, ok := Usual(text, 0); !ok {
				b.Fatal()
			}
		}
	})
}
