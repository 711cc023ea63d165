// Package influx serves those who write to InfluxDB: /write and /query of its first version, /api/v2/write of its second one, and the
// probes /ping and /health.
//
// A line becomes one sample for each field: of the series MEASUREMENT_FIELD, or MEASUREMENT where the field is called value, with all tags
// of the line. Lines go the way of all others (package measures/ingest); the dialect chooses the tenant, says what lines mean, and answers
// so that clients do the right thing: what a 400 or 422 names is lost and will not come again, what a 503 or 429 refuses will.
//
// It reads nothing: /query answers the statements by which clients find out what there is, and refuses the others by name. The package
// keeps no state.
package influx
