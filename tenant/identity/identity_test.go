package identity

import (
	"fmt"
	"testing"

	"granary/tenant"
)

func TestIdentity(t *testing.T) {
	i := New("me", Token, "t", 0, Grant{"b", Writer}, Grant{"a", Reader}, Grant{"b", Reader}, Grant{"c", 0})
	for id, want := range map[tenant.ID]string{"a": "reader", "b": "reader,writer", "c": "", "d": ""} {
		if got := i.In(id).String(); got != want {
			t.Errorf("in %s: %q, want %q", id, got, want)
		}
	}
	if s := i.Scope(); s.All() || fmt.Sprint(s.Tenants()) != "[a b]" || s.Contains("c") {
		t.Errorf("scope %+v", s)
	}
	for _, c := range []struct {
		roles Roles
		may   []bool // read, write, manage, operate
	}{
		{0, []bool{false, false, false, false}},
		{Reader, []bool{true, false, false, false}},
		{Writer, []bool{false, true, false, false}},
		{Admin, []bool{true, true, true, false}},
		{Operator, []bool{true, true, true, true}},
	} {
		for x, want := range c.may {
			if c.roles.May(Right(x)) != want {
				t.Errorf("%v may %v: %v", c.roles, Right(x), !want)
			}
		}
	}
	if s := Open().Scope(); !s.All() || !s.Contains("new") || !Open().Operator() || i.Operator() {
		t.Error("the open identity is no operator")
	}
	var none *Identity
	if none.May("a", Read) || none.Operator() || none.Scope().Contains("a") {
		t.Error("no identity has rights")
	}
	if _, err := ParseRole("root"); err == nil || err.Error() != `there is no role "root"; there are reader, writer, admin, operator` {
		t.Error(err)
	}
	if r, err := ParseRole("admin"); err != nil || r != Admin {
		t.Error(r, err)
	}
}
