# holdfast: everything a developer runs. `make help` lists the targets.
# CI runs `make test` and nothing else, so a green `make test` here is a green CI.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

BIN              := $(CURDIR)/bin
export PATH      := $(BIN):$(PATH):/usr/local/sbin:/usr/sbin:/sbin
# The patch release of Go that go.mod asks for, whatever is installed; another one is `make GOTOOLCHAIN=local …`.
export GOTOOLCHAIN := $(shell awk '$$1 == "toolchain" {print $$2}' go.mod)
VERSION          ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS          := -X main.version=$(VERSION)
GOLANGCI_VERSION := 2.15.0
MQTTJS           := internal/system/testdata/clients/js
GOVULNCHECK      := golang.org/x/vuln/cmd/govulncheck@v1.9.0
BENCHSTAT        := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

# How long each fuzz target runs, and which packages `fuzz`, `bench` and `bench-compare` look at.
FUZZTIME ?= 12s
PKG      ?= ./...
BENCH    ?= .
COUNT    ?= 10
# Arguments handed on to the program: make run ARGS='--log-level debug'
ARGS     ?=

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/holdfast
	@mkdir -p $(BIN)
	go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/holdfast ./cmd/holdfast

.PHONY: run
run: build ## Build and start the broker on 127.0.0.1:1883, operators' API on 127.0.0.1:8088
	exec $(BIN)/holdfast serve $(ARGS)

.PHONY: test
test: install-tools check-fmt vet lint vulncheck race full-size fuzz system ## Everything CI runs
	@echo
	@echo "==== make test: all passed ===="
	@awk '$$1 == "ok" {n++} END {printf "unit tests:   %d packages, race detector on, order shuffled\n", n}' $(BIN)/race.log
	@awk '$$1 == "fuzzed" {n++} END {printf "fuzz targets: %d, $(FUZZTIME) each\n", n}' $(BIN)/fuzz.log
	@awk '$$1 == "ok" {n++} END {printf "end to end:   %d packages against the built binary\n", n}' $(BIN)/system.log

.PHONY: check-fmt
check-fmt: ## Fail where gofmt would change a file
	@out=$$(gofmt -s -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$out" ]; then echo "gofmt -s would change:"; echo "$$out"; exit 1; fi

.PHONY: vet
vet: ## go vet, end-to-end tests included
	go vet -tags system ./...

.PHONY: lint
lint: ## golangci-lint with .golangci.yml
	@command -v golangci-lint >/dev/null || { echo "golangci-lint is missing: run 'make install-tools'"; exit 1; }
	golangci-lint run ./...

.PHONY: race
race: ## Unit tests with the race detector, in random order
	@mkdir -p $(BIN)
	go test -race -shuffle=on $(PKG) 2>&1 | tee $(BIN)/race.log

.PHONY: full-size
full-size: ## The tests that the race detector runs at a fraction of their size
	go test -run 'TestMillionRetained|TestReceiveMaximumOne' ./broker/mqtt

# Go 1.26 takes the end of the time for a fault when a worker is busy then (https://go.dev/issue/75804, mended in
# 1.27), and writes no failing input. Such a target runs once more, and has to pass. By default an input may take a minute
# to be made smaller, and does where coverage differs from run to run, as with pools: nothing else would be tried meanwhile.
fuzzone = go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$pkg" </dev/null 2>&1 | tee $(BIN)/fuzz.one

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 12s)
	@mkdir -p $(BIN)
	@: > $(BIN)/fuzz.log
	@go test -list '^Fuzz' $(PKG) > $(BIN)/fuzz.list
	@awk '/^Fuzz/ {name[n++] = $$1} $$1 == "ok" {for (i = 0; i < n; i++) print $$2, name[i]; n = 0} $$1 == "?" {n = 0}' \
		$(BIN)/fuzz.list > $(BIN)/fuzz.targets
	@while read -r pkg target; do \
		echo "== $$target in $$pkg, $(FUZZTIME)"; \
		$(call fuzzone) || { \
			grep -q '^    context deadline exceeded$$' $(BIN)/fuzz.one && ! grep -q 'Failing input' $(BIN)/fuzz.one || exit 1; \
			echo "== once more: the time was over while a worker was at it"; $(call fuzzone); }; \
		echo "fuzzed $$pkg $$target" >> $(BIN)/fuzz.log; \
	done < $(BIN)/fuzz.targets

.PHONY: system
system: build ## End-to-end tests: the real binary, Paho's clients and mosquitto's
	@for tool in mosquitto mosquitto_pub mosquitto_sub; do \
		command -v $$tool >/dev/null || { echo "$$tool is missing: run 'make install-tools'"; exit 1; }; done
	SYSTEM_TEST_BINARY=$(BIN)/holdfast go test -race -count=1 -shuffle=on -tags system ./internal/system/... ./internal/crash 2>&1 | tee $(BIN)/system.log

# How often `crash` kills the server, and the seed of its random moments (printed by each run).
CRASH_ROUNDS ?= 60
CRASH_SEED   ?=

.PHONY: crash
crash: build ## Kill the server CRASH_ROUNDS times (default 60) under load and look for what is lost
	SYSTEM_TEST_BINARY=$(BIN)/holdfast CRASH_ROUNDS=$(CRASH_ROUNDS) CRASH_SEED=$(CRASH_SEED) \
		go test -count=1 -timeout 60m -v -tags system ./internal/crash

# The database of vulnerabilities. Without VULNDB it is the one of the day in VULNDBMODULE, so that the answer does not change
# without a change here; VULNDB=https://vuln.go.dev is that of today, and file:///DIRECTORY a copy.
VULNDBMODULE := golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018
VULNDB       ?=

.PHONY: vulncheck
vulncheck: ## Known vulnerabilities that the code reaches, by VULNDB (default: the database of a fixed day)
	@db='$(VULNDB)'; \
	[ -n "$$db" ] || db=file://$$(go mod download -json $(VULNDBMODULE) | awk -F '"' '$$2 == "Dir" {print $$4}')/data/osv; \
	go run $(GOVULNCHECK) -db "$$db" -tags system -test ./...

.PHONY: labels
labels: ## MQTT labels that are cited in the code and by no test
	@code=$$(git ls-files 'broker/*.go' | grep -v _test.go | xargs grep -ohE '(v5|v3\.1\.1) \[MQTT-[0-9.-]+\]' | sort -u); \
	tests=$$(git ls-files 'broker/*_test.go' 'broker/*testdata*' | xargs grep -ohE '(v5|v3\.1\.1) \[MQTT-[0-9.-]+\]' | sort -u); \
	comm -23 <(echo "$$code") <(echo "$$tests")

.PHONY: bench
bench: ## Go benchmarks of PKG matching BENCH, then bench-durable
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)
	@$(MAKE) --no-print-directory bench-durable

# Sessions of `bench-durable`, how long its pairs are measured, and where the server keeps its data: a fresh directory
# beside the binary for each run unless DATA says otherwise (DATA=memory). The Sessions sleep a second after their clients have left. A directory in RAM would measure no disk.
SESSIONS ?= 100000
DURATION ?= 10s
DATA     ?=

.PHONY: bench-durable
bench-durable: build ## The durable store: QoS 1 pairs, the same with late PUBACKs, and SESSIONS sleeping Sessions
	@pid=; dir=; stop() { [ -z "$$pid" ] || { kill $$pid 2>/dev/null || true; wait $$pid || true; }; rm -rf "$$dir"; pid=; }; \
	trap stop EXIT; \
	measure() { \
		dir=$$(mktemp -d $(BIN)/durable.XXXXXX); data='$(DATA)'; data=$${data:-$$dir/data}; : > "$$dir/log"; \
		flash=30s; [ "$$1" != sleepers ] || flash=1s; \
		HOLDFAST_BROKER_FLASH_TIMEOUT=$$flash \
		$(BIN)/holdfast serve --listen mqtt://127.0.0.1:0 --api off --data "$$data" 2>"$$dir/log" & pid=$$!; \
		until grep -q msg=ready "$$dir/log"; do kill -0 $$pid 2>/dev/null || { cat "$$dir/log"; exit 1; }; sleep 0.1; done; \
		if [ "$$1" = sleepers ] && [ -d "$$data" ]; then set -- "$$@" --data "$$data"; fi; \
		$(BIN)/holdfast bench "$$@" --url "$$(grep -om1 'mqtt://[0-9.:]*' "$$dir/log")" --pid $$pid; \
		stop; echo; \
	}; \
	measure durable --duration $(DURATION); \
	echo "PUBACKs of the subscribers held back: every message goes to disk"; \
	measure durable --duration $(DURATION) --hold-acks 20ms; \
	measure sleepers --sessions $(SESSIONS) --keep

.PHONY: bench-peers
bench-peers: build ## holdfast and Debian's mosquitto in turn, several rounds, with ratios
	@command -v mosquitto >/dev/null || { echo "mosquitto is missing: run 'make install-tools'"; exit 1; }
	$(BIN)/holdfast bench peers $(ARGS)

.PHONY: bench-floods
bench-floods: build ## What floods cost clients that are connected already, against the same floods to a dummy
	$(BIN)/holdfast bench floods $(ARGS)

.PHONY: bench-compare
bench-compare: ## Go benchmarks of REF (default HEAD~1) against the working tree, through benchstat
	@ref=$${REF:-HEAD~1}; dir=$$(mktemp -d); \
	trap 'git worktree remove --force "$$dir/tree" >/dev/null 2>&1 || true; rm -rf "$$dir"' EXIT; \
	git worktree add --detach "$$dir/tree" "$$ref" >/dev/null; \
	echo "== $$ref"; \
	(cd "$$dir/tree" && go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)) | tee "$$dir/old.txt"; \
	echo "== working tree"; \
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG) | tee "$$dir/new.txt"; \
	go run $(BENCHSTAT) "$$dir/old.txt" "$$dir/new.txt"

# The race detector needs a C compiler; the end-to-end tests need mosquitto, and client libraries in C, Python and
# JavaScript (internal/system/testdata/clients). Debian's own python3 sees Debian's Python packages, another may not.
.PHONY: install-tools
install-tools: ## Install what `make test` needs and is missing (Debian packages, mqtt.js, golangci-lint)
	@missing=(); \
	command -v gcc >/dev/null || missing+=(gcc libc6-dev); \
	command -v mosquitto >/dev/null || missing+=(mosquitto); \
	command -v mosquitto_pub >/dev/null && command -v mosquitto_sub >/dev/null || missing+=(mosquitto-clients); \
	gcc -E -include mosquitto.h -x c /dev/null >/dev/null 2>&1 || missing+=(libmosquitto-dev); \
	gcc -E -include MQTTAsync.h -x c /dev/null >/dev/null 2>&1 || missing+=(libpaho-mqtt-dev); \
	/usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null || missing+=(python3-paho-mqtt); \
	command -v openssl >/dev/null || missing+=(openssl); \
	command -v node >/dev/null || missing+=(nodejs); \
	command -v npm >/dev/null || missing+=(npm); \
	if [ $${#missing[@]} -gt 0 ]; then \
		as_root=(); \
		if [ "$$(id -u)" -ne 0 ]; then \
			command -v sudo >/dev/null || { echo "missing Debian packages: $${missing[*]}; install them as root and run this again"; exit 1; }; \
			as_root=(sudo); \
		fi; \
		command -v apt-get >/dev/null || { echo "missing: $${missing[*]}; this system has no apt-get, install them by its own means"; exit 1; }; \
		"$${as_root[@]}" apt-get update -q; \
		"$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$${missing[@]}"; \
	fi
	@mkdir -p $(BIN)
	@if ! cmp -s $(MQTTJS)/package-lock.json $(BIN)/mqttjs/installed; then \
		mkdir -p $(BIN)/mqttjs; \
		cp $(MQTTJS)/package.json $(MQTTJS)/package-lock.json $(BIN)/mqttjs; \
		(cd $(BIN)/mqttjs && npm ci --ignore-scripts --no-audit --no-fund); \
		cp $(MQTTJS)/package-lock.json $(BIN)/mqttjs/installed; \
	fi
	@if ! $(BIN)/golangci-lint version 2>/dev/null | grep -qF '$(GOLANGCI_VERSION)'; then \
		echo "building golangci-lint $(GOLANGCI_VERSION) into bin (takes some minutes)"; \
		GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION); \
	fi

.PHONY: generate
generate: ## Write generated files anew (docs/configuration.md)
	go generate ./...

.PHONY: clean
clean: ## Remove what the targets above have built
	rm -rf $(BIN) holdfast-data
	go clean -testcache
