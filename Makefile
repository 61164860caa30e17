# Backline: everything a person does here, as a menu. `make` alone prints it.
# On a fresh Debian or Ubuntu with a Rust toolchain, `make demo` and `make test` need nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := menu
export PATH := $(CURDIR)/.cache/tools/bin:$(PATH)

.PHONY: menu demo run test lavalink conformance check lint bench bench-lavalink docs pictures clean-cache

menu: ## This menu
	@echo "Backline: a Discord music bot, a Lavalink v4 node, a simulated Discord to test any bot."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Try it: a simulated Discord, music you can hear, no account needed
	@scripts/setup.sh build
	@cargo run --quiet --package backline -- demo $(ARGS)

run: ## Run your own bot: needs DISCORD_TOKEN
	@scripts/setup.sh build
	@cargo run --release --package backline -- run $(ARGS)

test: ## Every test: house rules, unit, end to end, public clients, a real browser
	@scripts/setup.sh test
	@scripts/test.sh

lavalink: ## The bot and our cases on a real Lavalink, fetched from Maven Central: needs Java 17
	@scripts/setup.sh java
	@scripts/lavalink.sh get
	@cargo test --package backline --test it -- --ignored lavalink:: --test-threads 1

conformance: ## Judge our node beside a real Lavalink, and write docs/conformance.md
	@scripts/setup.sh java
	@scripts/conformance.sh $(ARGS)

check: ## Everything that must be clean before a commit lands: fmt, clippy, docs, licences, unused dependencies
	@scripts/setup.sh build
	@scripts/check.sh

lint: ## The fast half of check: fmt and clippy
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --quiet -- -D warnings

bench: ## How fast: a frame's way through the node, players per core beside the bare loops
	@scripts/setup.sh build
	@scripts/bench.sh $(ARGS)

bench-lavalink: ## The same work on our node and on a real Lavalink: players per CPU second, memory
	@scripts/setup.sh java
	@scripts/bench-lavalink.sh $(ARGS)

docs: ## The API documentation of every crate
	@cargo doc --workspace --no-deps
	@echo "open target/doc/backline/index.html"
