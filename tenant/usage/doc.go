// Package usage is the ledger of what tenants use: samples, bytes, series, queries by tenant and hour, and the lives of nodes. It is
// told of what is in the journal, never of what is in memory, so that neither expiry nor a deletion changes what was used, and a
// crash neither loses nor doubles anything that was acknowledged.
//
// The package keeps no samples and knows neither HTTP nor how the journal is written. It reads no clock but to say what runs now.
package usage
