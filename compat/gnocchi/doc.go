// Package gnocchi serves Gnocchi's REST API v1 below /v1 and /gnocchi/v1, so that its command, its Python client and those who write
// for Ceilometer work unchanged. An aggregate is right and readable as soon as its measure is acknowledged.
//
// A file holds one area: its table of routes, its handlers, its answers. Every handler translates: definitions, resources, policies and
// samples are in the store that all dialects share. What is pure has packages of its own: pyjson and schema for bodies, when for times,
// filter and operations for the two languages. DESIGN.md says what was decided; differs.txt lists the recorded exchanges with a server
// of Gnocchi that are answered otherwise, and why.
package gnocchi
