# `make test` and `make demo` need only Go and make on a Debian machine; they
# install the rest, and show it (scripts/dependencies.sh says what).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

GO ?= go
export GO
export PATH := $(PATH):/usr/local/go/bin

# Without a commit that git can read there is no revision to stamp. Where there is one,
# `rvffs version` tells it, whatever the settings of this machine are.
ifeq ($(shell git rev-parse --verify --quiet HEAD 2>/dev/null),)
STAMP := -buildvcs=false
export GOFLAGS := $(shell $(GO) env GOFLAGS) $(STAMP)
else
STAMP := -buildvcs=true
endif

# What builds and passes its tests for WebAssembly too: there is no network, so no buckets.
PORTABLE := ./lineage/... ./segments/... ./store $(patsubst %,./store/%/...,compact compute idset incoming ingest log memory metadata nearest recovery rows search shared spool state stream throttle vecio volume/conformance volume/directory volume/filelog volume/memory) ./store/volume
PEER := test/integration/peer
# What builds every state that a crash or a fault may leave, tens of thousands of
# them: the race detector makes it ten times slower, and so does WebAssembly; both
# have the same code to watch in the random histories.
STATES := ^(TestEveryCrashKeepsWhatWasAcknowledged|TestEveryFaultLeavesAWholeStore|TestCrashesWhileRecovering)$$

.PHONY: build demo demo-s3 demo-boot test test-seaweedfs test-ceph lint bench microbench crash hosts attacks programs deps clean

build: ## bin/rvffs
	$(GO) build $(STAMP) -o bin/rvffs ./cmd/rvffs

demo: ## the whole story on a mount of its own
	scripts/dependencies.sh demo
	$(MAKE) --no-print-directory build
	scripts/demo.sh

demo-s3: ## two mounts of one bucket, of a real server on loopback
	scripts/dependencies.sh demo-s3
	$(MAKE) --no-print-directory build
	scripts/demo-s3.sh

demo-boot: deps build ## embeds Debian's kernel, extracts it and boots it in an emulator
	scripts/demo-boot.sh

test: deps ## everything, nothing skipped
	$(GO) vet ./...
	CI=true RVFFS_RACE_SECONDS=$${RVFFS_RACE_SECONDS:-60} $(GO) test -race -timeout 60m -skip '$(STATES)' ./...
	CI=true $(GO) test -timeout 60m -run '$(STATES)' ./store
	GOOS=wasip1 GOARCH=wasm $(GO) test -short -timeout 60m -skip '$(STATES)' -exec '$(CURDIR)/scripts/wasip1.sh' $(PORTABLE)

# What is tried on a real object store: it is versitygw in `make test`.
ON_A_STORE := CI=true $(GO) test -count=1 -timeout 60m -run '^(TestServer|TestVolume|TestBucket)' ./test/objectstore ./test/integration

test-seaweedfs: deps ## the tests on buckets, on SeaweedFS, which is built first
	$(GO) -C test/objectstore/seaweedfs tool -n weed
	RVFFS_OBJECT_STORE=seaweedfs $(ON_A_STORE)

test-ceph: deps ## the tests on buckets, on a Ceph cluster on this machine
	scripts/dependencies.sh ceph
	RVFFS_OBJECT_STORE=ceph $(ON_A_STORE)

lint: ## format, vet, staticcheck, known vulnerabilities
	scripts/lint.sh

bench: deps ## rvffs beside its peers: prints the table and puts it into docs/performance.md
	scripts/dependencies.sh bench
	$(GO) run ./test/bench -page docs/performance.md $(BENCH)

microbench: ## benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem ./lineage/... ./segments/... ./store/...

crash: deps ## kill -9 of the mount under eight writers, 300 rounds
	CI=true RVFFS_KILL_ROUNDS=300 $(GO) test -count=1 -timeout 60m -v -run '^TestKilledDaemon$$' ./test/integration

hosts: deps ## mounts and hosts on one bucket, 60 s of each, with kills, cut networks and spoiled writes
	CI=true RVFFS_BUCKET_SECONDS=60 $(GO) test -count=1 -timeout 60m -v -run '^TestBucketKeepsWhatWasAcknowledged$$' ./test/integration

attacks: ## two users and a root daemon, each attack for 30 s or 100,000 tries
	CI=true RVFFS_ATTACK_SECONDS=30 $(GO) test -count=1 -timeout 60m -v -run '^TestAttacks$$' ./test/integration

programs: deps ## installs every program of docs/programs.md, tries each on a mount and writes the page's table
	scripts/programs.sh
	CI=true RVFFS_PROGRAMS=all RVFFS_PROGRAMS_PAGE=$(CURDIR)/docs/programs.md NODE_PATH=$(CURDIR)/bin/programs/node_modules $(GO) test -count=1 -timeout 20m -run '^TestEveryProgram$$' ./test/integration

deps: $(PEER)/node_modules/.package-lock.json

# The packages come first, for npm is one of them.
$(PEER)/node_modules/.package-lock.json: $(PEER)/package-lock.json | packages
	cd $(PEER) && npm ci
	touch $@

.PHONY: packages
packages:
	scripts/dependencies.sh

clean:
	rm -rf bin
