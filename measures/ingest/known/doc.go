// Package known remembers which series the texts that senders use for them stand for, so that what is sent again and again is looked
// up and not read.
//
// It promises nothing about the series: one that has ended comes back from the store as stale, and its text is learned anew. A text must
// mean the same series for as long as that one is there. Memory is bounded.
package known
