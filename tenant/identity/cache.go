package identity

import (
	"strings"
	"sync"
)

// Bounds of what is remembered. There are two halves of this size: a full one takes the place of the older one, so what is used stays.
const (
	cacheTokens = 4096
	cacheBytes  = 2 << 20
)

// cache remembers tokens that have been verified. Only good ones come in, so nobody who has none can push others out.
type cache struct {
	mu         sync.RWMutex
	young, old map[string]*verified
	bytes      int // of young
}

// get is what is known of a token, nil if nothing is.
func (c *cache) get(token string) *verified {
	c.mu.RLock()
	v := c.young[token]
	aging := (*verified)(nil)
	if v == nil {
		aging = c.old[token]
	}
	c.mu.RUnlock()
	if aging != nil {
		c.put(token, aging)
		return aging
	}
	return v
}

// put remembers a token.
func (c *cache) put(token string, v *verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= cacheTokens || c.bytes+len(token) > cacheBytes {
		c.young, c.old, c.bytes = make(map[string]*verified), c.young, 0
	}
	if c.young[token] == nil {
		c.bytes += len(token)
		token = strings.Clone(token) // what comes from a request may hang on more
	}
	c.young[token] = v
}
