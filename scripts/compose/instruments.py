"""The instruments: functions from (frequency, seconds, velocity) to samples.

Tones are sums of sine waves below the Nyquist frequency, so nothing aliases.
`seconds` is how long the key is held; the release comes on top. Velocity is 0 to 1.
"""

from functools import lru_cache

import numpy as np

from studio import RATE, high_pass, low_pass

NOTE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def midi(name):
    """`Eb4` to 63."""
    step = NOTE[name[0]] + name.count("#") - name[1:].count("b")
    return step + 12 * (int(name.lstrip("ABCDEFG#b")) + 1)


def hertz(note):
    return 440.0 * 2 ** ((note - 69) / 12)


def _time(seconds):
    return np.arange(int(seconds * RATE)) / RATE


def _gate(t, held, release, attack):
    """Attack without a click, and an exponential release after the key goes up."""
    rise = np.minimum(1, t / attack)
    rise = rise * rise * (3 - 2 * rise)
    fall = np.where(t > held, np.exp(-(t - held) / release * 4.0), 1.0)
    end = np.clip((t[-1] - t) / 0.012, 0, 1)
    return rise * fall * end


@lru_cache(maxsize=4096)
def felt_piano(freq, held, velocity):
    """A soft piano: stretched partials, two strings that beat, a felt hammer."""
    t = _time(held + 0.9)
    stiffness = 0.00028 * (freq / 261) ** 1.3
    out = np.zeros_like(t)
    for k in range(1, 22):
        partial = k * freq * np.sqrt(1 + stiffness * k * k)
        if partial > 9000:
            break
        level = k ** -(2.25 - 0.75 * velocity) * (0.35 + 0.65 * abs(np.sin(np.pi * k / 7.3)))
        tail = 5.2 * (261 / freq) ** 0.55 / (1 + 0.42 * (k - 1))
        shape = 0.62 * np.exp(-4.2 * t / tail) + 0.38 * np.exp(-1.3 * t / tail)
        for string, phase in ((-0.00016, 0.3 * k), (0.00019, 1.1 * k)):
            out += 0.5 * level * shape * np.sin(2 * np.pi * partial * (1 + string) * t + phase)
    rng = np.random.default_rng(int(freq * 10))
    thump = low_pass(rng.standard_normal(t.size), 420) * np.exp(-t / 0.018)
    return velocity**1.3 * (out + 0.22 * thump) * _gate(t, held, 0.55, 0.006)


@lru_cache(maxsize=4096)
def pluck(freq, held, velocity, position=0.19, ring=2.6, bright=1.0):
    """A nylon or gut string, plucked at `position` of its length."""
    t = _time(held + 0.5)
    out = np.zeros_like(t)
    for k in range(1, 34):
        partial = k * freq * np.sqrt(1 + 0.00006 * k * k)
        if partial > 11_000:
            break
        level = abs(np.sin(np.pi * k * position)) / k ** (1.75 - 0.35 * bright * velocity)
        tail = ring * (196 / freq) ** 0.45 / (1 + 0.16 * k + 0.012 * k * k)
        out += level * np.exp(-4.6 * t / tail) * np.sin(2 * np.pi * partial * t + 0.9 * k)
    rng = np.random.default_rng(int(freq * 7))
    nail = high_pass(low_pass(rng.standard_normal(t.size), 3200), 500) * np.exp(-t / 0.006)
    body = np.sin(2 * np.pi * 104 * t) * np.exp(-t / 0.05)
    return velocity * (out + 0.09 * nail + 0.05 * body) * _gate(t, held, 0.3, 0.003)


@lru_cache(maxsize=2048)
def electric_piano(freq, held, velocity):
    """A tine piano by frequency modulation, its tremolo moving left and right."""
    t = _time(held + 0.7)
    bark = (0.35 + 1.25 * velocity) * np.exp(-t / 0.55)
    tine = 0.16 * velocity * np.exp(-t / 0.12)
    body = np.sin(2 * np.pi * freq * t + bark * np.sin(2 * np.pi * freq * t + 0.4))
    bell = tine * np.sin(2 * np.pi * freq * 7.03 * t) if freq * 7 < 9000 else 0.0
    out = (body + bell) * (0.7 * np.exp(-t / 1.6) + 0.3 * np.exp(-t / 4.5))
    out = velocity * out * _gate(t, held, 0.35, 0.005)
    sway = 0.16 * np.sin(2 * np.pi * 3.9 * t)
    return np.vstack([out * (1 + sway), out * (1 - sway)])


@lru_cache(maxsize=1024)
def bass(freq, held, velocity):
    """A round finger bass."""
    t = _time(held + 0.25)
    out = np.zeros_like(t)
    for k, level in enumerate((1.0, 0.55, 0.26, 0.13, 0.06, 0.03), 1):
        out += level * np.exp(-t * (0.75 + 0.9 * k)) * np.sin(2 * np.pi * k * freq * t + 0.2 * k)
    return velocity * np.tanh(1.1 * out) * _gate(t, held, 0.16, 0.007)


@lru_cache(maxsize=1024)
def flute(freq, held, velocity):
    """A breathy flute, with a vibrato that arrives late."""
    t = _time(held + 0.25)
    vibrato = 0.0038 * np.clip((t - 0.25) / 0.5, 0, 1)
    bend = -0.012 * np.exp(-t / 0.03)
    sweep = freq * (1 + bend + vibrato * np.sin(2 * np.pi * 5.1 * t))
    phase = 2 * np.pi * np.cumsum(sweep) / RATE
    out = np.zeros_like(t)
    for k, level in enumerate((1.0, 0.34, 0.16, 0.055, 0.025), 1):
        out += level * np.sin(k * phase + 0.5 * k)
    rng = np.random.default_rng(int(freq * 3 + held * 100))
    breath = high_pass(low_pass(rng.standard_normal(t.size), 4200), 1200)
    swell = 0.86 + 0.14 * np.sin(np.pi * np.clip(t / (held + 0.1), 0, 1))
    return velocity * swell * (out + 0.035 * breath) * _gate(t, held, 0.16, 0.045)


@lru_cache(maxsize=1024)
def vibraphone(freq, held, velocity):
    """Metal bars with a slow motor."""
    t = _time(held + 1.1)
    out = np.zeros_like(t)
    for ratio, level, tail in ((1, 1.0, 2.8), (3.98, 0.22, 0.9), (9.9, 0.06, 0.22)):
        if freq * ratio < 12_000:
            out += level * np.exp(-3 * t / tail) * np.sin(2 * np.pi * freq * ratio * t)
    motor = 1 + 0.14 * np.sin(2 * np.pi * 4.6 * t)
    return velocity * out * motor * _gate(t, held, 0.9, 0.003)


@lru_cache(maxsize=1024)
def music_box(freq, held, velocity):
    """A small comb of steel: bright, short, glassy."""
    t = _time(held + 1.6)
    out = np.zeros_like(t)
    for ratio, level, tail in ((1, 1.0, 2.3), (2.76, 0.26, 0.8), (5.4, 0.16, 0.35), (8.9, 0.05, 0.1)):
        if freq * ratio < 14_000:
            out += level * np.exp(-3.5 * t / tail) * np.sin(2 * np.pi * freq * ratio * t + ratio)
    return velocity * out * _gate(t, held + 0.8, 0.8, 0.0025)


@lru_cache(maxsize=512)
def pad(freq, held, velocity, attack=1.6, dark=1.55):
    """Seven detuned voices a side, each breathing on its own."""
    t = _time(held + 3.0)
    sides = np.zeros((2, t.size))
    rng = np.random.default_rng(int(freq * 11))
    for side in (0, 1):
        for cents in (-9, -4, 0, 5, 8):
            voice = freq * 2 ** ((cents + rng.normal(0, 0.8)) / 1200)
            for k in range(1, 13):
                if k * voice > 5000:
                    break
                slow = 1 + 0.35 * np.sin(2 * np.pi * rng.uniform(0.05, 0.22) * t + rng.uniform(0, 6))
                level = k**-dark * slow
                sides[side] += 0.2 * level * np.sin(2 * np.pi * k * voice * t + rng.uniform(0, 6.28))
    return velocity * sides * _gate(t, held, 2.4, attack)


@lru_cache(maxsize=2048)
def pulse(freq, held, velocity, duty=0.25, vibrato=0.0, decay=0.0):
    """A console's pulse wave, band-limited."""
    t = _time(held + 0.03)
    wave = freq * (1 + vibrato * np.clip((t - 0.15) / 0.2, 0, 1) * np.sin(2 * np.pi * 6 * t))
    phase = 2 * np.pi * np.cumsum(wave) / RATE
    out = np.zeros_like(t)
    for k in range(1, int(min(60, 15_000 / freq)) + 1):
        out += np.sin(np.pi * k * duty) / k * np.cos(k * phase) * np.exp(-((k / 45) ** 2))
    return velocity * 0.8 * out * np.exp(-decay * t) * _gate(t, held, 0.03, 0.003)


@lru_cache(maxsize=512)
def triangle(freq, held, velocity):
    """A console's triangle wave: its bass."""
    t = _time(held + 0.03)
    out = np.zeros_like(t)
    for k in range(1, 20, 2):
        out += (-1) ** ((k - 1) // 2) / k**2 * np.sin(2 * np.pi * k * freq * t)
    return velocity * out * _gate(t, held, 0.04, 0.003)


def _noise(seconds, seed):
    return np.random.default_rng(seed).standard_normal(int(seconds * RATE))


@lru_cache(maxsize=64)
def kick(deep=52.0, seconds=0.42):
    t = _time(seconds)
    sweep = deep + 105 * np.exp(-t / 0.022)
    out = np.sin(2 * np.pi * np.cumsum(sweep) / RATE) * np.exp(-t / (seconds / 3.6))
    click = low_pass(_noise(seconds, 1), 2500) * np.exp(-t / 0.004)
    return (out + 0.1 * click) * _gate(t, seconds, 1, 0.002)


@lru_cache(maxsize=64)
def snare(tone=182.0, bright=5200.0, seconds=0.3, seed=2):
    t = _time(seconds)
    wires = high_pass(low_pass(_noise(seconds, seed), bright), 900) * np.exp(-t / 0.085)
    drum = np.sin(2 * np.pi * (tone + 60 * np.exp(-t / 0.01)) * t) * np.exp(-t / 0.05)
    return (0.55 * wires + 0.6 * drum) * _gate(t, seconds, 1, 0.002)


@lru_cache(maxsize=64)
def hat(seconds=0.07, seed=3, low=7000.0):
    t = _time(seconds * 3)
    return high_pass(_noise(seconds * 3, seed), low, 4) * np.exp(-t / (seconds / 2)) * _gate(t, 1, 1, 0.001)


@lru_cache(maxsize=64)
def shaker(seed=4, seconds=0.11):
    t = _time(seconds)
    grain = high_pass(low_pass(_noise(seconds, seed), 9500), 4200, 3)
    return grain * np.sin(np.pi * np.clip(t / seconds, 0, 1)) ** 2


@lru_cache(maxsize=8)
def rim():
    t = _time(0.12)
    wood = np.sin(2 * np.pi * 1710 * t) + 0.6 * np.sin(2 * np.pi * 822 * t + 1)
    return wood * np.exp(-t / 0.014) * _gate(t, 1, 1, 0.001)


@lru_cache(maxsize=16)
def brush(seed=5, seconds=0.26):
    t = _time(seconds)
    sweep = high_pass(low_pass(_noise(seconds, seed), 6500), 1500)
    return sweep * np.sin(np.pi * t / seconds) ** 1.5


def crackle(seconds, seed=6):
    """The dust of an old record: sparse soft clicks and a little hiss."""
    rng = np.random.default_rng(seed)
    length = int(seconds * RATE)
    dust = np.zeros((2, length))
    for side in (0, 1):
        hits = rng.integers(0, length, int(seconds * 9))
        dust[side, hits] = rng.normal(0, 1, hits.size) * rng.random(hits.size) ** 2
    dust = high_pass(low_pass(dust, 4500, 1), 600)
    hiss = low_pass(rng.standard_normal((2, length)), 5500, 1)
    return 0.5 * dust / np.abs(dust).max() + 0.008 * hiss
