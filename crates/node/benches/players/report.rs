//! From readings to a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::company::Company;
use crate::stage::{Grown, Window};

/// One run of a bare loop.
#[derive(Clone)]
pub struct Bare {
    name: &'static str,
    micros: f64,
}

/// One stretch of playing, and the bare loops right before and after.
pub struct Round {
    window: Window,
    expected: u64,
    bare: Vec<Bare>,
}

/// All that was measured.
#[derive(Serialize)]
pub struct Report {
    cores: usize,
    optimised: bool,
    rounds: usize,
    passthrough: Vec<Row>,
    transcode: Row,
    company: Company,
}

/// So many players of one kind; medians over the rounds.
#[derive(Serialize)]
pub struct Row {
    name: &'static str,
    players: usize,
    frame_us: f64,
    clock_us: f64,
    pool_us: f64,
    players_per_core: f64,
    bare: Vec<Beside>,
    frames_expected: u64,
    frames_sent: u64,
    frames_late: u64,
    frames_missing: u64,
    lateness_p50_ms: f64,
    lateness_p99_ms: f64,
    kib_per_player: f64,
    engine_threads: usize,
    threads: usize,
}

/// A bare loop beside the players.
#[derive(Serialize)]
struct Beside {
    name: &'static str,
    us: f64,
    /// Its slowest run by its fastest: how restless the machine was.
    spread: f64,
    /// Its time by ours in the same round: 1.0 would be a node that costs nothing.
    ratio: f64,
}

impl Bare {
    pub fn new(name: &'static str, micros: f64) -> Self {
        Self { name, micros }
    }
}

impl Round {
    pub fn new(players: usize, window: Window, before: &[Bare], after: &[Bare]) -> Self {
        let bare = before.iter().zip(after).map(|(before, after)| {
            Bare::new(before.name, f64::midpoint(before.micros, after.micros))
        });
        Self {
            expected: (window.duration.as_secs_f64() * 50.0 * players as f64).round() as u64,
            bare: bare.collect(),
            window,
        }
    }

    fn clock_us(&self) -> f64 {
        self.window.clock.as_secs_f64() * 1e6 / self.window.sent as f64
    }

    fn pool_us(&self) -> f64 {
        self.window.pool.as_secs_f64() * 1e6 / self.window.sent as f64
    }

    fn frame_us(&self) -> f64 {
        self.clock_us() + self.pool_us()
    }
}

impl Row {
    pub fn new(name: &'static str, players: usize, grown: &Grown, rounds: &[Round]) -> Self {
        let median_of = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
        let sum = |value: fn(&Round) -> u64| rounds.iter().map(value).sum();
        let bare = (0..rounds[0].bare.len()).map(|index| {
            let runs = || rounds.iter().map(|round| round.bare[index].micros);
            let ratios = rounds
                .iter()
                .map(|round| round.bare[index].micros / round.frame_us());
            Beside {
                name: rounds[0].bare[index].name,
                us: median(runs()),
                spread: runs().fold(0.0, f64::max) / runs().fold(f64::INFINITY, f64::min),
                ratio: median(ratios),
            }
        });
        let mut lateness = BTreeMap::new();
        for (bound, frames) in rounds.iter().flat_map(|round| &round.window.lateness) {
            *lateness.entry(*bound).or_insert(0) += frames;
        }
        let frame_us = median_of(Round::frame_us);
        Self {
            name,
            players,
            frame_us,
            clock_us: median_of(Round::clock_us),
            pool_us: median_of(Round::pool_us),
            players_per_core: 20_000.0 / frame_us,
            bare: bare.collect(),
            frames_expected: sum(|round| round.expected),
            frames_sent: sum(|round| round.window.sent),
            frames_late: sum(|round| round.window.late),
            frames_missing: sum(|round| round.window.missing),
            lateness_p50_ms: quantile(&lateness, 0.5),
            lateness_p99_ms: quantile(&lateness, 0.99),
            kib_per_player: grown.each / 1_024.0,
            engine_threads: grown.engine_threads,
            threads: grown.threads,
        }
    }
}

impl Report {
    pub fn new(rounds: usize, passthrough: Vec<Row>, transcode: Row, company: Company) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            optimised: !cfg!(debug_assertions),
            rounds,
            passthrough,
            transcode,
            company,
        }
    }

    /// Returns the report for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        self.write_table(&mut text)
            .expect("writing to a string cannot fail");
        text
    }

    fn write_table(&self, out: &mut impl Write) -> std::fmt::Result {
        writeln!(
            out,
            "\nCPU time a frame, medians of {} rounds, {} cores. players/core = 20,000 µs by \
             µs/frame.",
            self.rounds, self.cores
        )?;
        if !self.optimised {
            writeln!(out, "This is a development build: its figures say nothing.")?;
        }
        let passthrough = "Passthrough: Ogg Opus files, 1 clock and 1 pool thread";
        write_rows(out, passthrough, &self.passthrough)?;
        let transcode = "Transcode: MP3 files at volume 80, libopus complexity 10, AES-256-GCM";
        write_rows(out, transcode, std::slice::from_ref(&self.transcode))?;
        writeln!(
            out,
            "\nBare loops, beside the players in the same rounds: 100 % is a node that costs \
             nothing.\n  {:>7}  {:<20}{:<30}{:>9}{:>8}{:>13}",
            "players", "frames pass", "loop", "µs", "spread", "bare/players",
        )?;
        for row in self.passthrough.iter().chain([&self.transcode]) {
            for bare in &row.bare {
                writeln!(
                    out,
                    "  {:>7}  {:<20}{:<30}{:>9.2}{:>8.2}{:>12.0}%",
                    row.players,
                    row.name,
                    bare.name,
                    bare.us,
                    bare.spread,
                    bare.ratio * 100.0
                )?;
            }
        }
        self.write_company(out)
    }

    fn write_company(&self, out: &mut impl Write) -> std::fmt::Result {
        let Company {
            players,
            dead,
            alone,
            beside_dead,
            files_us,
            radio_us,
        } = &self.company;
        writeln!(
            out,
            "\n{players} players alone, and beside {dead} dead sources"
        )?;
        for (name, lateness) in [("alone", alone), ("beside", beside_dead)] {
            writeln!(
                out,
                "  {name:<8} late p50 {:.3} ms, p99 {:.3} ms; clock {:.2} µs a frame",
                lateness.p50_ms, lateness.p99_ms, lateness.clock_us
            )?;
        }
        writeln!(
            out,
            "\n{players} players on one MP3 radio: {radio_us:.2} µs a frame, on files passed \
             through {files_us:.2}: {:.2} times as much",
            radio_us / files_us
        )
    }
}

fn write_rows(out: &mut impl Write, title: &str, rows: &[Row]) -> std::fmt::Result {
    writeln!(
        out,
        "\n{title}\n  {:<20}{:>7}{:>10}{:>9}{:>9}{:>14}{:>10}{:>7}{:>9}{:>9}{:>9}{:>12}{:>16}",
        "frames pass",
        "players",
        "µs/frame",
        "clock",
        "pool",
        "players/core",
        "sent",
        "late",
        "missing",
        "p50 ms",
        "p99 ms",
        "KiB/player",
        "threads"
    )?;
    for row in rows {
        let sent = 100.0 * row.frames_sent as f64 / row.frames_expected as f64;
        let threads = format!("{} of {}", row.engine_threads, row.threads);
        writeln!(
            out,
            "  {:<20}{:>7}{:>10.2}{:>9.2}{:>9.2}{:>14.0}{sent:>9.1}%{:>7}{:>9}{:>9.2}{:>9.2}{:>12.1}\
             {threads:>16}",
            row.name,
            row.players,
            row.frame_us,
            row.clock_us,
            row.pool_us,
            row.players_per_core,
            row.frames_late,
            row.frames_missing,
            row.lateness_p50_ms,
            row.lateness_p99_ms,
            row.kib_per_player,
        )?;
    }
    Ok(())
}

/// Returns the middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// Returns where `share` of all frames is reached, in milliseconds; within a bucket, frames are
/// taken to lie evenly.
pub fn quantile(lateness: &BTreeMap<u64, u64>, share: f64) -> f64 {
    let wanted = lateness.values().sum::<u64>() as f64 * share;
    let (mut below, mut from) = (0.0, 0.0);
    for (&bound, &frames) in lateness {
        let frames = frames as f64;
        if below + frames >= wanted && frames > 0.0 {
            // Of what is beyond the last bound, only that it is beyond is known.
            let to = if bound == u64::MAX {
                from
            } else {
                bound as f64
            };
            return (from + (to - from) * (wanted - below) / frames) / 1e3;
        }
        below += frames;
        from = bound as f64;
    }
    0.0
}
