package native

import "granary/measures"

// held is what a tenant holds.
type held struct {
	Samples  int64  `json:"samples"`
	Segments int64  `json:"segment_bytes"`
	Memory   memory `json:"memory"`
}

// memory is what is held in memory, in bytes.
type memory struct {
	Total       int64 `json:"total"`
	Heads       int64 `json:"heads"`
	Chunks      int64 `json:"chunks"`
	Late        int64 `json:"late"`
	Texts       int64 `json:"texts"`
	Tiers       int64 `json:"tiers"`
	Definitions int64 `json:"definitions"`
	Series      int64 `json:"series"`
}

func heldOf(h measures.Held) held {
	return held{Samples: h.Samples, Segments: h.Files, Memory: memoryOf(h.Memory)}
}

func memoryOf(m measures.Memory) memory {
	return memory{Total: m.Total(), Heads: m.Heads, Chunks: m.Chunks, Late: m.Late, Texts: m.Texts, Tiers: m.Tiers, Definitions: m.Definitions, Series: m.Series}
}
