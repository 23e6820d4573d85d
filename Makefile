# Two commands: `make run` starts the stand, `make test` runs everything.
GO      ?= go
PKGS    ?= ./...
STAND   ?=

.DEFAULT_GOAL := help
.PHONY: help run build test race check lint guards bench golden setup clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start the stand: provider, portal, banks, registries, inbox
	@$(GO) run ./examples $(STAND)

build: ## build the product into bin/vhod
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/vhod ./cmd/vhod

test: setup ## everything: unit, storage contracts, protocol, browser journeys
	@./.ci/servers ./.ci/test $(PKGS)

race: setup ## the tests again under the race detector, journeys excepted
	@./.ci/servers $(GO) test -race -timeout 30m $$($(GO) list $(PKGS) | grep -v -e '/examples/journeys$$')

check: lint test race ## what must be green before every stop

lint: ## formatting, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not formatted:"; echo "$$out"; exit 1; }
	$(GO) vet $(PKGS)
	$(GO) tool staticcheck $(PKGS)

guards: ## take every guard of docs/guards.md away in turn, and see a test fall (ten minutes)
	$(GO) test -tags guards -v -count=1 -timeout 60m -run TestWithoutItsGuardAnAttackIsSeen ./cmd/app/conformance

bench: setup ## benchmarks on the embedded default and on PostgreSQL with Redis
	@./.ci/servers $(GO) test -run '^$$' -bench . -benchmem $(PKGS)

golden: ## write schema.sql, metadata and pages that tests compare with
	UPDATE_GOLDEN=1 $(GO) test ./storage/... ./op/... ./templates/... ./cmd/app/conformance -run 'Golden|Schema'

setup: ## install what the tests need (Debian, as root; elsewhere it says what is missing)
	@./.ci/setup

clean: ## remove what was built
	rm -rf bin
