// Package measures keeps the samples: series buffers, their journal records, snapshots and retention.
package measures
