//go:build race

package slab

const raceBuild = true
