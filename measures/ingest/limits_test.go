package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"granary/measures"
	"granary/tenant"
)

// indebted is a store in which tenant 2 has sent more than its rate allows.
type indebted struct {
	*store
	owing bool
	calls int
}

func (s *indebted) Commit(ctx context.Context, b *measures.Batch) error {
	if b.Tenant == 2 && !b.Admitted {
		if s.calls++; s.owing {
			return &tenant.RateError{Tenant: "second", Rate: 1, Burst: 1, Wait: 7 * time.Second}
		}
	}
	return s.store.Commit(ctx, b)
}

func (*indebted) Standing(tenant.Num) *tenant.Standing {
	return tenant.NewRegistry(tenant.Options{}).Standing(0)
}
func (*indebted) ID(tenant.Num) tenant.ID { return "second" }
func (s *indebted) CheckRate(n tenant.Num, _ int64) error {
	if n == 2 && s.owing {
		return &tenant.RateError{Tenant: "second", Rate: 1, Burst: 1, Wait: 7 * time.Second}
	}
	return nil
}

// TestRate: of a body of several tenants all is stored but for the one that is in debt; nothing for a sender that asks again. A body
// that was let in is let in to its end.
func TestRate(t *testing.T) {
	s := &indebted{store: newStore(), owing: true}
	w := New(s, s.store, Options{Now: func() time.Time { return start }, Tenants: s, MaxRows: 2})
	const body = "cpu,cluster=c,hostname=h value=1 1735693200\ncpu,cluster=second,hostname=h value=1 1735693200\ncpu,cluster=c,hostname=i value=1 1735693200\n" +
		"cpu,cluster=second,hostname=i value=1 1735693200\ncpu,cluster=second,hostname=j value=1 1735693200\ncpu,cluster=c,hostname=j value=1 1735693200\n"
	var rate *tenant.RateError
	r, err := w.WriteFrom(t.Context(), ccMapping(), Sender{Whole: true}, []byte(body))
	if !errors.As(err, &rate) || rate.RetryAfter() != 7*time.Second || r.Stored != 0 || len(s.rows) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = w.WriteLines(t.Context(), ccMapping(), []byte(body))
	if !errors.As(err, &rate) || r.Stored != 3 || r.Ignored[measures.RateLimit] != 3 || len(s.rows) != 3 || s.calls != 1 {
		t.Errorf("%+v, %v, asked %d times", r, err, s.calls)
	}
	s.owing, s.calls = false, 0
	r, err = w.WriteLines(t.Context(), ccMapping(), []byte(body))
	if err != nil || r.Stored != 6 || s.calls != 1 {
		t.Errorf("%+v, %v, asked %d times", r, err, s.calls)
	}
}
