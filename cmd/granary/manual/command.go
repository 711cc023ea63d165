package manual

import (
	"strings"

	"github.com/alecthomas/kong"
)

// Command is the page of a program: every command that is not hidden with its arguments and flags, as its help has them, and then sections
// of the caller's.
func Command(h Header, app *kong.Application, more ...Section) string {
	p := newPage(h)
	p.request("SH", "SYNOPSIS")
	p.line(bold(app.Name) + " " + italic("command") + " [" + italic("flags") + "]")
	p.request("SH", "DESCRIPTION")
	for i, paragraph := range strings.Split(app.Help, "\n\n") {
		if i > 0 {
			p.request("PP")
		}
		p.line(escape(strings.Join(strings.Fields(paragraph), " ")))
	}
	p.request("PP")
	p.line(bold("-h") + ", " + bold("--help") + " behind any command prints its flags.")
	p.request("SH", "COMMANDS")
	for _, n := range app.Leaves(true) {
		p.command(n)
	}
	for _, s := range more {
		p.section(s)
	}
	return p.String()
}

// Section is a section of a page: entries, each of which is a name and a text about it.
type Section struct {
	Title   string
	Entries [][2]string
}

func (p *page) section(s Section) {
	p.request("SH", s.Title)
	for _, e := range s.Entries {
		p.entry(bold(e[0]), e[1])
	}
}

// entry is a paragraph with a name, which is escaped, in front of it.
func (p *page) entry(name, text string) {
	p.request("TP")
	p.line(name)
	p.line(escape(text))
}

func (p *page) command(n *kong.Node) {
	title := []string{n.FullPath()}
	for _, a := range n.Positional {
		title = append(title, strings.ToUpper(a.Name))
	}
	p.request("SS", strings.Join(title, " "))
	p.line(escape(n.Help))
	for _, a := range n.Positional {
		p.entry(italic(strings.ToUpper(a.Name)), a.Help)
	}
	for _, f := range n.Flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		name := bold("--" + f.Name)
		if f.Short != 0 {
			name = bold("-"+string(f.Short)) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + italic(f.FormatPlaceHolder())
		}
		text := f.Help
		if len(f.Envs) > 0 {
			text += " (environment: " + strings.Join(f.Envs, ", ") + ")"
		}
		p.entry(name, text)
	}
}
