# The commands of this project. A line "## name: text" below is the help of
# that target; plain `make` prints them all.

GO       ?= go
TOOL      = $(GO) tool -modfile=tools/go.mod
PKG      ?= ./...
# What `make run` passes to `moqt relay`: a relay with broadcasts of its own.
RELAY    ?= --demo --clock $(FILM)
# How many random tracks `make property` sends for each pair of versions.
CHECKS   ?= 200
# How many stories `make sim` makes up, and the first of their seeds.
SEEDS    ?= 1000
SEED     ?= 1
# What the relay tree of `make tree` speaks.
TREE     ?= moq-lite-05
# How long `make fuzz` spends on each fuzz target.
FUZZTIME ?= 10s
# Flags of `make bench`, for example BENCH="-rounds 5 -n 50".
BENCH    ?=

.DEFAULT_GOAL := help
.PHONY: help run demo film build web page test check fmt vet lint fresh race stress property sim mutants tree fuzz bench e2e gen cover clean

help:
	@echo 'usage: make <target>'
	@sed -n 's/^## \([a-z0-9]*\): /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12

# The film of both: ffmpeg makes one in two qualities, once; without it there is a
# small one in the program.
FILM = $(shell test -s bin/film.mp4 && echo --film bin/film.mp4)

## run: start a relay with a film in a loop and a clock (RELAY="flags")
run: page film build
	bin/moqt relay $(RELAY)

## demo: start a relay with a film in a loop, and print the address of the page that shows it
demo: page film build
	bin/moqt relay --demo $(FILM)

film:
	@if command -v ffmpeg >/dev/null; then $(MAKE) --no-print-directory bin/film.mp4; fi

bin/film.mp4: app/relay/film/film.sh
	@mkdir -p bin && echo 'ffmpeg makes the film of the demo, once' && \
	if $< "$(CURDIR)/$@.part.mp4"; then mv $@.part.mp4 $@; else rm -f $@.part.mp4; echo 'it could not: the small film is shown'; fi

## build: build the command into bin/
build:
	$(GO) build -o bin/ ./app/cmd/moqt

WEB  = app/web
DIST = $(WEB)/site/dist/index.html

## web: bundle the page that the relay shows to browsers (needs Node and npm); the next build embeds it
web: $(DIST)

$(DIST): $(WEB)/build.mjs $(WEB)/node_modules/.package-lock.json $(wildcard $(WEB)/src/*)
	cd $(WEB) && node build.mjs && touch site/dist/index.html

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

# The same where there is npm: a relay without the page says how to get it.
page:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web || echo 'the page was not built; the relay goes without it'; fi

## test: run the tests; needs nothing but Go (PKG=./core/...)
test:
	$(GO) test $(PKG)

## check: all that a change must pass: format, vet, lint, generated code, tests and Examples with -race
check: fmt vet lint fresh race

## fmt: fail on files that gofmt would change
fmt:
	@out=$$(find . -name '*.go' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -s -l) || exit 1; \
	if [ -n "$$out" ]; then echo "gofmt -s -w these files:"; echo "$$out"; exit 1; fi

## vet: go vet
vet:
	$(GO) vet ./...

## lint: golangci-lint as pinned in tools/go.mod (the first run builds it: a minute or two)
lint:
	$(TOOL) golangci-lint run ./...

# Generates a second time beside the first, so that uncommitted work counts
# as what it is and nothing is overwritten.
## fresh: fail if the generated code is not what its sources give
fresh:
	@tmp=$$(mktemp -d ./_mocks.XXXXXX) && trap 'rm -rf "$$tmp"' EXIT && \
	cp mocks/doc.go "$$tmp" && $(GO) generate "$$tmp/doc.go" && \
	diff -ru mocks "$$tmp" || { echo 'mocks are out of date: run make gen'; exit 1; }

## race: the tests and Examples with the race detector, the law included
race:
	$(GO) test -race $(PKG)

## stress: hunt for flakes: core and memnet 50 times, the rest 5 times, with -race
stress:
	$(GO) test -race -count=50 -timeout 60m ./core/... ./adapters/memnet/...
	$(GO) test -race -count=5 -timeout 60m $$($(GO) list ./... | grep -v -e /core/ -e /adapters/memnet)

# A failure prints how to replay it, and the smallest sample that fails.
## property: random tracks between every two versions (CHECKS=200 for each pair)
property:
	$(GO) test -v -count=1 -timeout 30m -run 'Crosses' ./core/session -rapid.checks=$(CHECKS)

# The trace of a story is the same whatever the processors do; a seed that fails
# prints the smallest story that does, and the command that plays it again.
## sim: all stories with all versions and 5 seeds, their traces 200 times, and a swarm (SEEDS=1000 from SEED=1 on)
sim:
	$(GO) test -count=1 -timeout 2h -run 'TestStories|TestTrace' ./app/sim -full -runs=200
	$(GO) test -count=1 -timeout 1h -race -run 'TestTrace' ./app/sim -runs=10
	$(GO) test -count=1 -timeout 2h -run 'TestSwarm' ./app/sim -swarm=$(SEEDS) -first=$(SEED)

# Each is a patch in app/sim/testdata/faults, planted in a checkout of HEAD; it
# must be found for its own reason, and without any of them all must be green.
## mutants: plant faults, and fail if the stories and the swarm do not find each (some minutes)
mutants:
	$(GO) test -count=1 -timeout 2h -v -run 'TestFaultsApply|TestMutants' ./app/sim -mutants

## tree: 1 origin, 10 edges, 1,000 subscribers, a minute of video, and what it costs (TREE=moq-lite-05)
tree:
	GOMAXPROCS=1 GOGC=off GOMEMLIMIT=3300MiB $(GO) test -count=1 -timeout 1h -v -run 'TestTree' ./app/sim -tree=$(TREE)

# Making a find small is bounded by tries: by time, a slow machine does little else.
## fuzz: every fuzz target in turn (FUZZTIME=1m)
fuzz:
	@$(GO) test -list '^Fuzz' $(PKG) | awk '/^Fuzz/ { f[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2, f[i]; n = 0 }' | \
	while read -r pkg name; do \
		echo "$$pkg $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$pkg" </dev/null || exit 1; \
	done

## bench: CPU, allocations and memory beside raw quic-go (BENCH="flags"; BENCH=-h lists them)
bench:
	$(GO) run ./bench/run $(BENCH)

## e2e: browsers and npm clients against bin/moqt (needs Node, npm, Chromium)
e2e: web build
	cd e2e && npm ci --no-audit --no-fund && node run.mjs

## gen: write the generated code anew
gen:
	$(GO) generate ./...

## cover: coverage by function in cover.out, the total at the end
cover:
	$(GO) test -coverpkg=./... -coverprofile=cover.out $(PKG)
	$(GO) tool cover -func=cover.out | tail -n 1

## clean: remove what was built
clean:
	rm -rf bin cover.out $(WEB)/site/dist e2e/dist e2e/out
