// Package docs carries the pages of the error codes, so that a server shows what the problem documents of its answers refer
// to, and the page about the configuration, of which a manual page is made. Everything else in this folder is for readers of the
// repository.
package docs

import "embed"

// Errors has the page of each code as errors/CODE.md, and the list of all as errors/README.md.
//
//go:embed errors/*.md
var Errors embed.FS

// Config is the page about the configuration, in Markdown.
//
//go:embed config.md
var Config string
