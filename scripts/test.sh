#!/usr/bin/env bash
# Every test, from the cheapest to the most real. Stops at the first stage that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - started)); }

step "format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings

step "house rules, units, roles against the simulator, whole processes"
cargo test --workspace

step "public clients and a real browser against the simulator"
judges=$(scripts/judges.sh)
eval "$judges"
# Those that need a real Lavalink are run by `make lavalink`.
cargo test --package backline --test it -- --ignored --skip lavalink::

step "a real Icecast, yt-dlp and espeak-ng"
cargo test --package backline-node --test it -- --ignored

step "done"
