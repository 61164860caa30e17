"""The reference signal of the tests: what goes in must come out of the voice channel.

Left: a sine sweep from 120 Hz to 7 kHz. Right: three steady tones whose level rises.
The sides differ, so swapped channels are noticed; each instant of the left side is
unlike any other, so a shift is measured exactly.
"""

import numpy as np

from studio import RATE

SECONDS = 2.0

ENCODERS = {
    "flac": "-c:a flac -compression_level 12 -ar 44100 -sample_fmt s16",
    "wav": "-c:a pcm_s16le -ar 44100",
    "mp3": "-c:a libmp3lame -b:a 160k -ar 44100 -id3v2_version 3",
    "m4a": "-c:a aac -b:a 160k -ar 44100 -movflags +faststart",
    "ogg": "-c:a libvorbis -q:a 6 -ar 44100",
    "opus": "-c:a libopus -b:a 128k -frame_duration 20",
    "webm": "-c:a libopus -b:a 128k -frame_duration 20",
}


def sweep():
    t = np.arange(int(SECONDS * RATE)) / RATE
    low, high = 120.0, 7000.0
    rate = np.log(high / low) / SECONDS
    left = np.sin(2 * np.pi * low * (np.exp(rate * t) - 1) / rate)
    tones = sum(np.sin(2 * np.pi * hertz * t + hertz) for hertz in (330.0, 1000.0, 2750.0)) / 3
    right = tones * (0.3 + 0.7 * t / SECONDS)
    edges = np.minimum(1, np.minimum(t, SECONDS - t) / 0.02)
    return 0.4 * np.vstack([left, right]) * edges
