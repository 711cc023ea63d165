// Package chunk packs columns of samples into bytes.
package chunk
