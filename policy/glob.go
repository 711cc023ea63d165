package policy

import "unicode/utf8"

// matchGlob says whether name matches the whole pattern, in which "*" stands for any number of bytes and "?" for one
// character. It takes at most len(pattern)*len(name) steps and allocates nothing.
func matchGlob(pattern, name string) bool {
	p, n := 0, 0
	star, retry := -1, 0 // the last "*" seen, and where in name its next attempt begins
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(name[n:])
			p++
			n += size
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			retry++
			p, n = star+1, retry
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
