"""The studio: a stereo tape to put notes on, reverb, and mastering.

Everything here is deterministic: noise comes from generators with fixed seeds.
"""

import numpy as np

RATE = 48_000


def silence(seconds):
    """A stereo buffer, two rows."""
    return np.zeros((2, int(round(seconds * RATE))))


def spectrum_shape(signal, response):
    """Filters by a magnitude response (a function of Hz), without phase shift."""
    length = signal.shape[-1]
    size = 1 << (length + RATE // 8 - 1).bit_length()
    bins = np.fft.rfft(signal, size)
    gains = response(np.fft.rfftfreq(size, 1 / RATE))
    return np.fft.irfft(bins * gains, size)[..., :length]


def low_pass(signal, hertz, order=2):
    return spectrum_shape(signal, lambda f: 1 / np.sqrt(1 + (f / hertz) ** (2 * order)))


def high_pass(signal, hertz, order=2):
    return spectrum_shape(
        signal, lambda f: 1 / np.sqrt(1 + (hertz / np.maximum(f, 1e-3)) ** (2 * order))
    )


class Tape:
    """One bus of the mix: notes are added dry, effects are applied to the whole."""

    def __init__(self, seconds):
        self.audio = silence(seconds)

    def add(self, at, sound, gain=1.0, pan=0.0):
        """Adds a mono or stereo sound at a time in seconds; pan is -1 (left) to 1."""
        start = int(round(at * RATE))
        angle = (np.clip(pan, -1, 1) + 1) * np.pi / 4
        sides = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])
        stereo = sound if sound.ndim == 2 else np.vstack([sound, sound])
        if start < 0:
            stereo, start = stereo[:, -start:], 0
        end = min(start + stereo.shape[1], self.audio.shape[1])
        if end > start:
            self.audio[:, start:end] += gain * sides * stereo[:, : end - start]

    def low_pass(self, hertz, order=2):
        self.audio = low_pass(self.audio, hertz, order)
        return self

    def high_pass(self, hertz, order=2):
        self.audio = high_pass(self.audio, hertz, order)
        return self

    def duck(self, times, depth=0.4, seconds=0.16):
        """Lets the bus breathe: quieter at each of the times, back within `seconds`."""
        gain = np.ones(self.audio.shape[1])
        span = int(RATE * seconds * 3)
        t = np.arange(span) / RATE
        dip = 1 - depth * np.exp(-t / seconds) * np.minimum(1, t / 0.008)
        for at in times:
            start = int(at * RATE)
            end = min(start + span, gain.size)
            if end > start:
                gain[start:end] = np.minimum(gain[start:end], dip[: end - start])
        self.audio = self.audio * gain
        return self

    def echo(self, seconds, feedback=0.35, level=0.3, bounces=5):
        """A ping-pong delay that gets darker with every bounce."""
        wet = np.zeros_like(self.audio)
        source = low_pass(self.audio, 5000)
        for bounce in range(1, bounces + 1):
            shift = int(seconds * bounce * RATE)
            if shift >= source.shape[1]:
                break
            source = low_pass(source, 3800)
            sides = np.array([[1.3], [0.4]] if bounce % 2 else [[0.4], [1.3]])
            wet[:, shift:] += level * feedback ** (bounce - 1) * sides * source[:, :-shift]
        self.audio = self.audio + wet
        return self

    def chorus(self, depth_ms=2.2, rate=0.6, mix=0.5):
        """Slowly moving copies, opposite on both sides: width."""
        length = self.audio.shape[1]
        t = np.arange(length) / RATE
        wet = np.empty_like(self.audio)
        for side, phase in ((0, 0.0), (1, np.pi / 2)):
            delay = (9 + depth_ms * np.sin(2 * np.pi * rate * t + phase)) * RATE / 1000
            wet[side] = np.interp(np.arange(length) - delay, np.arange(length), self.audio[side])
        self.audio = (1 - mix) * self.audio + mix * wet
        return self

    def wobble(self, cents=6, rate=0.7):
        """Tape wow: the pitch drifts by a few cents."""
        length = self.audio.shape[1]
        t = np.arange(length) / RATE
        depth = (2 ** (cents / 1200) - 1) / (2 * np.pi * rate) * RATE
        bend = depth * (np.sin(2 * np.pi * rate * t) + 0.4 * np.sin(2 * np.pi * rate * 2.7 * t))
        at = np.arange(length) - depth * 1.5 + bend
        for side in (0, 1):
            self.audio[side] = np.interp(at, np.arange(length), self.audio[side])
        return self


def reverb(audio, seconds=1.8, seed=7, predelay=0.018, damp=4500.0):
    """Only the reverberated part: convolution with a made-up room.

    The room is noise that decays, its high frequencies faster; left and right
    are independent, which makes it wide.
    """
    rng = np.random.default_rng(seed)
    length = int(RATE * seconds * 1.25)
    t = np.arange(length) / RATE
    room = np.zeros((2, length))
    edges = [(120, 500, 1.0), (500, 1800, 0.9), (1800, damp, 0.62), (damp, 11_000, 0.34)]
    for low, high, share in edges:
        band = rng.standard_normal((2, length))
        band = high_pass(low_pass(band, high, 3), low, 3)
        room += band * np.exp(-6.91 * t / (seconds * share)) * (1 if low < damp else 0.6)
    room *= np.minimum(1, t / 0.012)
    for tap in range(9):
        at = int(RATE * (0.004 + 0.0051 * tap + 0.003 * rng.random()))
        room[tap % 2, at] += 2.2 * 0.8**tap
    room /= np.sqrt((room**2).sum(axis=1, keepdims=True))
    shift = int(predelay * RATE)
    size = 1 << (audio.shape[1] + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(room, size), size)
    wet = wet[:, : audio.shape[1]]
    return np.pad(wet, ((0, 0), (shift, 0)))[:, : audio.shape[1]]


def loudness(audio):
    """Integrated loudness in LUFS, after ITU-R BS.1770 (K-weighting, gated)."""

    def k_weight(f):
        shelf = 1 + (10 ** (4 / 20) - 1) * (f**4 / (f**4 + 1700.0**4))
        return shelf / (1 + (38.0 / np.maximum(f, 1e-3)) ** 2)

    weighted = spectrum_shape(audio, k_weight)
    block, hop = int(0.4 * RATE), int(0.1 * RATE)
    count = max(1, (weighted.shape[1] - block) // hop + 1)
    power = np.array(
        [(weighted[:, i * hop : i * hop + block] ** 2).mean(axis=1).sum() for i in range(count)]
    )
    level = -0.691 + 10 * np.log10(np.maximum(power, 1e-12))
    loud = power[level > -70]
    if loud.size == 0:
        return -70.0
    gate = -0.691 + 10 * np.log10(loud.mean()) - 10
    loud = power[(level > -70) & (level > gate)]
    return -0.691 + 10 * np.log10(loud.mean())


def limit(audio, ceiling):
    """A look-ahead limiter: no sample leaves above `ceiling`, and nothing clicks."""
    reach = int(0.005 * RATE)
    peak = np.abs(audio).max(axis=0)
    need = np.minimum(1, ceiling / np.maximum(peak, 1e-9))
    padded = np.pad(need, reach, constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    window = np.hanning(2 * reach + 1)
    window /= window.sum()
    gain = np.convolve(np.pad(lowest, reach, mode="edge"), window, mode="valid")
    return audio * np.minimum(gain, need)


def master(audio, target_lufs=-14.0, ceiling_db=-1.5, fade_in=0.01, fade_out=0.6):
    """Cleans the lows, glues gently, brings to the target loudness, limits, fades."""
    audio = high_pass(audio, 32)
    audio = audio / np.abs(audio).max()
    audio = np.tanh(1.15 * audio) / np.tanh(1.15)
    ceiling = 10 ** (ceiling_db / 20)
    for _ in range(3):
        audio = limit(audio * 10 ** ((target_lufs - loudness(audio)) / 20), ceiling)
    length = audio.shape[1]
    fades = np.ones(length)
    head, tail = int(fade_in * RATE), int(fade_out * RATE)
    fades[:head] *= np.sin(np.linspace(0, np.pi / 2, head)) ** 2
    fades[length - tail :] *= np.cos(np.linspace(0, np.pi / 2, tail)) ** 2
    return audio * fades
