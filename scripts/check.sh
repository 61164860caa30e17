#!/usr/bin/env bash
# Everything that must be clean before a commit lands.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

# A cargo tool in its pinned version, below .cache/tools.
tool() {
    local name=$1 version=$2
    if ! "$name" --version 2>/dev/null | grep -qF "$version"; then
        echo "building $name $version (once)"
        cargo install --quiet --locked --root .cache/tools "$name@$version"
    fi
}

export PATH="$PWD/.cache/tools/bin:$PATH"

step "format"
cargo fmt --all --check
step "clippy"
cargo clippy --workspace --all-targets --quiet -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
step "unused dependencies"
tool cargo-machete 0.9.2
cargo machete
step "licences, sources, who may use what"
tool cargo-deny 0.20.2
cargo deny --offline check bans licenses sources
echo
echo "clean"
