// Package pack reads msgpack from memory quickly, in the forms in which
// bus.Marshal writes it and in no other: integers from 0 up as unsigned ones,
// text as str, bytes as bin or nil. It is for the few records of which there
// are many. Whoever reads with it leaves whatever it does not know to
// bus.Unmarshal, which decides: so a record that it reads has the value that
// bus.Unmarshal gives (FuzzFeed in bus, FuzzRecords in lwj), and what is
// malformed is refused in one place.
//
// It never panics, and allocates nothing (FuzzReader). A Reader is for one
// goroutine.
package pack
