// Package schemas has the JSON Schemas of what lwj prints with -o json, one
// file for each value of the field "schema". They are a contract: fields are
// added, never renamed or removed. [Names] lists them, [Get] returns one.
//
// The files use a part of JSON Schema 2020-12: type, const, enum, required,
// properties, additionalProperties, items and oneOf. A reader must expect fields
// that are not in its copy; the program prints none that is not in these
// (TestOutputFollowsSchemas).
//
// Everything is safe for concurrent use. There are no limits but those of the
// files, which are part of the program.
package schemas
