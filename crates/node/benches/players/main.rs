//! Players per core: the engine as it runs, beside the bare loops of the same run.
//!
//! `cargo bench -p backline-node --bench players -- [--quick] [--json]`
//!
//! One clock thread and one pool thread play real files through the real pipeline to sockets on
//! loopback. In between, while the players are paused, the bare loops run: the system call, the
//! seal and the codec on their own. CPU time is what counts, never time on the wall, and a ratio
//! is always taken between neighbours, because a shared machine is faster now and slower then.

mod bare;
mod meter;
mod report;
mod stage;

use std::io::{self, Write};
use std::time::Duration;

use bare::{Codec, Senders};
use report::{Bare, Report, Round, Row};
use stage::{Stage, Track};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
struct Plan {
    passthrough: &'static [usize],
    transcode: usize,
    rounds: usize,
    window: Duration,
    /// CPU time of one run of a bare loop.
    bare: Duration,
}

const WHOLE: Plan = Plan {
    passthrough: &[500, 1_000, 2_000],
    transcode: 40,
    rounds: 5,
    window: Duration::from_millis(1_200),
    bare: Duration::from_millis(150),
};

const QUICK: Plan = Plan {
    passthrough: &[100],
    transcode: 5,
    rounds: 2,
    window: Duration::from_millis(500),
    bare: Duration::from_millis(50),
};

fn main() -> io::Result<()> {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    // Without `--bench` this is `cargo test --all-targets`, which only wants to see it work.
    let plan = if asked("--quick") || !asked("--bench") {
        QUICK
    } else {
        WHOLE
    };
    backline_media::dsp::flush_denormals();
    let report = measure(&plan)?;
    let mut out = io::stdout().lock();
    if asked("--json") {
        io::stderr().lock().write_all(report.table().as_bytes())?;
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)
    } else {
        out.write_all(report.table().as_bytes())
    }
}

fn measure(plan: &Plan) -> io::Result<Report> {
    let most = plan.passthrough.iter().copied().max().unwrap_or(0);
    let opus = Track::load("nocturne.opus")?;
    let mp3 = Track::load("bossa.mp3")?;
    let mut senders = Senders::new(most, &opus)?;
    let mut codec = Codec::new(&mp3, VOLUME);
    let mut stage = Stage::start()?;
    // What the first player of a process brings along is no player's.
    stage.add(1, &opus, 1.0)?;
    stage.add(1, &mp3, VOLUME)?;
    stage.clear();

    // The players of a stage stay while more come, so that memory freed by some is not given to
    // others and missing from their bill. Paused ones cost no time.
    let transcode = {
        let grown = stage.grow(plan.transcode, &mp3, VOLUME)?;
        let mut bare = || vec![codec.encode(plan.bare), codec.chain(plan.bare)];
        let rounds = rounds(plan, &mut stage, plan.transcode, &mut bare);
        Row::new(plan.transcode, &grown, &rounds)
    };
    stage.shelve();
    let mut passthrough = Vec::new();
    for &players in plan.passthrough {
        let grown = stage.grow(players, &opus, 1.0)?;
        let mut bare = || {
            vec![
                senders.send(players, plan.bare),
                senders.seal_and_send(players, plan.bare),
                senders.send_paced(players, plan.window / 4),
            ]
        };
        let rounds = rounds(plan, &mut stage, players, &mut bare);
        passthrough.push(Row::new(players, &grown, &rounds));
    }
    stage.stop();
    Ok(Report::new(plan.rounds, passthrough, transcode))
}

/// Lets the players of the stage play and the bare loops run, by turns.
fn rounds(
    plan: &Plan,
    stage: &mut Stage,
    players: usize,
    bare: &mut impl FnMut() -> Vec<Bare>,
) -> Vec<Round> {
    let mut before = bare();
    let mut rounds = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        let window = stage.play_for(plan.window);
        let after = bare();
        rounds.push(Round::new(players, window, &before, &after));
        before = after;
    }
    rounds
}

/// The volume of transcoded players: 80 %.
const VOLUME: f32 = 0.8;
