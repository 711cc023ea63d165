package policy

import (
	"strings"
	"unicode/utf8"
)

// Fnmatch says whether name matches the whole of a shell pattern: "*" stands for any number of characters, "?" for one, "[abc]" for
// one of a set, which may hold ranges as "a-z", and "[!abc]" for one that is not in it. A "[" that no "]" closes stands for itself, as does all
// else; cases differ. It takes at most len(pattern)*len(name) steps and allocates nothing.
func Fnmatch(pattern, name string) bool {
	p, n := 0, 0
	star, retry := -1, 0 // behind the last "*" seen, and where in name its next attempt begins
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, retry = p, n
			continue
		}
		if next, size, ok := fnmatchOne(pattern[p:], name[n:]); ok {
			p, n = p+next, n+size
			continue
		}
		if star < 0 {
			return false
		}
		_, size := utf8.DecodeRuneInString(name[retry:])
		retry += size
		p, n = star, retry
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// fnmatchOne matches the first character of name, which is not empty, with the head of a pattern that is no "*": next and size are the
// bytes that they take.
func fnmatchOne(pattern, name string) (next, size int, ok bool) {
	if pattern == "" {
		return 0, 0, false
	}
	c, size := utf8.DecodeRuneInString(name)
	switch pattern[0] {
	case '?':
		return 1, size, true
	case '[':
		if set, ok := fnmatchSet(pattern); ok {
			return len(set) + 2, size, inSet(set, c)
		}
	}
	p, next := utf8.DecodeRuneInString(pattern)
	// What is not UTF-8 matches itself alone, not the character that stands for it.
	return next, size, p == c && pattern[:next] == name[:size]
}

// fnmatchSet is what stands between the brackets at the head of a pattern, false if they are not closed. A "]" that is the first of the
// set belongs to it.
func fnmatchSet(pattern string) (set string, ok bool) {
	from := 1
	if strings.HasPrefix(pattern[from:], "!") {
		from++
	}
	if strings.HasPrefix(pattern[from:], "]") {
		from++
	}
	end := strings.IndexByte(pattern[from:], ']')
	if end < 0 {
		return "", false
	}
	return pattern[1 : from+end], true
}

// inSet says whether a set holds a character. A range whose end lies before its beginning holds none.
func inSet(set string, c rune) bool {
	rest, not := strings.CutPrefix(set, "!")
	for rest != "" {
		low, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		high := low
		if len(rest) > 1 && rest[0] == '-' {
			high, n = utf8.DecodeRuneInString(rest[1:])
			rest = rest[1+n:]
		}
		if low <= c && c <= high {
			return !not
		}
	}
	return not
}
