// Command lwj runs light-weight jobs, shows their states to every other
// terminal, and reads and writes the keys they share. See lwj help.
package main

import (
	"os"

	"github.com/lwjbus/lwjbus/internal/cli"
	"github.com/lwjbus/lwjbus/lwj"
)

func main() {
	lwj.Init() // a supervisor process never comes back from here
	os.Exit(cli.Main(cli.System(), os.Args[1:]))
}
