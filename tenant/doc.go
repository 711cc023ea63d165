// Package tenant says who: tenants, their ids and limits.
package tenant
