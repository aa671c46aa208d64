package cli

import (
	"strings"

	"github.com/spf13/pflag"
)

// places are the flags that say which bus is meant: one of them on the command
// line makes those of the environment mean nothing.
func places() []string { return []string{"server", "context", "dir"} }

// fromEnvironment sets each global flag that was not given from LWJ_<FLAG>.
func (a *app) fromEnvironment(flags *pflag.FlagSet) (err error) {
	skip := map[string]bool{}
	for _, name := range places() {
		if flags.Changed(name) {
			for _, other := range places() {
				skip[other] = true
			}
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		name := "LWJ_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := a.Getenv(name)
		if err != nil || !ok || value == "" || flags.Changed(f.Name) || skip[f.Name] {
			return
		}
		if e := f.Value.Set(value); e != nil {
			err = usagef("%s=%q: %v", name, value, e)
		}
	})
	return err
}

// env is a variable of the environment, empty where it is not set.
func (a *app) env(name string) string {
	v, _ := a.Getenv(name)
	return v
}
