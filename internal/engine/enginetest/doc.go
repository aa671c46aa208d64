// Package enginetest offers stores in memory for tests of the engine and its
// layers: a Log whose acknowledgements can be lost, delayed and refused, and
// Checkpoints. What is stored survives the engine, as a disk would.
package enginetest
