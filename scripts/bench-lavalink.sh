#!/usr/bin/env bash
# The same work on Backline and on a real Lavalink: players that pass Opus through and players
# that transcode MP3, by the same REST calls, heard by the same simulated voice servers.
#   --passthrough N   players that pass Opus through (100)
#   --transcode N     players that transcode (20)
#   --seconds N       how long is measured, after 5 s of warming up (30)
# The JVM has its defaults; one server runs at a time, so neither disturbs the other.
set -euo pipefail
cd "$(dirname "$0")/.."

passthrough=100 transcode=20 seconds=30
while [ $# -gt 1 ]; do
    case $1 in
    --passthrough) passthrough=$2 ;;
    --transcode) transcode=$2 ;;
    --seconds) seconds=$2 ;;
    *) echo "bench-lavalink: there is no option $1" >&2; exit 2 ;;
    esac
    shift 2
done
[ $# = 0 ] || { echo "bench-lavalink: $1 needs a value" >&2; exit 2; }

folder=$PWD/.cache/bench-lavalink
rm -rf "$folder"
mkdir -p "$folder"
scripts/lavalink.sh get >/dev/null
cargo build --quiet --release --package backline >&2
cargo build --quiet --release --package backline-readiness --example side_by_side >&2

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
child=''
end() { if [ -n "$child" ] && kill "$child" 2>/dev/null; then wait "$child" 2>/dev/null || true; fi; child=''; }
trap end EXIT
work() {
    target/release/examples/side_by_side --url "http://127.0.0.1:$1" --password youshallnotpass --pid "$child" \
        --voice-ca-out "$folder/ca.pem" --passthrough "$passthrough" --transcode "$transcode" --seconds "$seconds"
}

own=$(port)
BACKLINE_NODE__BIND=127.0.0.1:$own BACKLINE_NODE__PASSWORD=youshallnotpass \
BACKLINE_NODE__HTTP__ALLOW_PRIVATE_NETWORKS=true BACKLINE_NODE__VOICE__PLAINTEXT_LOOPBACK=true \
BACKLINE_PROCESS__INTERNAL_BIND=127.0.0.1:0 target/release/backline node >"$folder/backline.log" 2>&1 &
child=$!
work "$own" >"$folder/backline.json"
end

real=$(port)
rm -f "$folder/ca.pem"
scripts/lavalink.sh run --port "$real" --ca "$folder/ca.pem" --folder "$folder/lavalink" >"$folder/lavalink.log" 2>&1 &
child=$!
work "$real" >"$folder/lavalink.json"
end

python3 - "$folder/backline.json" "$folder/lavalink.json" <<'PY'
import json, sys
ours, real = (json.load(open(name)) for name in sys.argv[1:])
MIB = 1 << 20
print("| work | | Backline | Lavalink | ratio |\n|---|---|---|---|---|")
print("| idle | memory, MiB | %.1f | %.1f | 1/%.1f |" % (ours["idle_bytes"] / MIB, real["idle_bytes"] / MIB, real["idle_bytes"] / ours["idle_bytes"]))
for a, b in zip(ours["work"], real["work"]):
    name = "%d × %s" % (a["players"], a["work"])
    print("| %s | players heard | %.1f | %.1f | |" % (name, a["players_heard"], b["players_heard"]))
    print("| | CPU, cores | %.3f | %.3f | 1/%.1f |" % (a["cpu_seconds_per_second"], b["cpu_seconds_per_second"], b["cpu_seconds_per_second"] / max(a["cpu_seconds_per_second"], 1e-9)))
    print("| | players per CPU second | %.0f | %.0f | %.1f × |" % (a["players_per_cpu_second"], b["players_per_cpu_second"], a["players_per_cpu_second"] / b["players_per_cpu_second"]))
    print("| | memory, MiB | %.1f | %.1f | 1/%.1f |" % (a["resident_bytes"] / MIB, b["resident_bytes"] / MIB, b["resident_bytes"] / a["resident_bytes"]))
    print("| | late frames (> 20 ms), lost | %d, %d | %d, %d | |" % (a["late"], a["lost"], b["late"], b["lost"]))
    print("| | start, ms a player | %.1f | %.1f | |" % (a["start_ms_per_player"], b["start_ms_per_player"]))
PY
