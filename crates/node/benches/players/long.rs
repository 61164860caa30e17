//! Many players for long: how late, and is anything missed?

use std::io::{self, Write};
use std::time::Duration;

use crate::bare::Crypto;
use crate::meter;
use crate::report::quantile;
use crate::stage::{Kind, Stage, Window};

/// Plays for so many minutes; a line a minute and one for all of them.
pub fn run(minutes: u64, players: usize, out: &mut impl Write) -> io::Result<()> {
    let mut stage = Stage::start()?;
    let kind = Kind {
        track: "nocturne.opus",
        gain: 1.0,
        crypto: Crypto::EndToEnd,
    };
    stage.grow(players, kind)?;
    stage.pause_all(false);
    stage.observe(Duration::from_secs(2))?;
    writeln!(
        out,
        "{players} players, DAVE + AES-256-GCM, {minutes} min\n{:>8}{:>12}{:>10}{:>8}{:>9}{:>9}\
         {:>9}{:>9}{:>9}{:>10}",
        "minute",
        "sent",
        "µs/frame",
        "CPU %",
        "late",
        "missed",
        "p50 ms",
        "p99 ms",
        "max ms",
        "MiB"
    )?;
    let mut whole: Option<Window> = None;
    for minute in 1..=minutes {
        let window = stage.observe(Duration::from_mins(1))?;
        line(out, &minute.to_string(), &window)?;
        match &mut whole {
            Some(whole) => whole.add(&window),
            None => whole = Some(window),
        }
    }
    if let Some(whole) = &whole {
        line(out, "all", whole)?;
    }
    stage.stop();
    Ok(())
}

fn line(out: &mut impl Write, name: &str, window: &Window) -> io::Result<()> {
    let cpu = (window.clock + window.pool).as_secs_f64();
    writeln!(
        out,
        "{name:>8}{:>12}{:>10.2}{:>8.1}{:>9}{:>9}{:>9.2}{:>9.2}{:>9}{:>10.1}",
        window.sent,
        cpu * 1e6 / window.sent as f64,
        cpu * 100.0 / window.duration.as_secs_f64(),
        window.late,
        window.missing,
        quantile(&window.lateness, 0.5),
        quantile(&window.lateness, 0.99),
        window.latest(),
        meter::resident()? as f64 / 1_048_576.0,
    )?;
    out.flush()
}
