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
