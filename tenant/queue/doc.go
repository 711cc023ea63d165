// Package queue bounds the work that is done at the same time, and lets what does not fit wait for its turn: bytes of
// request bodies in front of the store, queries in front of the engine.
//
// It promises that no more than the bound is inside, that whoever waits goes in before whoever comes later, that a wait
// ends after the time that was set, and that nothing is lost between a place given and a caller who has stopped waiting.
// A gate with room costs two uncontended locks and no memory.
//
// It knows neither what the work is nor who asks for it; the words of a refusal are the edge's.
package queue
