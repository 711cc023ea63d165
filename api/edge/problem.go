package edge

import (
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// ErrorPages is where the page of a code is, as a reference that holds on whatever address the service has.
const ErrorPages = "/docs/errors/"

// Problem is a problem document (RFC 9457) about an error. The members beside the standard ones come from the error: its
// code, and what its method Problem gives.
type Problem struct {
	Status int
	Title  string
	Detail string
	Code   string // "" for none
	// Members are further members: "tenant", "limit", "setting", "path" (the JSON pointer of the member at fault),
	// "errors", and what an error wants to add.
	Members map[string]any
}

// explained is an error that has more to say than its text. Rooms that know no HTTP can have the method too.
type explained interface{ Problem() map[string]any }

// ProblemOf makes the document of an error. The text of an error that says nothing about itself is not shown. Where
// several errors of a chain give the same member the outermost one wins; paths are put together from the outside to the
// inside.
func ProblemOf(err error) Problem {
	p := Problem{Status: Status(err), Code: CodeOf(err)}
	p.Title = http.StatusText(p.Status)
	if p.Code != "" {
		p.Title = titleOf(p.Code)
	}
	if p.Status == http.StatusInternalServerError {
		p.Detail = "internal error; the log of the service says more"
		return p
	}
	p.Detail = DetailOf(err)
	path, has := "", false
	eachError(err, func(e error) {
		x, ok := e.(explained)
		if !ok {
			return
		}
		for name, v := range x.Problem() {
			if s, ok := v.(string); ok && name == "path" {
				path, has = path+s, true
				continue
			}
			if p.Members == nil {
				p.Members = map[string]any{}
			}
			if _, dup := p.Members[name]; !dup {
				p.Members[name] = v
			}
		}
	})
	if has {
		if p.Members == nil {
			p.Members = map[string]any{}
		}
		p.Members["path"] = ShortPath(path)
	}
	return p
}

// eachError calls f for the errors of a chain, the outermost first. Of joined errors only the first is looked at: members
// of different errors do not belong into one document.
func eachError(err error, f func(error)) {
	for err != nil {
		f(err)
		switch x := err.(type) { //nolint:errorlint // this walks the chain itself, error by error
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			list := x.Unwrap()
			if len(list) == 0 {
				return
			}
			err = list[0]
		default:
			return
		}
	}
}

// titleOf is the title of a code: the same for all problems of its type, as the RFC wants it.
func titleOf(code string) string {
	r, n := utf8.DecodeRuneInString(code)
	return string(unicode.ToUpper(r)) + strings.ReplaceAll(code[n:], "-", " ")
}

// ContentTypeProblem is the media type of a problem document.
const ContentTypeProblem = "application/problem+json"

// Append appends the document as JSON.
func (p *Problem) Append(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	if p.Code == "" {
		dst = append(dst, `"about:blank"`...)
	} else {
		dst = AppendString(dst, ErrorPages+p.Code)
	}
	dst = append(dst, `,"title":`...)
	dst = AppendString(dst, p.Title)
	dst = append(dst, `,"status":`...)
	dst = append(dst, byte('0'+p.Status/100%10), byte('0'+p.Status/10%10), byte('0'+p.Status%10))
	dst = append(dst, `,"detail":`...)
	dst = AppendString(dst, p.Detail)
	if p.Code != "" {
		dst = append(dst, `,"code":`...)
		dst = AppendString(dst, p.Code)
	}
	if len(p.Members) > 0 {
		if more, err := json.Marshal(p.Members, json.Deterministic(true)); err == nil {
			dst = append(dst, ',')
			dst = append(dst, more[1:]...)
			return append(dst, '\n')
		}
	}
	return append(dst, '}', '\n')
}

// PathError says at which member of a request an error is. Make one with At.
type PathError struct {
	Path string // a JSON pointer, "/metrics/3/name"
	Err  error
}

// At says that err, if it is one, is at the member that the JSON pointer names. An error within it may name a path of its
// own, which then counts from here.
func At(path string, err error) error {
	if err == nil {
		return nil
	}
	return &PathError{Path: path, Err: err}
}

func (e *PathError) Error() string { return e.Err.Error() }
func (e *PathError) Unwrap() error { return e.Err }

// Problem names the path.
func (e *PathError) Problem() map[string]any { return map[string]any{"path": e.Path} }

// The greatest lengths, in bytes, of what an answer repeats of a request. A name in a body may be as long as the body.
const (
	maxPath   = 512
	maxDetail = 1024
)

// ShortPath is a JSON pointer as answers show it: of one that is very long, the beginning.
func ShortPath(path string) string { return cut(path, maxPath) }

// DetailOf is the text of an error as answers show it.
func DetailOf(err error) string { return cut(err.Error(), maxDetail) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// PathOf is the whole path of the member at fault, "" if the error names none. It is as long as what was sent; ShortPath
// is for answers.
func PathOf(err error) string {
	path := ""
	eachError(err, func(e error) {
		if x, ok := e.(explained); ok {
			s, _ := x.Problem()["path"].(string)
			path += s
		}
	})
	return path
}

// Pointer appends a member's name to a JSON pointer (RFC 6901).
func Pointer(path, name string) string {
	return path + "/" + pointerEscape.Replace(name)
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// statusOf is the status of an error that names its own, as one of HTTP itself does.
func statusOf(err error) (int, bool) {
	var s interface{ Status() int }
	if errors.As(err, &s) {
		return s.Status(), true
	}
	return 0, false
}
