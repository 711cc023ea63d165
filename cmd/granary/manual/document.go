package manual

import (
	"regexp"
	"strings"
)

// Document is the page that a Markdown document makes: headings, paragraphs, lists, tables and code, as the documents of this
// repository use them. The rows of a table become entries, the first cell being the name. Links keep their text.
func Document(h Header, markdown string) string {
	p := newPage(h)
	d := &document{page: p, lines: strings.Split(markdown, "\n")}
	d.request("SH", "DESCRIPTION")
	for d.next < len(d.lines) {
		d.block()
	}
	return p.String()
}

// document is a Markdown document that is being read.
type document struct {
	*page
	lines []string
	next  int
}

var (
	listItem  = regexp.MustCompile(`^[-*] |^\d+\. `)
	ruler     = regexp.MustCompile(`^\|[-:| ]+\|$`)
	cellBreak = regexp.MustCompile(`(?:^|[^\\])\|`)
)

// block reads one block and writes it.
func (d *document) block() {
	line := d.lines[d.next]
	switch {
	case strings.TrimSpace(line) == "":
		d.next++
	case strings.HasPrefix(line, "```"):
		d.next++
		d.verbatim(d.while(func(l string) bool { return !strings.HasPrefix(l, "```") }))
		d.next++
	case strings.HasPrefix(line, "    "):
		code := d.while(func(l string) bool { return strings.HasPrefix(l, "    ") })
		for i := range code {
			code[i] = code[i][4:]
		}
		d.verbatim(code)
	case strings.HasPrefix(line, "# "): // the title of the document; that of the page stands in its header
		d.next++
	case strings.HasPrefix(line, "#"):
		d.next++
		title := strings.NewReplacer("`", "", "*", "").Replace(strings.TrimLeft(line, "# "))
		if strings.HasPrefix(line, "## ") {
			d.request("SH", strings.ToUpper(title))
		} else {
			d.request("SS", title)
		}
	case strings.HasPrefix(line, "|"):
		d.table(d.while(func(l string) bool { return strings.HasPrefix(l, "|") }))
	case listItem.MatchString(line):
		d.request("IP", `•`, "2")
		_, text, _ := strings.Cut(line, " ")
		d.next++
		d.text(append([]string{text}, d.while(func(l string) bool { return strings.HasPrefix(l, "  ") })...))
	default:
		d.request("PP")
		d.text(d.while(func(l string) bool {
			return strings.TrimSpace(l) != "" && !strings.HasPrefix(l, "```") && !strings.HasPrefix(l, "|") && !strings.HasPrefix(l, "#") && !listItem.MatchString(l)
		}))
	}
}

// while takes the lines for which the condition holds.
func (d *document) while(holds func(string) bool) (lines []string) {
	for ; d.next < len(d.lines) && holds(d.lines[d.next]); d.next++ {
		lines = append(lines, d.lines[d.next])
	}
	return lines
}

func (d *document) text(lines []string) {
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	d.line(inline(strings.Join(lines, " ")))
}

// table makes entries of rows. The heads of all columns but the first and the last stand before what the row has in them.
func (d *document) table(rows []string) {
	var heads []string
	for _, row := range rows {
		if ruler.MatchString(row) {
			continue
		}
		cells := cells(row)
		if heads == nil {
			heads = cells
			continue
		}
		d.request("TP")
		d.line(inline(cells[0]))
		var parts []string
		for i, c := range cells[1:] {
			switch {
			case c == "":
			case c == "required": // in the column of defaults
				parts = append(parts, "required.")
			case i+2 < len(cells) && i+1 < len(heads):
				parts = append(parts, inline(heads[i+1])+": "+inline(c)+".")
			default:
				parts = append(parts, inline(c))
			}
		}
		d.line(strings.Join(parts, " "))
	}
}

// cells are the texts between the bars of a row.
func cells(row string) []string {
	row = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(row), "|"), "|")
	var list []string
	for {
		at := cellBreak.FindStringIndex(row)
		if at == nil {
			return append(list, cell(row))
		}
		list = append(list, cell(row[:at[1]-1]))
		row = row[at[1]:]
	}
}

func cell(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), `\|`, "|") }

var marks = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*|\\[([^\\]]+)\\]\\(([^)]*)\\)")

// inline is escaped text with what Markdown marks in it: code and what is emphasised in bold, links as their text.
func inline(s string) string {
	var out strings.Builder
	for {
		m := marks.FindStringSubmatchIndex(s)
		if m == nil {
			out.WriteString(escape(s))
			return out.String()
		}
		out.WriteString(escape(s[:m[0]]))
		switch {
		case m[2] >= 0:
			out.WriteString(bold(s[m[2]:m[3]]))
		case m[4] >= 0:
			out.WriteString(`\fB` + strings.ReplaceAll(inline(s[m[4]:m[5]]), `\fB`, "") + `\fR`)
		default:
			out.WriteString(inline(s[m[6]:m[7]]))
		}
		s = s[m[1]:]
	}
}
