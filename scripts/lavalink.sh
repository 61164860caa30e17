#!/usr/bin/env bash
# Gets the real Lavalink and runs it on loopback, to judge Backline's node by it.
#
#   scripts/lavalink.sh get           downloads it into .cache/lavalink, prints the file
#   scripts/lavalink.sh run [OPTIONS] runs it in the foreground, until it is told to end
#       --port PORT        where it listens on 127.0.0.1 (2334)
#       --password TEXT    what clients send (youshallnotpass)
#       --ca FILE          a certificate authority that it trusts for voice servers; waits for
#                          the file, so that the voice servers may be started at the same time
#       --folder FOLDER    where its configuration, trust store and logs go (.cache/lavalink/run)
#
# The file comes from Maven Central by the Maven client, which checks it.
# BACKLINE_LAVALINK_JAR names a jar to use instead, of any Lavalink 4. Needs Java 17 or newer:
# scripts/setup.sh java.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
version=${BACKLINE_LAVALINK_VERSION:-4.1.1}
artifact=dev.arbjerg.lavalink:Lavalink-Server:$version
cache="$root/.cache/lavalink"

say() { printf 'lavalink: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

get() {
    if [ -n "${BACKLINE_LAVALINK_JAR:-}" ]; then
        [ -f "$BACKLINE_LAVALINK_JAR" ] || die "BACKLINE_LAVALINK_JAR is no file"
        printf '%s\n' "$BACKLINE_LAVALINK_JAR"
        return
    fi
    local jar="$cache/Lavalink-Server-$version.jar" log="$cache/download.log"
    if [ ! -f "$jar" ]; then
        command -v mvn >/dev/null 2>&1 || die "mvn is missing: run scripts/setup.sh java"
        mkdir -p "$cache"
        say "downloading Lavalink $version from Maven Central (once)"
        # A wrong checksum is an error, not a warning.
        mvn -B -q --strict-checksums dependency:copy "-Dartifact=$artifact" \
            "-DoutputDirectory=$cache" </dev/null >"$log" 2>&1 && [ -f "$jar" ] ||
            die "Maven Central did not give $artifact (see $log); BACKLINE_LAVALINK_JAR can name a jar"
    fi
    printf '%s\n' "$jar"
}

run() {
    local port=2334 password=youshallnotpass ca='' folder="$cache/run" jar options=()
    while [ $# -gt 0 ]; do
        [ $# -gt 1 ] || die "$1 needs a value"
        case $1 in
        --port) port=$2 ;;
        --password) password=$2 ;;
        --ca) ca=$2 ;;
        --folder) folder=$2 ;;
        *) die "there is no option $1; see the top of scripts/lavalink.sh" ;;
        esac
        shift 2
    done
    command -v java >/dev/null 2>&1 || die "java is missing: run scripts/setup.sh java"
    jar=$(get)
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    if [ -n "$ca" ]; then
        for _ in $(seq 600); do
            [ -s "$ca" ] && break
            sleep 0.1
        done
        [ -s "$ca" ] || die "no certificate authority at $ca"
        rm -f "$folder/trust.p12"
        keytool -importcert -noprompt -alias voice -file "$ca" -storetype PKCS12 \
            -keystore "$folder/trust.p12" -storepass changeit >/dev/null 2>&1 ||
            die "keytool does not take $ca"
        options+=("-Djavax.net.ssl.trustStore=$folder/trust.p12" -Djavax.net.ssl.trustStorePassword=changeit)
    fi
    # Only what needs no other host: sources that search the internet are off.
    cat >"$folder/application.yml" <<YAML
server:
  port: $port
  address: 127.0.0.1
lavalink:
  plugins: []
  server:
    password: "$password"
    sources:
      youtube: false
      bandcamp: false
      soundcloud: false
      twitch: false
      vimeo: false
      nico: false
      http: true
      local: true
    youtubeSearchEnabled: false
    soundcloudSearchEnabled: false
metrics:
  prometheus:
    enabled: false
sentry:
  dsn: ""
logging:
  file:
    path: "$folder/logs"
  level:
    root: INFO
    lavalink: INFO
YAML
    cd "$folder"
    exec java "${options[@]}" -jar "$jar"
}

case ${1:-} in
get) get ;;
run) shift; run "$@" ;;
*)
    sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
