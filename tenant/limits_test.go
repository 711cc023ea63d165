package tenant

import "testing"

func TestLimitFields(t *testing.T) {
	var l Limits
	names, numbers := map[string]bool{}, map[uint64]bool{}
	for i := range LimitFields {
		f := &LimitFields[i]
		if names[f.Name] || numbers[f.Number] {
			t.Errorf("%s (%d) is there twice", f.Name, f.Number)
		}
		names[f.Name], numbers[f.Number] = true, true
		if *f.Of(&l) != 0 {
			t.Errorf("%s stands where another does", f.Name)
		}
		*f.Of(&l) = int64(f.Number)
	}
	base := l
	over := Limits{Series: NoLimit, Tags: 99}.Over(base)
	if over.Series != 0 || over.Tags != 99 || over.Memory != base.Memory {
		t.Errorf("%+v", over)
	}
}
