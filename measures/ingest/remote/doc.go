// Package remote decodes requests of Prometheus remote write 1.0: a protobuf message WriteRequest, behind the compression of its body,
// into columns.
//
// It promises: nothing is taken on trust that a length or a count in the message says; no reflection, and no allocation for requests of a size
// that it has seen before; what is no such message is refused with the byte at which it is not. It keeps all labels, in order of their
// names, and knows nothing of what they mean. Histograms, exemplars and metadata are counted and not decoded.
package remote
