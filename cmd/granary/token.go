package main

import (
	"fmt"
	"os"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/keys"
)

// TokenCmd makes keys and tokens.
type TokenCmd struct {
	Keygen KeygenCmd   `cmd:"" help:"Make an Ed25519 key pair."`
	New    NewTokenCmd `cmd:"" help:"Make a JWT (EdDSA)."`
}

// KeygenCmd makes a key pair.
type KeygenCmd struct {
	Out string `short:"o" type:"path" placeholder:"FILE" help:"File for the private key; it must not exist. Without it the key is printed."`
}

// Run makes the pair, and prints the public key as the configuration wants it.
func (c *KeygenCmd) Run(e env) error {
	key, err := keys.Generate()
	if err != nil {
		return err
	}
	block, err := keys.EncodePrivate(key)
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = e.stdout.Write(block)
	} else {
		err = writeNew(c.Out, block)
	}
	if err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	_, err = fmt.Fprintf(e.stdout, "\"jwt-public-key\": %q\n", keys.EncodePublic(key))
	return err
}

// writeNew writes a file for its owner's eyes, and never over another one.
func writeNew(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}

// NewTokenCmd makes a token.
type NewTokenCmd struct {
	Key string `required:"" short:"k" type:"existingfile" placeholder:"FILE" help:"Private key: of granary token keygen, or cc-backend's in base64."`
	Sub string `placeholder:"NAME" help:"Subject: whom the token is for."`
	Exp string `placeholder:"DURATION" default:"30d" help:"How long the token is valid; 0 is for ever. [${default}]"`
}

// Run prints the token.
func (c *NewTokenCmd) Run(e env) error {
	valid, err := config.ParseDuration(c.Exp)
	if err != nil || valid < 0 {
		return usagef(`--exp: expected a duration such as "12h" or "30d", found %q`, c.Exp)
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	key, err := keys.ParsePrivate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Key, err)
	}
	token, err := keys.Sign(key, c.Sub, time.Now(), valid)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, token)
	return err
}
