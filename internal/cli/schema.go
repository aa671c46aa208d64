package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/docs/schemas"
)

// schemaJSON is schema schema.v1.
type schemaJSON struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Title  string `json:"title"`
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema [NAME]",
		Short:   "List the schemas of what -o json prints, or print one",
		Example: "  lwj schema\n  lwj schema job.event.v1",
		Args:    between(0, 1, "the name of a schema"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return schemas.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listSchemas()
			}
			return a.printSchema(args[0])
		},
	}
}

func (a *app) listSchemas() error {
	rows := a.rows("NAME", "TITLE")
	for _, name := range schemas.Names() {
		title := schemas.Title(name)
		if err := rows.add(schemaJSON{"schema.v1", name, title}, name, title); err != nil {
			return err
		}
	}
	return endRows(rows, nil)
}

func (a *app) printSchema(name string) error {
	text, ok := schemas.Get(name)
	if !ok {
		return usagef("no schema is called %q: there are %s", name, strings.Join(schemas.Names(), ", "))
	}
	_, err := a.Out.Write(text)
	return err
}
