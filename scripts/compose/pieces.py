"""The pieces. Each function returns the mastered stereo recording of one."""

import numpy as np

import instruments as play
from instruments import midi
from score import Player, chord, line
from studio import Tape, high_pass, master, reverb


def nocturne():
    """Nocturne in E flat: a slow 12/8 for a soft piano, over a bass that steps down."""
    unit, bar = 0.385, 12 * 0.385
    left = [
        ("Eb2", "Bb2 Eb3 G3 Bb3 G3"), ("D2", "Bb2 D3 F3 Bb3 F3"),
        ("C2", "G2 Eb3 G3 Bb3 G3"), ("Bb1", "G2 D3 G3 Bb3 G3"),
        ("Ab1", "Eb2 C3 Eb3 G3 Eb3"), ("G1", "Eb2 Bb2 Eb3 G3 Eb3"),
        ("F1", "C2 Ab2 C3 Eb3 C3"), ("Bb1", "F2 Ab2 D3 Eb3 D3"),
        ("Ab1", "Eb2 Bb2 C3 Eb3 C3"), ("Ab1", "Eb2 Cb3 Eb3 F3 Eb3"),
        ("Eb2", "Bb2 Eb3 F3 G3 Bb3"),
    ]
    melody = """
        G5:6 Bb5:4 Ab5:2 | F5:6 -:1 Bb4 C5 D5 Eb5 F5 | Eb5:6 G5:4 F5:2 | D5:7 -:2 D5 Eb5 F5 |
        G5:3 C6:6 Bb5:3 | Bb5:3 G5:5 -:1 Eb5:3 | Ab5:3 G5 F5:2 C5:3 Eb5:3 | Eb5:6 D5:4 C5 D5 |
        Eb5:6 C5:3 Bb4:3 | Cb5:6 Bb4:3 Ab4:3 | G4:12"""
    total = 11 * bar + 5.5
    pulse = lambda at: at + 0.05 * np.sin(2 * np.pi * at / bar / 2) + 0.55 * max(0, at / bar - 9.2) ** 2
    tape = Tape(total)
    hands = Player(tape, play.felt_piano, 11, loose=0.008)
    for index, (root, notes) in enumerate(left):
        arc = 0.36 + 0.14 * np.sin(np.pi * index / 10)
        start = index * bar
        hands.note(pulse(start), midi(root), bar, arc + 0.12, 0.85, -0.15)
        pattern = chord(notes)
        for half in (0, 1):
            for step, note in enumerate(pattern):
                if half == 0 and step == 0 and index == 10:
                    continue
                at = start + (half * 6 + step) * unit
                if index == 10 and half == 1:
                    break
                held = start + bar - at
                hands.note(pulse(at), note, held, arc - 0.06 + 0.06 * (step == 0), 0.6, -0.14 + (note - 48) / 60)
    shape = lambda at: 0.86 + 0.22 * np.sin(np.pi * at / (11 * bar))
    for at, length, note in line(melody, unit):
        hands.note(pulse(at) + 0.012, note, length + 0.25, 0.62 * shape(at), 0.95, 0.1 + (note - 74) / 70)
        if 4 * bar <= at < 6 * bar and length > 1.5 * unit:
            hands.note(pulse(at) + 0.02, note - 12, length, 0.4, 0.7, 0.0)
    last = pulse(10 * bar + 6 * unit)
    for step, name in enumerate("Eb4 F4 Bb4 Eb5 G5 Bb5 Eb6".split()):
        hands.note(last + step * 0.3 + 0.02 * step**2, midi(name), 3.5, 0.42 - 0.02 * step, 0.8, -0.3 + 0.1 * step)
    return master(tape.audio + 0.3 * reverb(tape.audio, 2.6, 21), -15.0, fade_out=2.0)


def bossa():
    """Backline Bossa: nylon guitar, finger bass, flute and vibraphone."""
    beat = 60 / 128
    unit, bar = beat / 2, 4 * beat
    form = [
        ("C2", "E3 B3 D4 G4"), ("C2", "E3 A3 D4 G4"), ("C#2", "E3 Bb3 C#4 G4"), ("C#2", "E3 Bb3 C#4 G4"),
        ("D2", "F3 C4 E4 A4"), ("D2", "F3 C4 E4 A4"), ("G1", "F3 B3 E4 A4"), ("G1", "F3 B3 D4 Ab4"),
        ("E2", "D3 G3 B3 E4"), ("A1", "G3 C#4 F4 A4"), ("D2", "F3 C4 E4 A4"), ("F1", "Ab3 C4 D4 G4"),
        ("E2", "D3 G3 B3 E4"), ("A1", "G3 C#4 E4 Bb4"), ("D2", "F3 C4 E4 A4"), ("C2", "E3 A3 D4 G4"),
    ]
    chords = form[14:16] + form + [form[3], form[7], ("C2", "E3 A3 D4 G4")]
    tune = """
        - E5 G5 B5:3 A5 G5 | D5 E5:4 - G5 A5 | Bb5:3 G5 E5 - C#5 E5 | G5:5 - E5 G5 |
        F5:3 A5 C6:3 B5 | A5:2 F5 E5:4 - | - E5 F5 A5:2 B5 E5:2 | Ab5:3 F5 D5:2 B4:2 |
        - B4 D5 E5 G5:2 B5:2 | A5:3 G5 F5 E5 C#5:2 | D5 F5:2 A5:2 C6:3 | D6:2 C6 Ab5:3 F5:2 |
        G5:3 E5 B5:4 | Bb5:2 A5 G5:2 E5 C#5:2 | F5:2 E5 D5 B4 D5 A5:2 | G5:6 -:2"""
    total = len(chords) * bar + 2.5
    guitar, low, lead, bars, drums = (Tape(total) for _ in range(5))
    comp = Player(guitar, lambda f, s, v: play.pluck(f, s, v, 0.23, 1.9, 0.7), 31)
    bassist, flute = Player(low, play.bass, 32), Player(lead, play.flute, 33, loose=0.012)
    mallets = Player(bars, play.vibraphone, 34)
    clave = ([0, 3, 6], [2, 5]), ([1, 4], [0, 3, 7])
    for index, (root, notes) in enumerate(chords):
        start, final = index * bar, index == len(chords) - 1
        root, notes = midi(root), chord(notes)
        fifth = root + (6 if notes[0] - root == 15 and (notes[2] - root) % 12 == 0 else 7)
        if final:
            comp.strum(start, [root + 12] + notes + [midi("B4"), midi("E5")], 2.6, 0.55, 0.8, -0.25, 0.03)
            bassist.note(start, root, 2.4, 0.7)
            mallets.strum(start + 0.2, chord("D5 E5 A5"), 2.0, 0.35, 0.5, 0.4, 0.06)
            continue
        for at, held, force in ((0, 1.4, 0.74), (1.5, 0.45, 0.5), (2, 1.4, 0.68), (3.5, 0.45, 0.5)):
            bassist.note(start + at * beat, root if at in (0, 3.5) else fifth, held * beat, force)
        hits = ((0, 1), (3, 2), (6, 2)) if index % 2 == 0 else ((1, 2), (4, 1), (6, 1.6))
        for step, held in hits:
            comp.strum(start + step * unit, notes, held * unit, 0.5 + 0.08 * (step == 0), 0.62, -0.3, 0.006)
        for step in range(8):
            drums.add(start + step * unit, play.shaker(40 + step % 3), 0.085 if step % 2 else 0.15, 0.45)
        for step in clave[index % 2][0]:
            drums.add(start + step * unit, play.rim(), 0.13, -0.2)
        for at in (0, 1.5, 2, 3.5):
            drums.add(start + at * beat, play.kick(50, 0.25), 0.26 if at in (0, 2) else 0.16)
        if index >= 10 and index % 2 == 0:
            mallets.strum(start + 4 * unit, [n + 12 for n in notes[1:]], beat, 0.3, 0.42, 0.4, 0.02)
    flute.sing(tune, unit, 2 * bar, 0.6, 0.5, 0.12, 0.9)
    mallets.sing("- G5 A5 C6:2 A5 G5:2 | E5:6 -:2", unit, 0, 0.5, 0.55, 0.35)
    mallets.sing("Bb5:3 G5 E5:4 | Ab5:3 F5 D5 B4:3", unit, 18 * bar, 0.5, 0.55, 0.35)
    dry = 0.9 * guitar.audio + 0.95 * low.audio + lead.audio + bars.audio + drums.audio
    send = 0.5 * guitar.audio + 0.75 * lead.audio + 0.8 * bars.audio + 0.5 * drums.audio
    return master(dry + 0.3 * reverb(send, 1.4, 35), fade_out=1.2)


def arcade():
    """Coin Door: a chip tune on two pulse waves, a triangle and noise."""
    beat = 60 / 148
    unit, bar = beat / 4, 4 * beat
    chords = "Am F C G Am F C E | F G Em Am F G A A".replace("|", "").split()
    tones = {"Am": "A3 C4 E4", "F": "F3 A3 C4", "C": "C4 E4 G4", "G": "G3 B3 D4",
             "E": "E3 G#3 B3", "Em": "E3 G3 B3", "A": "A3 C#4 E4"}
    tune = """
        A4:3 E5:3 D5:2 C5:2 B4:2 A4:2 C5:2 | C5:3 F5:3 E5:2 C5:4 A4:4 | G4:3 C5:3 D5:2 E5:2 D5:2 C5:2 E5:2 |
        D5:6 B4:2 G4:4 B4:2 D5:2 | A4:3 E5:3 D5:2 C5:2 B4:2 A4:2 C5:2 | C5:3 A5:3 G5:2 F5:2 E5:2 D5:2 C5:2 |
        E5:3 G5:3 E5:2 C5:2 D5:2 E5:2 G5:2 | G#5:6 E5:2 B4:4 E5:4 |
        A5:6 G5:2 F5:2 E5:2 F5:2 A5:2 | B5:6 A5:2 G5:2 F5:2 G5:2 B5:2 | G5:6 E5:2 B5:4 G5:4 | A5:8 E5:2 G5:2 A5:2 C6:2 |
        C6:4 A5:4 F5:2 A5:2 C6:4 | D6:4 B5:4 G5:2 B5:2 D6:4 | C#6:3 A5:3 E5:2 C#6:3 D6:3 E6:2 | A5:8"""
    total = 16 * bar + 1.6
    lead, arpeggio, low, drums = (Tape(total) for _ in range(4))
    first = Player(lead, lambda f, s, v: play.pulse(f, s, v, 0.25, 0.006, 0.9), 51, loose=0, touch=0.02)
    second = Player(arpeggio, lambda f, s, v: play.pulse(f, s, v, 0.125, 0.0, 5.0), 52, loose=0, touch=0.02)
    third = Player(low, play.triangle, 53, loose=0, touch=0.0)
    for index, name in enumerate(chords):
        start = index * bar
        notes = chord(tones[name])
        run = [notes[0], notes[1], notes[2], notes[0] + 12, notes[2], notes[1]]
        last = index == 15
        for step in range(8 if last else 16):
            pan = 0.75 * np.sin(2 * np.pi * (index * 16 + step) / 24)
            second.note(start + step * unit, run[step % 6] + 12, unit * 0.8, 0.44, 0.4, pan)
        root = notes[0] - 24 if notes[0] >= 57 else notes[0] - 12
        for step, octave in ((0, 0), (3, 0), (6, 12), (8, 0), (11, 0), (14, 12)):
            if last and step > 0:
                break
            third.note(start + step * unit, root + octave, unit * (8 if last else 1.9), 0.9, 0.62)
        for step in range(0, 16, 2):
            if last and step > 0:
                break
            drums.add(start + step * unit, play.hat(0.03, 54, 6000), 0.09 if step % 4 else 0.05, 0.25)
        for step in (0, 8) if not last else (0,):
            drums.add(start + step * unit, play.kick(58, 0.2), 0.5)
        for step in (4, 12) if not last else ():
            drums.add(start + step * unit, play.snare(210, 6500, 0.18), 0.3)
        if index in (7, 14):
            for step in (13, 14, 15):
                drums.add(start + step * unit, play.snare(240, 6500, 0.12), 0.2, -0.2 + 0.2 * (step - 13))
    first.sing(tune, unit, 0, 0.66, 0.5, -0.08, 0.9)
    for at, length, note in line(tune, unit):
        if at >= 8 * bar:
            members = {tone % 12 for tone in chord(tones[chords[int(at / bar + 1e-6)]])}
            below = next(n for n in range(note - 3, note - 10, -1) if n % 12 in members)
            first.note(at + 0.011, below, length * 0.9, 0.4, 0.26, 0.45)
    lead.echo(3 * unit, 0.45, 0.3, 5)
    dry = lead.audio + arpeggio.audio + low.audio + drums.audio
    return master(dry + 0.1 * reverb(lead.audio + arpeggio.audio, 0.9, 55), fade_out=0.8)


def waltz():
    """Waltz for Strings and a Tin Star: plucked strings and a music box, in E minor."""
    beat = 60 / 152
    bar = 3 * beat
    harmony = {"Em": ("E2", "B3 E4 G4"), "Am": ("A2", "A3 C4 E4"), "B7": ("B2", "A3 D#4 F#4"),
               "D7": ("D3", "A3 C4 F#4"), "G": ("G2", "B3 D4 G4"), "C": ("C3", "G3 C4 E4"),
               "F#m": ("F#2", "A3 C4 E4"), "E7": ("E2", "G#3 D4 E4"), "E": ("E2", "B3 E4 G#4")}
    chords = "Em Em Am Am B7 B7 Em Em Am D7 G C F#m B7 Em E7 Am D7 G C F#m B7 Em Em".split()
    tune = """
        B4:1.5 C5:.5 B4 | E5:2 G5 | A5:1.5 G5:.5 A5 | C6:2 - | B5:1.5 A5:.5 F#5 | D#5 F#5 A5 | G5:1.5 F#5:.5 E5 | B4:2 - |
        C5 E5 A5 | C6:1.5 B5:.5 A5 | B5:2 G5 | E5:2 G5 | A5:1.5 G5:.5 E5 | D#5 E5 F#5 | E5:2 B4 | G#5:1.5 F#5:.5 E5 |
        A5:.5 B5:.5 C6 E6 | D6:.5 C6:.5 A5 F#5 | G5:.5 A5:.5 B5 D6 | C6:.5 B5:.5 G5 E5 | A5 C6 E6 | D#6:1.5 B5:.5 A5 | G5:1.5 F#5:.5 E5 | E5:2 -"""
    total = 24 * bar + 3.2
    turn = lambda at: at + 0.2 * max(0, at / bar - 21) ** 1.6
    strings, comb, low = Tape(total), Tape(total), Tape(total)
    harp = Player(strings, lambda f, s, v: play.pluck(f, s, v, 0.31, 2.6, 0.8), 61, loose=0.009)
    violin = Player(strings, lambda f, s, v: play.pluck(f, s, v, 0.13, 2.2, 1.2), 62, loose=0.008)
    box = Player(comb, play.music_box, 63, loose=0.007)
    cello = Player(low, lambda f, s, v: play.pluck(f, s, v, 0.4, 3.0, 0.3), 64)
    for index, name in enumerate(chords):
        root, notes = harmony[name]
        root, notes = midi(root), chord(notes)
        start = index * bar
        if index == 23:
            for step, note in enumerate(chord("E3 B3 E4 G4 B4 E5 G5 B5 E6")):
                harp.note(turn(start) + 0.09 * step, note, 2.4, 0.5, 0.6, -0.5 + 0.12 * step)
            cello.note(turn(start), midi("E2"), 2.6, 0.8, 0.9, -0.1)
            continue
        cello.note(turn(start), root, beat * 1.7, 0.78, 0.95, -0.1)
        for at in (1, 2):
            harp.strum(turn(start + at * beat), notes, beat * 0.9, 0.42 + 0.05 * (at == 1), 0.52, -0.35, 0.007)
        if index >= 16:
            for step in range(6):
                note = (notes + [notes[0] + 12, notes[2], notes[1]])[step] + 12
                harp.note(turn(start + step * beat / 2), note, beat, 0.32, 0.34, 0.45)
    for at, length, note in line(tune, beat):
        if at < 23 * bar:
            violin.note(turn(at), note, length + 0.2, 0.7, 0.62, 0.15)
        if at >= 8 * bar and at < 23 * bar:
            box.note(turn(at) + 0.004, note + 12, length, 0.5, 0.22 if at < 16 * bar else 0.3, 0.3)
    box.note(turn(23 * bar) + 0.95, midi("E7"), 1.5, 0.4, 0.2, 0.3)
    dry = strings.audio + comb.audio + low.audio
    return master(dry + 0.28 * reverb(dry, 2.0, 65), -14.5, fade_out=1.5)


def rain():
    """Rain on the Tape: electric piano, a lazy beat, an old record."""
    beat = 60 / 76
    bar, swing = 4 * beat, 0.62
    loop = [("F2", "A3 C4 E4 G4"), ("E2", "G3 B3 D4 F#4"), ("D2", "F3 A3 C4 E4"), ("G1", "F3 A3 B3 E4"),
            ("F2", "A3 C4 E4 G4"), ("E2", "G#3 C4 D4 G4"), ("A1", "G3 B3 C4 E4"), ("C2", "G3 Bb3 D4 E4")]
    chords = loop + loop[:3] + [("F2", "A3 C4 E4 G4")]
    tune = """
        -:4 | -:2 B4 D5 | E5:3 C5 | A4:2 - G4:.5 A4:.5 | C5:1.5 D5:.5 E5 G5 | D5:3 C5:.5 G#4:.5 | C5:2 -:.5 E5:.5 G5 | E5:2 D5:.5 C5:.5 Bb4 |
        A4:1.5 C5:.5 G5:2 | F#5:1.5 D5:.5 B4:2 | C5:1.5 E5:.5 A5:2 | G5:4"""
    total = 12 * bar + 3.0
    keys, low, lead, drums = (Tape(total) for _ in range(4))
    rhodes = Player(keys, play.electric_piano, 71, loose=0.012)
    fingers, solo = Player(low, play.bass, 72, loose=0.01), Player(lead, play.felt_piano, 73, loose=0.014)
    kicks = []
    for index, (root, notes) in enumerate(chords):
        start, last = index * bar, index == 11
        root, notes = midi(root), chord(notes)
        rhodes.strum(start, notes, bar * (1 if last else 0.6), 0.5, 0.5, 0.0, 0.022)
        fingers.note(start, root, beat * (4 if last else 1.6), 0.75)
        if last:
            continue
        rhodes.strum(start + (2 + swing) * beat, notes[1:], beat * 1.1, 0.36, 0.42, 0.0, 0.015)
        fingers.note(start + (1 + swing) * beat, root + 12, beat * 0.4, 0.5)
        fingers.note(start + (2 + swing) * beat, root + 7, beat * 1.2, 0.62)
        if index < 2:
            drums.add(start + 3 * beat, play.rim(), 0.1, 0.2)
            continue
        for at in (0, 1 + swing, 2 + swing) if index % 2 else (0, 2 + swing):
            kicks.append(start + at * beat)
            drums.add(start + at * beat + 0.008, play.kick(48, 0.38), 0.62 if at == 0 else 0.46)
        for at in (1, 3):
            drums.add(start + at * beat + 0.018, play.snare(172, 3600, 0.28), 0.34, 0.04)
            drums.add(start + at * beat + 0.012, play.brush(74), 0.08, -0.3)
        for step in range(8):
            at = step // 2 + (swing if step % 2 else 0)
            drums.add(start + at * beat, play.hat(0.035 + 0.03 * (step == 7), 75 + step % 3), 0.075 if step % 2 else 0.05, 0.3)
    solo.sing(tune, beat, 0, 0.52, 0.6, 0.12, 1.1)
    keys.duck(kicks, 0.22).wobble(5, 0.6).chorus(1.6, 0.4, 0.3)
    lead.echo(beat * 0.75, 0.35, 0.2, 3).wobble(5, 0.6)
    drums.low_pass(8200)
    mix = keys.audio + low.audio + lead.audio + drums.audio
    mix = mix + 0.22 * reverb(0.8 * keys.audio + lead.audio + 0.25 * drums.audio, 1.7, 76)
    dust = play.crackle(total)
    mix = high_pass(mix, 45) + 0.085 * np.abs(mix).max() * dust
    tape = Tape(total)
    tape.audio = mix
    return master(tape.low_pass(9500).audio, fade_in=0.3, fade_out=2.2)


def drift():
    """Drift: slow chords that open and close, with a few far bells."""
    chords = [("D2 A2", "D4 F#4 A4 E5"), ("B1 F#2", "D4 F#4 A4 C#5"), ("G1 D2", "D4 G4 B4 F#5"), ("D2 A2", "E4 F#4 A4 D5")]
    bells = [(2.2, "A5"), (3.0, "E6"), (5.8, "F#5"), (6.9, "C#6"), (9.4, "B5"), (10.2, "F#6"), (11.3, "D6"), (14.0, "A5"), (15.0, "E6")]
    total = 21.0
    air, far = Tape(total), Tape(total)
    synth, glass = Player(air, play.pad, 81, loose=0.05, touch=0), Player(far, play.vibraphone, 82, loose=0.03)
    for index, (low, high) in enumerate(chords):
        start = index * 3.95
        for step, note in enumerate(chord(low)):
            synth.note(start, note, 3.95, 0.5, 0.5, -0.15 + 0.3 * step)
        for step, note in enumerate(chord(high)):
            synth.note(start + 0.25 * step, note, 3.6, 0.44, 0.34, -0.5 + 0.33 * step)
    for index, (at, name) in enumerate(bells):
        glass.note(at, midi(name), 2.2, 0.42, 0.3, 0.7 * (-1) ** index)
    air.low_pass(1900, 1)
    far.low_pass(3500).echo(0.62, 0.5, 0.4, 5)
    dry = 0.8 * air.audio + 0.8 * far.audio
    return master(dry + 0.5 * reverb(dry, 3.8, 83, 0.03, 3600), -16.5, fade_in=0.8, fade_out=3.5)


def chime():
    """Chime: a few seconds that say hello. One channel."""
    total = 5.6
    tape = Tape(total)
    box, harp = Player(tape, play.music_box, 91, 0.004), Player(tape, play.pluck, 92, 0.004)
    tune = "G5:.5 C6:.5 E6:.5 G6:1.5 | A6:.5 C7:.5 A6:.5 E6:1.5 | F6:.5 D6:.5 B5:1 | E6:.5 G6:.5 C7:4"
    box.sing(tune, 0.3, 0.02, 0.6, 0.55, 0.0, 1.2)
    for at, notes in ((0.02, "C3 G3 E4"), (0.92, "F3 C4 A4"), (1.82, "G3 F4 B4"), (2.42, "C3 G3 D4 E4 G4 C5")):
        harp.strum(at, chord(notes), 2.2, 0.5, 0.55, 0.0, 0.035)
    mix = tape.audio + 0.25 * reverb(tape.audio, 1.4, 93)
    return master(mix.mean(axis=0, keepdims=True), -17.0, fade_out=1.0)
