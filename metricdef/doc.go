// Package metricdef says what a series is: definitions, their tags, and the searches over them.
package metricdef
