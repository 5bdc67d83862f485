# make prints this help; make check is what CI runs.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# A number of runs, not a time: at the end of a time the Go fuzzer now and then fails
# with "context deadline exceeded" although nothing was found.
FUZZTIME ?= 5000x
BENCH    ?= .

# How much the targets below "stress" try. internal/testenv/rounds.go has the variables
# that they set, go test ./... does a few rounds of each.
KILLS         ?= 300
CALLS         ?= 2000
INTERLEAVINGS ?= 40
POWER_LOSSES  ?= 900
FAULT_STEP    ?= 1
BACKLOG       ?= 100000
SOAK          ?= 10m

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/cdr2otel, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/cdr2otel ./cmd/cdr2otel

.PHONY: test
test: ## all tests; what needs a service that is missing is skipped
	$(GO) test ./...

.PHONY: race
race: ## all tests with the race detector
	$(GO) test -race -timeout 45m ./...

.PHONY: check
check: format vet staticcheck tidy docs race fuzz ## everything CI checks

.PHONY: format
format: ## gofmt leaves nothing to do
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...
	$(GO) -C backends vet ./...

.PHONY: staticcheck
staticcheck: ## staticcheck, pinned in go.mod
	$(GO) tool staticcheck ./...
	cd backends && $(GO) tool -modfile=../go.mod staticcheck ./...

.PHONY: tidy
tidy: ## go.mod and go.sum are what the code needs
	$(GO) mod tidy -diff
	$(GO) -C backends mod tidy -diff

# Tests that compare documents with the code.
DOCS := 'Document|Reference|README'

.PHONY: docs
docs: ## every table that repeats code equals it
	$(GO) test -count=1 -run $(DOCS) ./exporter/config ./exporter/internal/telemetry ./internal/documents ./cmd/cdr2otel

.PHONY: docs-update
docs-update: ## rewrite the tables of configuration and metrics, and the schema, from the code
	$(GO) test -count=1 -run Documents ./exporter/config ./exporter/internal/telemetry -update

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (5000x runs, or a time like 5m)
	@grep -r --include='*_test.go' -o '^func Fuzz[A-Za-z0-9]*' . | sort | while IFS=: read -r file target; do \
		$(GO) test -run '^$$' -fuzz "^$${target#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")"; \
	done

.PHONY: stress
stress: crash chaos interleavings disk outage soak ## the many rounds of what go test does a few times: all of these

.PHONY: crash
crash: ## SIGKILL under load, KILLS times (300): nothing acknowledged is lost
	CDR2OTEL_TEST_KILLS=$(KILLS) $(GO) test -count=1 -v -run SIGKILL ./exporter

.PHONY: chaos
chaos: ## CALLS (2000) to three replicas that are killed, as their database is: nothing is lost or repeated
	CDR2OTEL_TEST_CHAOS_CALLS=$(CALLS) $(GO) test -count=1 -v -timeout 20m -run '^TestThreeReplicas' ./exporter

.PHONY: interleavings
interleavings: ## INTERLEAVINGS (40) orders of events, deadlines, restarts and reloads in each mode
	CDR2OTEL_TEST_INTERLEAVINGS=$(INTERLEAVINGS) $(GO) test -count=1 -timeout 30m \
		-run '^TestAnyInterleaving|^TestNoMessageIsLostWhenAReload|^TestNothingOfAForgottenSession|^TestSQLiteConforms$$/whatever|^TestPostgreSQLConforms$$/whatever' \
		./exporter ./exporter/internal/store

.PHONY: disk
disk: ## POWER_LOSSES (900), and every FAULT_STEP-th (1) operation of the disk fails: nothing acknowledged is lost
	CDR2OTEL_TEST_POWER_LOSSES=$(POWER_LOSSES) CDR2OTEL_TEST_FAULT_STEP=$(FAULT_STEP) \
		$(GO) test -count=1 -v -timeout 30m -run 'WhenThePowerFails|WhicheverOperationOfTheDiskFails' ./exporter/internal/store

.PHONY: outage
outage: ## memory while BACKLOG events (100000) wait for a collector that is down
	CDR2OTEL_TEST_BACKLOG=$(BACKLOG) $(GO) test -count=1 -v -timeout 60m -run Backlog ./exporter

.PHONY: soak
soak: ## load, outages, reloads and kills for SOAK (10m); prints the ledger
	CDR2OTEL_TEST_SOAK=$(SOAK) $(GO) test -count=1 -v -timeout 0 -run ALongTime ./exporter

.PHONY: security
security: ## nobody in, nothing out, no input takes it down: what was tried, what got in
	@tests=$$(grep -ho '^func Test[A-Za-z0-9]*' exporter/security_*_test.go exporter/canary_test.go | sed 's/^func //' | paste -sd '|'); \
	$(GO) test -race -count=1 -v -timeout 20m -run "^($$tests)$$" ./exporter | grep -vE '^(=== |PASS$$)'
	CDR2OTEL_TEST_STRANGERS=3300 $(GO) test -count=1 -v -timeout 20m -run 'Strangers.*InTheMemoryOfTheExamples' ./exporter | grep -vE '^(=== |PASS$$)'
	$(GO) test -race -count=1 ./exporter/internal/receiver ./exporter/config ./internal/documents

# Not part of check: without the database it fails.
.PHONY: vulncheck
vulncheck: .tools/bin/govulncheck ## known vulnerabilities in what we build on; asks https://vuln.go.dev
	.tools/bin/govulncheck ./...

.PHONY: bench
bench: ## benchmarks matching BENCH, see docs/performance.md
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./mapping ./exporter/...

# What things are tried against, each pinned: by the go.mod of a module of its own in
# tools/, if it has replace lines that go install would refuse, else here.
TOOLS      := otelcol jaeger prometheus promtool caddy
CADDY      := v2.11.4
VULNCHECK  := v1.9.0
TOOL_FLAGS := -mod=readonly -trimpath -ldflags '-s -w'

.PHONY: tools
tools: $(TOOLS:%=.tools/bin/%) ## Collector, Jaeger, Prometheus, promtool, Caddy into .tools/bin (10 minutes at first)

.tools/bin/otelcol: $(wildcard tools/otelcol/*)
	$(GO) -C tools/otelcol build $(TOOL_FLAGS) -o $(CURDIR)/$@ .
	@touch $@

.tools/bin/jaeger: $(wildcard tools/jaeger/*)
	$(GO) -C tools/jaeger build $(TOOL_FLAGS) -o $(CURDIR)/$@ github.com/jaegertracing/jaeger/cmd/jaeger
	@touch $@

# Without the service discoveries, which are most of it.
.tools/bin/prometheus .tools/bin/promtool: $(wildcard tools/prometheus/*)
	$(GO) -C tools/prometheus build $(TOOL_FLAGS) -tags remove_all_sd -o $(CURDIR)/$@ github.com/prometheus/prometheus/cmd/$(@F)
	@touch $@

.tools/bin/caddy: Makefile
	GOBIN=$(CURDIR)/.tools/bin $(GO) install -trimpath -ldflags '-s -w' github.com/caddyserver/caddy/v2/cmd/caddy@$(CADDY)
	@touch $@

.tools/bin/govulncheck: Makefile
	GOBIN=$(CURDIR)/.tools/bin $(GO) install -trimpath -ldflags '-s -w' golang.org/x/vuln/cmd/govulncheck@$(VULNCHECK)
	@touch $@

.PHONY: backends
backends: tools ## the shipped configurations, calls and pages against the real programs and a browser
	CDR2OTEL_TEST_REQUIRE_SERVICES=1 $(GO) -C backends test -count=1 -v -timeout 15m ./...

.PHONY: screenshots
screenshots: ## docs/images: the pages as Chromium shows an ordinary hour of the sample calls
	CDR2OTEL_TEST_REQUIRE_SERVICES=1 $(GO) -C backends test -count=1 -v -run '^TestEveryPageHasAPicture' . -pictures $(CURDIR)/docs/images
