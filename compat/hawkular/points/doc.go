// Package points reads bodies of points as clients of Hawkular Metrics and of Mohawk send them into columns.
//
// It promises that a body with anything wrong in it is refused as a whole, with the path of what is wrong; that JSON is read
// once, from its beginning to its end; that memory is bounded by the size of the body, whatever it says; and that of a body in
// the usual spelling nothing is allocated once a Decoder is warm. It knows no store, no tenant and no clock, and keeps nothing from one
// body to the next but memory.
package points
