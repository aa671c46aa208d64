# make help says what there is. Every target is a go command or a script in
# .ci, so that nothing needs make.

GO       ?= go
FUZZTIME ?= 5s
BENCH    ?= .
COUNT    ?= 6

.DEFAULT_GOAL := help
.PHONY: help build test check ci bench fmt format vet lint race fuzz examples smoke tools clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the program, as dist/lwj
	$(GO) build -trimpath -o dist/lwj ./cmd/lwj

test: ## all tests
	$(GO) test ./...

check: format vet lint race fuzz examples ## what to run before a commit: format, vet, lint, race tests, short fuzz, examples

ci: ## all that must hold before a change lands, with the minutes of each step
	.ci/run

bench: ## all benchmarks, into dist/bench.txt (BENCH=regexp COUNT=n); compare two with dist/tools/benchstat
	@mkdir -p dist
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./... | tee dist/bench.txt

fmt: ## formats the source
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

format: ## fails when make fmt would change something
	.ci/format.sh

vet: ## go vet
	$(GO) vet ./...

lint: ## golangci-lint; its first build takes some minutes
	.ci/lint.sh

race: ## all tests with the race detector
	$(GO) test -race ./...

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz.sh $(FUZZTIME)

examples: ## the programs of examples, each by its test
	.ci/examples.sh

smoke: build ## types commands into the program and compares exit codes
	.ci/smoke.sh dist/lwj

tools: ## the tools that internal/tools pins, into dist/tools
	.ci/tools.sh

clean: ## removes what was built
	rm -rf dist
