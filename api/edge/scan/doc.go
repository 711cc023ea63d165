// Package scan is the fast way through JSON for what reads many numbers: each function reads one thing at a place in a body
// and says where it ends.
//
// It promises that what it takes is valid JSON and means what the library makes of it. It does not promise to take all
// that is: where it says no, the strict way of its caller decides, and finds out what is wrong.
package scan
