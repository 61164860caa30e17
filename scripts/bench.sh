#!/usr/bin/env bash
# Speeds, always beside the bare loop they are measured against in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo bench --package backline-media --bench frame -- "$@"
cargo bench --package backline-node --bench players
