# Weir's tasks. The text after ## is what `make help` says of a target.

GO ?= go

.DEFAULT_GOAL := build

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/weir
	@echo "Building bin/weir. The first time, Go downloads and compiles its libraries: up to a minute."
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/weir ./cmd/weir

.PHONY: demo
demo: build ## show Weir in front of in-memory servers, until Ctrl-C; ONCE=1 ends after the statements
	@echo "Building bin/weir-demo. The in-memory server is large: the first time takes a minute or more."
	@cd cmd/weir-demo && CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags gms_pure_go -o ../../bin/weir-demo .
	@bin/weir-demo

# The linter is pinned here, not in go.mod, which lists only what Weir itself needs.
lint_version = v2.15.0
lint = bin/golangci-lint-$(lint_version)

$(lint):
	@echo "Building golangci-lint $(lint_version). This takes some minutes, once."
	@GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(lint_version)
	@mv bin/golangci-lint $@

.PHONY: fmt
fmt: $(lint) ## format all code
	$(lint) fmt

.PHONY: check
check: $(lint) ## format, vet and lint; changes nothing
	$(lint) fmt --diff
	$(GO) vet ./...
	$(lint) run ./...
	cd cmd/weir-demo && $(GO) vet -tags gms_pure_go ./...
	cd cmd/weir-demo && ../../$(lint) run --build-tags gms_pure_go ./...

# install.sh comes first: -race needs the C compiler it installs. What counts allocations runs once more without -race,
# which makes some of its own. The integration tests go without -race: what they test
# is another process, the program as it is shipped. GOFLAGS=-race makes it a checked one.
.PHONY: test
test: ## run all tests, on real servers too; installs what they need, or says what to install
	integration/install.sh
	$(GO) test -race $$($(GO) list ./... | grep -v '/integration$$')
	$(GO) test -run Alloc ./filters/... ./pipeline/... ./protocol/... ./routers/...
	$(GO) test -timeout 20m ./integration
	cd cmd/weir-demo && $(GO) test -tags gms_pure_go ./...

fuzz_time = 30s

.PHONY: fuzz
fuzz: ## run every fuzz target for 30 seconds; fuzz_time=5m for longer
	@set -e; grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' . | sort | while IFS=: read -r file func; do \
		echo "$$file $${func#func }"; \
		$(GO) test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(fuzz_time) -fuzzminimizetime 10x "$$(dirname "$$file")"; \
	done

soak_time = 30m

.PHONY: soak
soak: ## have a bank work while servers fail, 30 minutes for each family; soak_time=8h for longer
	integration/install.sh
	$(GO) test -timeout 0 -count 1 -v -run '^TestFailover$$' ./integration -soak $(soak_time)

.PHONY: bench
bench: build ## measure Weir against its peers; bench_flags=-help lists what can be set
	integration/install.sh
	$(GO) run ./integration/bench $(bench_flags)

.PHONY: cover
cover: ## show how much of the code the tests reach, without the integration tests
	$(GO) test -coverpkg ./... -coverprofile bin/cover.out $$($(GO) list ./... | grep -v '/integration$$')
	$(GO) tool cover -func bin/cover.out | tail -1
	@echo "$(GO) tool cover -html bin/cover.out shows where."
