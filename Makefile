# bramble: `make help` lists what there is. Only Go is needed; modules come at the first use.
GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -tags grpcnotrace -ldflags "-s -w -X github.com/bramblemesh/bramble/internal/daemon.version=$(VERSION)"
BINARIES := ./agent/cmd/... ./coordinator/cmd/... ./sim/cmd/...
GOFILES   = $(shell git ls-files '*.go' | grep -v '^gen/')

.DEFAULT_GOAL := help
.PHONY: help run test test-system test-case lint generate build lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the whole case, simulated, on this machine: agents, coordinator, live view
	@echo "building the simulator; the first time this fetches modules and takes about a minute"
	@$(GO) run -tags grpcnotrace ./sim/cmd/bramble-sim run --scenario burst $(ARGS)

test: ## every test that needs only Go, with the race detector
	$(GO) test -race ./...
	$(GO) test -count=1 -run TestVirtualHour ./sim/mesh
	$(GO) test -count=1 -run TestStorm ./sim/storm
	$(GO) test -count=1 ./coordinator/power
	$(GO) test -count=1 ./internal/arrows

test-system: ## the binaries on Debian's kernel in virtual machines and on emulated boards; root and Debian's packages
	$(GO) test -tags system -p 1 -count=1 -v -timeout 40m ./sim/machines ./sim/machines/guest ./sim/machines/system

test-case: ## a whole case of five virtual machines, with its wires and disks; needs what test-system does, and QEMU 10
	$(GO) test -tags system -p 1 -count=1 -v -timeout 60m ./sim/machines/backplane ./sim/machines/pico5

lint: ## contracts, breaking changes, vet, staticcheck, go fix, gofmt
	$(TOOL) buf lint
	$(TOOL) buf format --diff --exit-code
	$(TOOL) buf breaking --against proto/lock.binpb
	$(GO) vet ./...
	GOARCH=arm GOARM=6 $(GO) vet ./agent/... ./coordinator/... ./host/...
	$(GO) vet -tags system ./sim/machines/...
	$(TOOL) staticcheck -tags system ./...
	@fixes=$$($(GO) fix -diff $$($(GO) list ./... | grep -v /gen/) 2>&1); [ -z "$$fixes" ] || { echo "$$fixes"; echo "run 'go fix' on these"; exit 1; }
	@files=$$(gofmt -l $(GOFILES)); [ -z "$$files" ] || { echo "run gofmt -w on: $$files"; exit 1; }

generate: ## generated code from the contracts, into gen/
	$(TOOL) buf generate

lock: ## make today's contracts the ones that breaking changes are checked against (at a release)
	$(TOOL) buf build --exclude-source-info -o proto/lock.binpb

build: ## static binaries for every board, into build/<architecture>/
	@for target in amd64 arm64 arm/7 arm/6; do \
		arch=$${target%/*}; arm=$${target#*/}; name=$$(echo $$target | sed 's,arm/,armv,'); \
		echo "build/$$name"; mkdir -p build/$$name; \
		GOOS=linux GOARCH=$$arch GOARM=$$( [ "$$arm" = "$$arch" ] || echo $$arm ) $(BUILD) -o build/$$name/ $(BINARIES) || exit 1; \
	done
