package cli

import (
	"strconv"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// bucketJSON is schema bucket.v1.
type bucketJSON struct {
	Schema   string `json:"schema"`
	Bucket   string `json:"bucket"`
	History  int    `json:"history"`
	Declared bool   `json:"declared"`
	ReadOnly bool   `json:"read_only"`
	Keys     int    `json:"keys"`
	Bytes    int64  `json:"bytes"`
	Floor    uint64 `json:"floor"`
	Created  uint64 `json:"created"`
}

func newBucketJSON(i *kvbucket.BucketInfo) *bucketJSON {
	return &bucketJSON{
		Schema: "bucket.v1", Bucket: i.Name, History: i.History, Declared: i.Declared, ReadOnly: i.ReadOnly,
		Keys: i.Keys, Bytes: i.Bytes, Floor: i.Floor, Created: i.Created,
	}
}

func bucketText(i *kvbucket.BucketInfo) string {
	writer := ""
	if i.ReadOnly {
		writer = "the host alone"
	}
	return details("bucket", i.Name, "keys", strconv.Itoa(i.Keys), "bytes", strconv.FormatInt(i.Bytes, 10),
		"history", strconv.Itoa(i.History), "floor", utoa(i.Floor), "created", utoa(i.Created), "writer", writer)
}
