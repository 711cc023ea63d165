// Package manual writes manual pages in roff, with the macros of man(7): granary(1) from the model of the command line, granary.json(5) from
// the page about the configuration. So neither says anything that the program and its documents do not say.
package manual

import (
	"fmt"
	"strings"
)

// Header is what stands above and below a page.
type Header struct {
	Name    string // in lower case: granary
	Section int
	Date    string // 2026-11-28; may be empty
	Version string
	What    string // a line for whatis(1)
}

// page is a manual page that is being written.
type page struct{ strings.Builder }

func newPage(h Header) *page {
	p := &page{}
	p.request("TH", strings.ToUpper(h.Name), fmt.Sprint(h.Section), h.Date, "granary "+h.Version, "Granary")
	// Hyphenated names of flags and settings cannot be copied, and text that is justified has holes.
	p.request("nh")
	p.request("ad", "l")
	p.request("SH", "NAME")
	p.line(escape(h.Name) + ` \- ` + escape(h.What))
	return p
}

// request writes a request or macro with arguments that are plain text.
func (p *page) request(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		if a = strings.ReplaceAll(escape(a), `"`, `\(dq`); a == "" || strings.ContainsAny(a, " ") {
			a = `"` + a + `"`
		}
		p.WriteString(" " + a)
	}
	p.WriteByte('\n')
}

// line writes one line of text that is escaped already. One that looks like a request is kept from being one.
func (p *page) line(text string) {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	p.WriteString(text + "\n")
}

// verbatim writes lines as they are, indented.
func (p *page) verbatim(lines []string) {
	p.request("PP")
	p.request("RS", "4")
	p.request("nf")
	for _, l := range lines {
		p.line(escape(l))
	}
	p.request("fi")
	p.request("RE")
}

var (
	// A hyphen is one to be copied into a command line, and the accents that troff makes of some characters are not meant.
	escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "'", `\(aq`,
		"…", "...", "→", "->", "≥", ">=", "≤", "<=", "×", "x", "µ", `\(mc`)
)

// escape makes plain text of a page.
func escape(s string) string { return escapes.Replace(s) }

// bold is escaped text in bold.
func bold(s string) string { return `\fB` + escape(s) + `\fR` }

// italic is escaped text in italics, or underlined.
func italic(s string) string { return `\fI` + escape(s) + `\fR` }
