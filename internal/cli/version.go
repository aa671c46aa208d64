package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionJSON is schema version.v1.
type versionJSON struct {
	Schema   string `json:"schema"`
	Version  string `json:"version"` // semantic, without a v
	Commit   string `json:"commit"`  // empty where the build does not know it
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// unknownVersion is that of a program that was not built as a module version.
const unknownVersion = "0.0.0-dev"

// programVersion is what the build says of this program.
func programVersion() versionJSON {
	v := versionJSON{Schema: "version.v1", Version: unknownVersion, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := info.Main.Version; len(m) > 1 && m[0] == 'v' {
		v.Version = m[1:]
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  lwj version\n  lwj version -o json",
		Args:    exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			v := programVersion()
			return a.print(v, fmt.Sprintf("lwj %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch))
		},
	}
}
