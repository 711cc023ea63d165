package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"granary/tenant/identity"
)

// KeyCmd makes tokens that the configuration names. API keys are made over REST.
type KeyCmd struct {
	New  NewKeyCmd  `cmd:"" help:"Make a token, and print it with the SHA-256 that the configuration wants."`
	Hash HashKeyCmd `cmd:"" help:"Print the SHA-256 of a token that there is."`
}

// NewKeyCmd makes a token.
type NewKeyCmd struct {
	Out string `short:"o" type:"path" placeholder:"FILE" help:"File for the token; it must not exist. Without it the token is printed."`
}

// Run makes a token of 32 random bytes, so that no digest of it can be turned back.
func (c *NewKeyCmd) Run(e env) error {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token := base64.RawURLEncoding.EncodeToString(b[:])
	if c.Out != "" {
		if err := writeNew(c.Out, []byte(token+"\n")); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	} else if _, err := fmt.Fprintf(e.stdout, "token:  %s\n", token); err != nil {
		return err
	}
	return printSum(e.stdout, token)
}

// HashKeyCmd prints the SHA-256 of a token.
type HashKeyCmd struct {
	File string `arg:"" default:"-" placeholder:"FILE" help:"File that holds the token; - is standard input."`
}

// Run reads the token as granary.identity.tokens[].token-file is read.
func (c *HashKeyCmd) Run(e env) error {
	read := func() ([]byte, error) { return identity.ReadFile(c.File) }
	if c.File == "-" {
		read = func() ([]byte, error) { return io.ReadAll(io.LimitReader(os.Stdin, 1<<20)) }
	}
	b, err := read()
	if err != nil {
		return err
	}
	token := string(bytes.TrimSpace(b))
	if err := identity.CheckStatic(token); err != nil {
		return fmt.Errorf("the token %w", err)
	}
	return printSum(e.stdout, token)
}

func printSum(w io.Writer, token string) error {
	_, err := fmt.Fprintf(w, "sha256: %x\n", sha256.Sum256([]byte(token)))
	return err
}
