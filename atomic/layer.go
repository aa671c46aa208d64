package atomic

import "github.com/lwjbus/lwjbus/internal/engine"

// Layer is what a host answers for words.
func Layer() engine.Layer {
	return engine.Layer{Name: "atomic", Procedures: wordProcedures(), Reads: wordReads()}
}
