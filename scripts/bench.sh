#!/usr/bin/env bash
# Speeds, always beside the bare loop they are measured against in the same run.
#   --quick  a look within seconds after the build, for CI
#   --json   the players' figures as JSON on standard output, everything else on standard error
set -euo pipefail
cd "$(dirname "$0")/.."

frame=(--noplot --warm-up-time 0.3 --measurement-time 1)
for option in "$@"; do
  case $option in
    --quick) frame=(--noplot --quick) ;;
    --json) ;;
    *) echo "bench: there is no option $option; see the top of scripts/bench.sh" >&2; exit 2 ;;
  esac
done

cargo bench --package backline-media --bench frame -- "${frame[@]}" >&2
cargo bench --package backline-node --bench players -- "$@"
