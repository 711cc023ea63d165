package gnocchi

import (
	"errors"

	"github.com/google/uuid"

	"granary/measures"
	"granary/metricdef/resource"
	"granary/tenant"
)

// A resource that has measures behind its end has not ended: they take its end from it.

// lasting is a resource that has ended.
type lasting struct {
	tenant tenant.Num
	id     uuid.UUID
}

// compareEnds notes which rows of the batch, which is stored, are newer than the end of their resource.
func (in *intake) compareEnds() {
	b := &in.batch
	for i, p := range in.portions {
		t := &in.targets[p.list]
		if t.ended == 0 {
			continue
		}
		to := len(b.Refs)
		if i+1 < len(in.portions) {
			to = int(in.portions[i+1].row)
		}
		newest := t.ended
		for row := int(p.row); row < to; row++ {
			if b.Refs[row] != 0 {
				newest = max(newest, b.Times[row])
			}
		}
		if newest > t.ended {
			if in.outlasted == nil {
				in.outlasted = map[lasting]int64{}
			}
			r := lasting{t.tenant, t.resource}
			in.outlasted[r] = max(in.outlasted[r], newest)
		}
	}
}

var errAlive = errors.New("the resource has no end before its measures")

// restore takes their end from resources that have measures behind it.
func (in *intake) restore() error {
	none := int64(0)
	for r, newest := range in.outlasted {
		_, _, err := in.c.d.o.Store.ChangeResource(in.ctx, &measures.ResourceChange{
			Tenant: r.tenant, ID: r.id, Update: &resource.Update{Ended: &none},
			If: func(now *resource.Resource) error {
				if now.Ended == 0 || now.Ended >= newest {
					return errAlive
				}
				return nil
			},
		})
		var unknown *resource.UnknownError // it is deleted
		if err != nil && !errors.Is(err, errAlive) && !errors.As(err, &unknown) {
			return err
		}
	}
	return nil
}
