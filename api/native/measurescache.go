package native

import (
	"sync"
	"sync/atomic"

	"granary/metricdef"
	"granary/tenant"
)

// headers remembers which metric the text in front of the samples of an item stands for, byte for byte. It is safe for
// concurrent use.
//
// A metric that has ended comes back from the store as stale, and its text is learned anew. Nothing else of what is
// remembered can change: which metric a text names does not depend on policies.
type headers struct {
	mu    sync.RWMutex
	known map[headerKey]*known
	bytes int
}

type headerKey struct {
	tenant tenant.Num
	text   string
}

// known is one text and its metric.
type known struct {
	text string
	kind metricdef.Kind
	ref  atomic.Uint32
	// next is the text that followed last time: a guess, since senders send in the same order again and again.
	next atomic.Pointer[known]
}

const (
	maxHeader  = 4 << 10  // a longer text is not remembered
	maxHeaders = 64 << 20 // bytes of all texts, with what each costs beside
	headerCost = 200
)

// find returns what is known of a text, nil for nothing.
func (h *headers) find(num tenant.Num, text []byte) *known {
	h.mu.RLock()
	k := h.known[headerKey{num, string(text)}]
	h.mu.RUnlock()
	return k
}

// learn remembers a text. When there are too many, all are forgotten: what is kept is what is sent.
func (h *headers) learn(num tenant.Num, text []byte, ref metricdef.Ref, kind metricdef.Kind) {
	if len(text) > maxHeader {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.known[headerKey{num, string(text)}]; k != nil && k.kind == kind {
		k.ref.Store(uint32(ref))
		return
	}
	if h.bytes += len(text) + headerCost; h.bytes > maxHeaders || h.known == nil {
		h.known, h.bytes = map[headerKey]*known{}, len(text)+headerCost
	}
	k := &known{text: string(text), kind: kind}
	k.ref.Store(uint32(ref))
	h.known[headerKey{num, k.text}] = k
}
