"""Reading melodies: `G5:3 -:1 Eb5` is a note of three units, a rest, a note of one."""

import numpy as np

from instruments import hertz, midi


def line(text, unit, start=0.0):
    """Yields (seconds, length in seconds, MIDI number) for each note; `|` is ignored."""
    at = start
    for token in text.replace("|", " ").split():
        name, _, units = token.partition(":")
        length = float(units or 1) * unit
        if name != "-":
            yield at, length, midi(name)
        at += length


def chord(text):
    """`C3 E3 G3` to MIDI numbers."""
    return [midi(name) for name in text.split()]


class Player:
    """A musician: plays an instrument onto a tape, never quite like a machine."""

    def __init__(self, tape, instrument, seed, loose=0.006, touch=0.05):
        self.tape, self.instrument = tape, instrument
        self.rng = np.random.default_rng(seed)
        self.loose, self.touch = loose, touch

    def note(self, at, note, held, velocity=0.6, gain=1.0, pan=0.0):
        at += self.rng.normal(0, self.loose)
        # Rounded, so that equal notes are synthesised once.
        velocity = round(float(np.clip(velocity + self.rng.normal(0, self.touch), 0.08, 1)) * 16) / 16
        sound = self.instrument(hertz(note), round(held, 2), velocity)
        self.tape.add(max(0.0, at), sound, gain, pan)

    def strum(self, at, notes, held, velocity=0.5, gain=1.0, pan=0.0, spread=0.012):
        for index, note in enumerate(notes):
            self.note(at + index * spread, note, held, velocity, gain, pan + 0.08 * (index - 1.5))

    def sing(self, text, unit, start=0.0, velocity=0.6, gain=1.0, pan=0.0, legato=0.96, swell=None):
        for at, length, note in line(text, unit, start):
            force = velocity if swell is None else velocity * swell(at)
            self.note(at, note, length * legato, force, gain, pan)
