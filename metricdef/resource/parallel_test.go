package resource

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestSearchWhileWriting: what is there all the time is found by every search, and no search shows half a resource, however many
// come, change and go.
func TestSearchWhileWriting(t *testing.T) {
	h := newHarness(t, Options{})
	h.typ(Type{Name: "vm", Attributes: []Attribute{{Name: "a", Kind: String, MaxLength: 20}, {Name: "b", Kind: String, MaxLength: 20}}})
	both := func(n int) map[string]Value {
		v := TextValue(fmt.Sprint("v", n))
		return map[string]Value{"a": v, "b": v}
	}
	for n := range 3000 {
		h.create(Draft{Tenant: 1, ID: wide(n), Type: "vm", Project: new("stays"), Attributes: both(n)})
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				f, err := h.Search(t.Context(), Search{Type: "vm", Where: &Compare{"project_id", Eq, []Operand{{Value: TextValue("stays")}}}, Sort: []SortKey{{Attribute: "a"}}, Limit: n % 2 * 5000})
				if err != nil {
					t.Error(err)
					return
				}
				if len(f.Resources) != 3000 {
					t.Errorf("%d resources", len(f.Resources))
				}
				for i := range f.Resources {
					if r := &f.Resources[i]; r.Attributes["a"] != r.Attributes["b"] {
						t.Errorf("half of a change: %+v", r)
					}
				}
			}
		})
	}
	until := time.Now().Add(300 * time.Millisecond)
	for n := 0; n < 200 || time.Now().Before(until); n++ {
		values := both(n)
		a, b := values["a"], values["b"]
		h.update(1, wide(n%3000), Update{Attributes: map[string]*Value{"a": &a, "b": &b}})
		h.create(Draft{Tenant: 1, ID: wide(5000 + n), Type: "vm", Attributes: both(n)})
		if n > 50 {
			h.remove(1, wide(5000+n-50))
		}
		if n%100 == 99 {
			h.change("vm", func(t *Type) map[string]Value {
				if len(t.Attributes) == 2 {
					t.Attributes = slices.Insert(t.Attributes, 1, Attribute{Name: "aa", Kind: Number})
					return map[string]Value{"aa": NumberValue(1)}
				}
				t.Attributes = slices.Delete(t.Attributes, 1, 2)
				return nil
			})
		}
	}
	close(stop)
	wg.Wait()
}
