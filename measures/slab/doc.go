// Package slab hands out memory outside of the Go heap: regions of anonymous mapped memory for sealed chunks, and pools of
// fixed-size buffers for open heads. The collector neither walks nor doubles what lies there, and the operating system
// counts a page only once it is touched.
//
// Nothing here is safe for concurrent use; the owner's lock covers it. Under the race detector the memory comes from the
// Go heap instead, because the detector is blind to mapped memory, and is overwritten when it is freed, so that a reader
// that kept a slice too long reads garbage and is found out.
package slab
