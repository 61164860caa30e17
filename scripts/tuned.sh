#!/usr/bin/env bash
# Runs a command, usually cargo, so that it builds for speed instead of for any processor:
#
#   scripts/tuned.sh cargo build --release --package backline
#
# Rust and libopus are compiled for x86-64-v3 (AVX2 and FMA: Intel since 2013, AMD since 2015), if
# this processor has it, and libopus with relaxed floating point besides. Everything lands in
# target/tuned, so that ordinary builds are left alone. See docs/decisions.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

opus_flags="-ffast-math -DFLOAT_APPROX"
if [ "$(uname -m)" = x86_64 ]; then
  if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo && grep -qw bmi2 /proc/cpuinfo; then
    opus_flags="-march=x86-64-v3 $opus_flags"
    export RUSTFLAGS="${RUSTFLAGS:-} -C target-cpu=x86-64-v3"
  else
    echo "tuned: this processor is older than x86-64-v3: building for x86-64" >&2
  fi
fi
# Relaxed floating point is for libopus alone (SQLite must not have it), and only libopus is built
# with cmake: so not CFLAGS, which all C code gets, but a launcher of cmake's compiler.
export CMAKE_C_COMPILER_LAUNCHER="$root/scripts/tuned/cc.sh"
export BACKLINE_OPUS_FLAGS="$opus_flags"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/tuned"
exec "$@"
