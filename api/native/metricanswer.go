package native

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/metricdef"
)

// appendMetric appends a metric as JSON.
func (a *API) appendMetric(b []byte, d *metricdef.Definition, samples bool, format edge.TimeFormat) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, d.ID.String()...)
	b = append(b, `","name":`...)
	b = edge.AppendString(b, d.Name)
	b = append(b, `,"type":"`...)
	b = append(b, d.Type.String()...)
	b = append(b, `","kind":"`...)
	b = append(b, d.Values().String()...)
	b = append(b, `","tags":`...)
	b = appendTags(b, d.Tags)
	b = append(b, `,"plain_tags":`...)
	b = appendTags(b, d.Plain)
	b = append(b, `,"unit":`...)
	b = edge.AppendString(b, d.Unit)
	name, explicit := a.o.PolicyOf(d)
	b = append(b, `,"policy":{"name":`...)
	b = edge.AppendString(b, name)
	b = append(b, `,"explicit":`...)
	b = edge.AppendBool(b, explicit)
	b = append(b, '}')
	if d.Retention > 0 {
		b = edge.AppendString(append(b, `,"retention":`...), durationText(d.Retention))
		b = edge.AppendFloat(append(b, `,"retention_seconds":`...), seconds(d.Retention))
	}
	b = append(b, `,"created":`...)
	b = format.Append(b, d.Created.UnixNano())
	b = append(b, `,"explicit":`...)
	b = edge.AppendBool(b, d.Explicit)
	b = append(b, `,"dialect":`...)
	b = edge.AppendString(b, d.Dialect)
	b = a.appendLink(b, d)
	if samples {
		b = append(b, `,"samples":`...)
		if first, last, ok := a.o.Ends.Ends(d.Ref); ok {
			b = append(b, `{"first":`...)
			b = format.Append(b, first)
			b = append(b, `,"last":`...)
			b = append(format.Append(b, last), '}')
		} else {
			b = append(b, "null"...)
		}
	}
	return append(b, '}')
}

// appendLink appends what a metric says of people and resources, if it says anything.
func (a *API) appendLink(b []byte, d *metricdef.Definition) []byte {
	b = appendLabel(b, d)
	if d.Creator != "" {
		b = edge.AppendString(append(b, `,"creator":`...), d.Creator)
	}
	if d.Resource == (uuid.UUID{}) {
		return b
	}
	b = append(append(b, `,"resource":{"id":"`...), d.Resource.String()...)
	b = append(b, '"')
	if a.o.ResourceType != nil {
		if typ := a.o.ResourceType(d.Tenant, d.Resource); typ != "" {
			b = edge.AppendString(append(b, `,"type":`...), typ)
		}
	}
	return append(b, '}')
}

func appendLabel(b []byte, d *metricdef.Definition) []byte {
	if d.Label == "" {
		return b
	}
	return edge.AppendString(append(b, `,"label":`...), d.Label)
}

func appendTags(b []byte, tags []metricdef.Tag) []byte {
	b = append(b, '{')
	for i, t := range tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(edge.AppendString(b, t.Name), ':')
		b = edge.AppendString(b, t.Value)
	}
	return append(b, '}')
}

// sendMetrics answers a page of metrics. One that has ended since it was found is left out.
func (a *API) sendMetrics(w http.ResponseWriter, r *http.Request, s *metricSearch, found metricdef.Found) error {
	buf := edge.NewBuffer()
	defer buf.Free()
	b := append(buf.B, `{"metrics":[`...)
	first := true
	for i, ref := range found.Refs {
		if err := r.Context().Err(); err != nil && i%100 == 0 {
			return err
		}
		d, ok := a.o.Definitions.Get(ref)
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = a.appendMetric(append(b, '\n'), &d, s.Samples, s.format)
	}
	buf.B = appendPage(append(b, ']'), found.Next, found.Total)
	a.sendBytes(w, r, http.StatusOK, typeJSON, buf.B)
	return nil
}

// appendPage ends the answer of a page: the cursor of the next one, if there is one, and the count, if it was asked for.
func appendPage(b []byte, next string, total int) []byte {
	if next != "" {
		b = edge.AppendString(append(b, `,"next":`...), next)
	}
	if total >= 0 {
		b = strconv.AppendInt(append(b, `,"total":`...), int64(total), 10)
	}
	return append(b, '}', '\n')
}

func (a *API) sendMetric(w http.ResponseWriter, r *http.Request, status int, d *metricdef.Definition, samples bool, format edge.TimeFormat) error {
	buf := edge.NewBuffer()
	defer buf.Free()
	buf.B = append(a.appendMetric(buf.B, d, samples, format), '\n')
	a.sendBytes(w, r, status, typeJSON, buf.B)
	return nil
}
