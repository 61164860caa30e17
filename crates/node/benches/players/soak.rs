//! Players come and go for long: does anything grow?

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::bare::Crypto;
use crate::company::Server;
use crate::meter;
use crate::slope::Slope;
use crate::stage::{Kind, Stage};

/// Warming up is no growth: the share of the time that is left out.
const WARM_UP: f64 = 0.2;
/// Stretches that readings are gathered into.
const BLOCKS: usize = 16;
/// Players that come and go every second.
const EVERY_SECOND: usize = 20;
/// Growth by the hour that passes even where it is certain.
const BOUNDS: [(&str, f64); 3] = [("resident MiB", 4.0), ("open files", 1.0), ("threads", 1.0)];

/// Runs for so many minutes with so many players at a time.
pub fn run(minutes: u64, players: usize, out: &mut impl Write) -> io::Result<()> {
    let mut stage = Stage::start()?;
    let server = Server::start(&stage)?;
    let (dead, web) = (server.dead(), server.file());
    let kinds = [
        ("nocturne.opus", 1.0),
        ("rain.webm", 1.0),
        ("nocturne.opus", 1.0),
        (web.as_str(), 1.0),
        ("nocturne.opus", 1.0),
        ("bossa.mp3", 1.0),
        (dead.as_str(), 1.0),
        ("nocturne.opus", 0.7),
        ("nocturne.opus", 1.0),
        ("drift.flac", 1.0),
    ];
    let mut turn = 0_usize;
    let mut come = |stage: &mut Stage, count: usize| -> io::Result<()> {
        for _ in 0..count {
            turn += 1;
            // One in five is not passed through: more would need more than a core.
            let (track, gain) = if turn.is_multiple_of(5) {
                kinds[turn / 5 % kinds.len()]
            } else {
                kinds[0]
            };
            let crypto = if turn.is_multiple_of(2) {
                Crypto::EndToEnd
            } else {
                Crypto::Transport
            };
            stage.add(
                1,
                Kind {
                    track,
                    gain,
                    crypto,
                },
            )?;
        }
        Ok(())
    };
    stage.pause_all(false);
    come(&mut stage, players)?;
    let (start, length) = (Instant::now(), Duration::from_secs(minutes * 60));
    let mut readings: [Vec<(f64, f64)>; 3] = Default::default();
    let (mut missed, mut gone, mut second) = (0, 0_u64, 0_u64);
    while start.elapsed() < length {
        second += 1;
        for _ in 0..EVERY_SECOND {
            stage.remove_first();
        }
        gone += EVERY_SECOND as u64;
        come(&mut stage, EVERY_SECOND)?;
        // Somebody turns the volume, somebody turns it back.
        let loud = second as usize * 7 % stage.len();
        stage.set_gain(loud, if second.is_multiple_of(2) { 1.0 } else { 0.9 });
        let window = stage.observe(Duration::from_millis(900))?;
        missed += window.late;
        let hours = start.elapsed().as_secs_f64() / 3_600.0;
        if start.elapsed() > length.mul_f64(WARM_UP) {
            readings[0].push((hours, meter::resident()? as f64 / 1_048_576.0));
            readings[1].push((hours, meter::open_files()? as f64));
            readings[2].push((hours, meter::threads()?.len() as f64));
        }
    }
    writeln!(
        out,
        "{minutes} min, {players} players at a time, {gone} came and went, {missed} frames late"
    )?;
    let mut sound = true;
    for (readings, (name, bound)) in readings.iter().zip(BOUNDS) {
        let last = readings.last().map_or(0.0, |(_, value)| *value);
        let Some(fit) = Slope::fit(readings, BLOCKS) else {
            writeln!(out, "{name:<14}{last:>10.1}  too few readings")?;
            continue;
        };
        let grows = !fit.stays_below(bound);
        sound &= !grows;
        writeln!(
            out,
            "{name:<14}{last:>10.1}  {:+.2} ± {:.2} an hour: {}",
            fit.slope,
            fit.margin,
            if grows { "GROWS" } else { "does not grow" }
        )?;
    }
    stage.stop();
    drop(server);
    if sound {
        Ok(())
    } else {
        Err(io::Error::other("something grows"))
    }
}
