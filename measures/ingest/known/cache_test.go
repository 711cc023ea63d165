package known

import (
	"strconv"
	"testing"

	"granary/metricdef"
)

func TestCache(t *testing.T) {
	c := &Cache{}
	if c.Find(1, []byte("a")) != nil {
		t.Error("found in an empty cache")
	}
	c.Learn(1, []byte("a"), 7, metricdef.KindFloat)
	e := c.Find(1, []byte("a"))
	if e == nil || e.Ref() != 7 || e.Kind != metricdef.KindFloat || e.Text != "a" || e.Next() != nil {
		t.Fatalf("%+v", e)
	}
	if c.Find(2, []byte("a")) != nil {
		t.Error("another tenant finds it")
	}
	c.Learn(1, []byte("a"), 8, metricdef.KindFloat)
	if e.Ref() != 8 {
		t.Error("whoever holds the entry keeps the series that has ended")
	}
	c.Learn(1, []byte("a"), 9, metricdef.KindInt)
	if again := c.Find(1, []byte("a")); again == e || again.Ref() != 9 || again.Kind != metricdef.KindInt {
		t.Errorf("%+v", again)
	}
	e.Follow(c.Find(1, []byte("a")))
	if e.Next().Ref() != 9 {
		t.Error("no next")
	}
	c.Learn(1, make([]byte, maxText+1), 1, metricdef.KindFloat)
	if c.Find(1, make([]byte, maxText+1)) != nil {
		t.Error("a long text is kept")
	}
}

func TestBound(t *testing.T) {
	c := &Cache{}
	text := make([]byte, maxText)
	for i := range maxBytes/maxText + 100 {
		c.Learn(1, strconv.AppendInt(text[:maxText-20], int64(i), 10), 1, metricdef.KindFloat)
		if c.bytes > maxBytes {
			t.Fatalf("%d bytes", c.bytes)
		}
	}
	if n := len(c.entries); n == 0 || n > maxBytes/maxText {
		t.Errorf("%d entries", n)
	}
}
