#!/usr/bin/env bash
# Installs the public Discord clients that judge the simulator (tests/judges), the public
# Lavalink clients that drive the node (tests/clients), and what drives the browser
# (tests/chromium), from npm, PyPI and crates.io into .cache/judges, and prints what the tests
# need to find them:
#
#   eval "$(scripts/judges.sh)"
#   cargo test --package backline --test it -- --ignored
#
# Takes no time when the pinned versions are there already.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
judges="$root/tests/judges"
cache="$root/.cache/judges"
PATH="$root/.cache/tools/bin:$PATH"

say() { printf 'judges: %s\n' "$*" >&2; }
need() {
    command -v "$1" >/dev/null 2>&1 || {
        say "$1 is missing: run scripts/setup.sh test"
        exit 1
    }
}
# A registry may hiccup: three tries, and the log only if all fail.
patiently() {
    local log try
    log=$(mktemp)
    for try in 1 2 3; do
        if "$@" </dev/null >"$log" 2>&1; then
            rm -f "$log"
            return 0
        fi
        sleep $((try * 2))
    done
    tail -n 30 "$log" >&2
    rm -f "$log"
    say "failed: $*"
    exit 1
}
# The first browser that really starts: Ubuntu's package is a stub which only points at snap.
find_browser() {
    local name
    for name in ${CHROMIUM:-} chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name" >/dev/null 2>&1 && "$name" --version >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}
stamp_of() { cat "$@" | cksum; }

need node
need npm
need python3
need cargo
mkdir -p "$cache"

node_stamp="$(node --version) $(stamp_of "$judges/discordjs/package.json" "$judges/discordjs/package-lock.json")"
if [ "$(cat "$cache/discordjs/stamp" 2>/dev/null)" != "$node_stamp" ]; then
    say "installing discord.js and @discordjs/voice from npm"
    mkdir -p "$cache/discordjs"
    rm -f "$cache/discordjs/stamp"
    cp "$judges/discordjs/package.json" "$judges/discordjs/package-lock.json" "$cache/discordjs/"
    patiently npm ci --prefix "$cache/discordjs" --no-audit --no-fund --no-update-notifier
    printf '%s' "$node_stamp" >"$cache/discordjs/stamp"
fi

clients="$root/tests/clients"
clients_stamp="$(node --version) $(stamp_of "$clients/js/package.json" "$clients/js/package-lock.json")"
if [ "$(cat "$cache/clients-js/stamp" 2>/dev/null)" != "$clients_stamp" ]; then
    say "installing lavalink-client, shoukaku and moonlink.js from npm"
    mkdir -p "$cache/clients-js"
    rm -f "$cache/clients-js/stamp"
    cp "$clients/js/package.json" "$clients/js/package-lock.json" "$cache/clients-js/"
    patiently npm ci --prefix "$cache/clients-js" --no-audit --no-fund --no-update-notifier
    printf '%s' "$clients_stamp" >"$cache/clients-js/stamp"
fi

browser="$root/tests/chromium"
browser_stamp="$(node --version) $(stamp_of "$browser/package.json" "$browser/package-lock.json")"
if [ "$(cat "$cache/chromium/stamp" 2>/dev/null)" != "$browser_stamp" ]; then
    say "installing playwright-core from npm"
    mkdir -p "$cache/chromium"
    rm -f "$cache/chromium/stamp"
    cp "$browser/package.json" "$browser/package-lock.json" "$cache/chromium/"
    patiently npm ci --prefix "$cache/chromium" --no-audit --no-fund --no-update-notifier
    printf '%s' "$browser_stamp" >"$cache/chromium/stamp"
fi
chromium=$(find_browser) || {
    say "no Chromium: run scripts/setup.sh test"
    exit 1
}

python_stamp="$(python3 --version) $(stamp_of "$judges/discordpy/requirements.txt")"
if [ "$(cat "$cache/discordpy/stamp" 2>/dev/null)" != "$python_stamp" ]; then
    say "installing discord.py from PyPI"
    rm -rf "$cache/discordpy"
    patiently python3 -m venv "$cache/discordpy"
    patiently "$cache/discordpy/bin/pip" install --disable-pip-version-check --requirement "$judges/discordpy/requirements.txt"
    printf '%s' "$python_stamp" >"$cache/discordpy/stamp"
fi

clients_stamp="$(python3 --version) $(stamp_of "$clients/python/requirements.txt")"
if [ "$(cat "$cache/clients-python/stamp" 2>/dev/null)" != "$clients_stamp" ]; then
    say "installing wavelink, lavalink.py and mafic from PyPI"
    rm -rf "$cache/clients-python"
    patiently python3 -m venv "$cache/clients-python"
    patiently "$cache/clients-python/bin/pip" install --disable-pip-version-check --requirement "$clients/python/requirements.txt"
    printf '%s' "$clients_stamp" >"$cache/clients-python/stamp"
fi

rust_stamp="$(cargo --version) $(stamp_of "$clients/rust/Cargo.toml" "$clients/rust/Cargo.lock" "$clients/rust/src/main.rs")"
if [ "$(cat "$cache/clients-rust/stamp" 2>/dev/null)" != "$rust_stamp" ]; then
    say "building a bot on lavalink-rs from crates.io"
    mkdir -p "$cache/clients-rust"
    rm -f "$cache/clients-rust/stamp"
    patiently cargo build --quiet --locked --manifest-path "$clients/rust/Cargo.toml" --target-dir "$cache/clients-rust"
    printf '%s' "$rust_stamp" >"$cache/clients-rust/stamp"
fi

ytdlp_stamp="$(python3 --version) $(stamp_of "$judges/ytdlp/requirements.txt")"
if [ "$(cat "$cache/ytdlp/stamp" 2>/dev/null)" != "$ytdlp_stamp" ]; then
    say "installing yt-dlp from PyPI"
    rm -rf "$cache/ytdlp"
    patiently python3 -m venv "$cache/ytdlp"
    patiently "$cache/ytdlp/bin/pip" install --disable-pip-version-check --requirement "$judges/ytdlp/requirements.txt"
    printf '%s' "$ytdlp_stamp" >"$cache/ytdlp/stamp"
fi

printf 'export BACKLINE_JUDGE_NODE=%q\n' "$(command -v node)"
printf 'export BACKLINE_JUDGE_PACKAGES=%q\n' "$cache/discordjs"
printf 'export BACKLINE_JUDGE_PYTHON=%q\n' "$cache/discordpy/bin/python"
printf 'export BACKLINE_CLIENT_PACKAGES=%q\n' "$cache/clients-js"
printf 'export BACKLINE_CLIENT_PYTHON=%q\n' "$cache/clients-python/bin/python"
printf 'export BACKLINE_CLIENT_RUST=%q\n' "$cache/clients-rust/debug/backline-client-lavalink-rs"
printf 'export BACKLINE_JUDGE_YTDLP=%q\n' "$cache/ytdlp/bin/yt-dlp"
printf 'export BACKLINE_CHROMIUM_PACKAGES=%q\n' "$cache/chromium"
printf 'export CHROMIUM=%q\n' "$chromium"
