package main

import (
	"fmt"

	"granary/cmd/granary/verify"
)

// VerifyCmd checks a data folder.
type VerifyCmd struct {
	Dir string `arg:"" type:"existingdir" placeholder:"DIR" help:"Data folder that no server has open, or a copy of one; nothing is changed in it."`
}

// Run prints a line for each problem, and fails if there is any.
func (c *VerifyCmd) Run(e env) error {
	r, err := verify.Folder(c.Dir)
	if err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintln(e.stdout, "note:", note)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(e.stdout, "problem:", p)
	}
	fmt.Fprintf(e.stdout, "%d files read, %d problems\n", r.Files, len(r.Problems))
	if n := len(r.Problems); n > 0 {
		return fmt.Errorf("%d problems in %s", n, c.Dir)
	}
	return nil
}
