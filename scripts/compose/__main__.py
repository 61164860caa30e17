"""Composes, records and encodes the music in `assets/`.

    python3 scripts/compose            # everything
    python3 scripts/compose nocturne   # one piece

Needs Python 3.10 with numpy, and ffmpeg. The recordings are the same on every run;
the encoded bytes depend on the version of ffmpeg.
"""

import subprocess
import sys
import time
import wave
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import pieces
import signals
from studio import RATE, loudness

ASSETS = Path(__file__).resolve().parents[2] / "assets"
ALBUM = "First Light"

# Name, title, file type, encoder options.
PIECES = [
    ("nocturne", "Nocturne in E flat", "opus", "-c:a libopus -b:a 72k -frame_duration 20"),
    ("bossa", "Backline Bossa", "mp3", "-c:a libmp3lame -q:a 5 -ar 44100 -id3v2_version 3"),
    ("arcade", "Coin Door", "m4a", "-c:a aac -b:a 112k -ar 44100 -movflags +faststart"),
    ("waltz", "Waltz for Strings and a Tin Star", "ogg", "-c:a libvorbis -q:a 4 -ar 44100"),
    ("rain", "Rain on the Tape", "webm", "-c:a libopus -b:a 72k -frame_duration 20"),
    ("drift", "Drift", "flac", "-c:a flac -compression_level 12 -ar 44100 -sample_fmt s16"),
    ("chime", "Chime", "wav", "-c:a pcm_s16le -ar 44100"),
]


def to_wave(audio, path):
    """Writes 16 bits with triangular dither, whose noise is seeded."""
    rng = np.random.default_rng(1)
    dither = (rng.random(audio.shape) - rng.random(audio.shape)) / 32768
    samples = np.clip(np.round((audio + dither) * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(audio.shape[0])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.T.tobytes())


def encode(audio, target, options, tags):
    with TemporaryDirectory() as folder:
        source = Path(folder) / "mix.wav"
        to_wave(audio, source)
        metadata = [part for key, value in tags.items() for part in ("-metadata", f"{key}={value}")]
        subprocess.run(
            ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-i", source, "-map_metadata", "-1",
             *metadata, "-fflags", "+bitexact", "-flags:a", "+bitexact", *options.split(), target],
            check=True,
        )


def main(wanted):
    for number, (name, title, kind, options) in enumerate(PIECES, 1):
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        audio = getattr(pieces, name)()
        level, peak = loudness(audio), 20 * np.log10(np.abs(audio).max())
        target = ASSETS / "music" / f"{name}.{kind}"
        tags = {"title": title, "artist": "Backline", "album": ALBUM, "track": number, "date": 2026}
        encode(audio, target, options, tags)
        print(f"{target.name:14} {audio.shape[1] / RATE:5.1f} s {level:6.1f} LUFS {peak:5.1f} dBFS "
              f"{target.stat().st_size / 1024:6.0f} KiB  ({time.monotonic() - began:.0f} s)", flush=True)
    if not wanted or "signals" in wanted:
        for kind, options in signals.ENCODERS.items():
            target = ASSETS / "signals" / f"sweep.{kind}"
            encode(signals.sweep(), target, options, {"title": "Sweep", "artist": "Backline"})
            print(f"signals/{target.name:14} {target.stat().st_size / 1024:6.0f} KiB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
