#!/usr/bin/env bash
# Speeds, always beside the bare loop they are measured against in the same run.
#   --quick      a look within seconds after the build, for CI
#   --json       the players' figures as JSON on standard output, everything else on standard error
#   --minutes N  thousands of players for N minutes (--players N: how many)
#   --soak N     players come and go for N minutes: does anything grow?
#   --portable   as any x86-64 runs it, instead of built for this processor's level
set -euo pipefail
cd "$(dirname "$0")/.."

frame=(--noplot --warm-up-time 0.3 --measurement-time 1)
players=()
build=(scripts/tuned.sh)
frames=yes
for option in "$@"; do
  case $option in
    --portable) build=() ; continue ;;
    --quick) frame=(--noplot --quick) ;;
    --minutes | --soak) frames=no ;;
    --json | --players | [0-9]*) ;;
    *) echo "bench: there is no option $option; see the top of scripts/bench.sh" >&2; exit 2 ;;
  esac
  players+=("$option")
done

if [ $frames = yes ]; then
  "${build[@]}" cargo bench --package backline-media --bench frame -- "${frame[@]}" >&2
fi
"${build[@]}" cargo bench --package backline-node --bench players -- "${players[@]}"
