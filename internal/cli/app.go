package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
)

// System is the streams and the environment of this process.
func System() *Streams {
	return &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv}
}

// Streams is what a command reads and writes.
type Streams struct {
	In     io.Reader
	Out    io.Writer // data
	Err    io.Writer // talk
	Getenv func(string) (string, bool)
}

// globals are the flags that every command has.
type globals struct {
	server         string
	context        string
	dir            string
	namespace      string
	host           string
	requestTimeout time.Duration
	output         string
	verbose        bool
}

// app is one run of the program.
type app struct {
	*Streams
	globals
	args    []string // the command line, without the program
	tty     bool     // data goes to a terminal
	log     *slog.Logger
	signals *signals
}

// Main runs a command line and returns the exit code. The first SIGINT,
// SIGTERM or SIGHUP ends the command, which leaves the bus in order; a second
// one kills the program, or, in run, the job.
func Main(s *Streams, args []string) int {
	streams := *s
	a := &app{Streams: &streams, args: args, tty: isTerminal(s.Out), log: slog.New(slog.DiscardHandler), signals: newSignals()}
	a.Out = dataWriter{s.Out}
	ctx := a.signals.start(context.Background())
	defer a.signals.stop()
	root := a.root()
	a.output = outputOf(args, s.Getenv)
	root.SetArgs(hideNegatives(root, args))
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	c, err := root.ExecuteContextC(ctx)
	return a.finish(ctx, helped(c, err))
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lwj",
		Short: "Light-weight jobs, their states as events, and the keys they share",
		Long: "lwj runs jobs and tells every other terminal each of their states, exactly once and in order.\n" +
			"The first lwj on a machine becomes the host; later ones join it. Nothing needs to be set up.",
		Example:           "  lwj run -- echo hello\n  lwj events",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	onlyCommands(root)
	a.globalFlags(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd.CommandPath() + " --help"} })
	root.SetHelpCommand(helpCommand())
	root.AddCommand(
		a.runCommand(), a.submitCommand(), a.jobsCommand(), a.showCommand(), a.eventsCommand(), a.waitCommand(),
		a.attachCommand(), a.cancelCommand(), a.signalCommand(), a.rmCommand(), a.kvCommand(), a.atomicCommand(),
		a.lockCommand(), a.semaphoreCommand(), a.barrierCommand(), a.electCommand(), a.fifoCommand(),
		a.serveCommand(), a.benchCommand(), a.schemaCommand(), a.versionCommand(), a.completionCommand(),
	)
	return root
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.server, "server", "s", "", "NATS server `URL`; default: the host of this machine")
	f.StringVar(&a.context, "context", "", "NATS context `NAME`, as of the nats tool")
	f.StringVar(&a.dir, "dir", "", "data `DIR` of the host of this machine (default $XDG_STATE_HOME/lwj)")
	f.StringVar(&a.namespace, "namespace", bus.DefaultNamespace, "`NAME` before every subject and stream")
	f.StringVar(&a.host, "host", hostAuto, "`auto|never`: whether this command may become the host")
	f.DurationVar(&a.requestTimeout, "request-timeout", bus.DefaultRequestTimeout, "one request with its retries takes at most `D`")
	f.StringVarP(&a.output, "output", "o", outputTable, "`table|json|jsonl`: how data is printed")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say on stderr what is being done")
}

// Values of --host.
const (
	hostAuto  = "auto"
	hostNever = "never"
)

// prepare completes the global flags from the environment and checks them.
func (a *app) prepare(cmd *cobra.Command) error {
	if !cmd.Root().PersistentFlags().Changed("output") {
		a.output = outputTable // the -o that outputOf saw is an argument, of the job's command perhaps
	}
	if err := a.fromEnvironment(cmd.Root().PersistentFlags()); err != nil {
		return err
	}
	switch {
	case a.output != outputTable && a.output != outputJSON && a.output != outputLines:
		return usagef("-o %s: it is one of table, json and jsonl", a.output)
	case a.host != hostAuto && a.host != hostNever:
		return usagef("--host %s: it is auto or never", a.host)
	case a.requestTimeout <= 0:
		return usagef("--request-timeout %v: it is longer than 0", a.requestTimeout)
	case a.server != "" && a.context != "":
		return usagef("--server and --context exclude each other")
	}
	if a.verbose {
		a.log = slog.New(slog.NewTextHandler(a.Err, nil))
	}
	return a.absoluteDir()
}

// absoluteDir makes --dir mean the same to tasks, which run elsewhere.
func (a *app) absoluteDir() (err error) {
	if a.dir != "" {
		a.dir, err = filepath.Abs(a.dir)
	}
	return err
}
