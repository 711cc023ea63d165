// Package match holds the conditions that searches put on tags: matchers for one tag, joined by And, Or and Not.
package match
