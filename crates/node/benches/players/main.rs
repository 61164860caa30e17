//! Players per core: the engine as it runs, beside the bare loops of the same run.
//!
//! `cargo bench -p backline-node --bench players -- [option…]`
//!
//! - `--quick`: a look; the figures are rough.
//! - `--json`: the figures as JSON on standard output, the tables on standard error.
//! - `--minutes N [--players N]`: many players for long, a line a minute.
//! - `--soak N [--players N]`: players come and go for N minutes; does anything grow?
//!
//! One clock thread and one pool thread play real files through the real pipeline to sockets on
//! loopback. In between, while the players are paused, the bare loops run: the same work without
//! a node, the system call, the codec on their own. CPU time is what counts, never time on the
//! wall, and a ratio is always taken between neighbours, because a shared machine is faster now
//! and slower then.

mod bare;
mod company;
mod long;
mod meter;
mod report;
mod slope;
mod soak;
mod stage;

use std::io::{self, Write};
use std::time::Duration;

use bare::{Codec, Crypto, Senders};
use report::{Bare, Report, Round, Row};
use stage::{Kind, Stage, Track};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
struct Plan {
    passthrough: &'static [usize],
    transcode: usize,
    /// Good players, and dead sources or listeners of one radio beside them.
    company: (usize, usize),
    rounds: usize,
    window: Duration,
    /// CPU time of one run of a bare loop.
    bare: Duration,
}

const WHOLE: Plan = Plan {
    passthrough: &[1_000, 3_000, 6_000],
    transcode: 40,
    company: (1_000, 500),
    rounds: 5,
    window: Duration::from_millis(1_200),
    bare: Duration::from_millis(150),
};

const QUICK: Plan = Plan {
    passthrough: &[100],
    transcode: 5,
    company: (100, 20),
    rounds: 2,
    window: Duration::from_millis(500),
    bare: Duration::from_millis(50),
};

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    let number = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    meter::allow_many_files();
    backline_media::dsp::flush_denormals();
    let mut out = io::stdout().lock();
    if let Some(minutes) = number("--minutes") {
        let players = number("--players").unwrap_or(6_000) as usize;
        return long::run(minutes, players, &mut out);
    }
    if let Some(minutes) = number("--soak") {
        let players = number("--players").unwrap_or(500) as usize;
        return soak::run(minutes, players, &mut out);
    }
    // Without `--bench` this is `cargo test --all-targets`, which only wants to see it work.
    let plan = if asked("--quick") || !asked("--bench") {
        QUICK
    } else {
        WHOLE
    };
    let report = measure(&plan)?;
    if asked("--json") {
        io::stderr().lock().write_all(report.table().as_bytes())?;
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)
    } else {
        out.write_all(report.table().as_bytes())
    }
}

fn measure(plan: &Plan) -> io::Result<Report> {
    let opus = Track::load("nocturne.opus")?;
    let mp3 = Track::load("bossa.mp3")?;
    let through = |crypto| Kind {
        track: opus.name,
        gain: 1.0,
        crypto,
    };
    let anew = Kind {
        track: mp3.name,
        gain: VOLUME,
        crypto: Crypto::Transport,
    };
    let mut stage = Stage::start()?;
    // What the first player of a process brings along is no player's.
    stage.add(1, through(Crypto::Transport))?;
    stage.add(1, anew)?;
    stage.clear();

    // The players of a stage stay while more come, so that memory freed by some is not given to
    // others and missing from their bill. Paused ones cost no time.
    let transcode = {
        let mut codec = Codec::new(&mp3, VOLUME, plan.transcode);
        stage.forget_memory();
        let grown = stage.grow(plan.transcode, anew)?;
        let mut bare = || {
            vec![
                codec.encode(plan.bare),
                codec.chain(plan.bare),
                codec.chains(plan.bare),
            ]
        };
        let rounds = rounds(plan, &mut stage, plan.transcode, &mut bare)?;
        Row::new("MP3 at volume 80", plan.transcode, &grown, &rounds)
    };
    stage.shelve();
    let mut passthrough = Vec::new();
    let most = plan.passthrough.iter().copied().max().unwrap_or(0);
    let mut senders = Senders::new(most, &opus)?;
    stage.forget_memory();
    for &players in plan.passthrough {
        for (name, crypto) in CRYPTO {
            let grown = stage.grow(players, through(crypto))?;
            stage.set_crypto(crypto);
            senders.set_crypto(crypto);
            let mut bare = || {
                vec![
                    senders.paced(players, plan.window / 2),
                    senders.send(players, plan.bare),
                ]
            };
            let rounds = rounds(plan, &mut stage, players, &mut bare)?;
            passthrough.push(Row::new(name, players, &grown, &rounds));
        }
    }
    drop(senders);
    stage.stop();
    let company = company::measure(plan, through(Crypto::Transport))?;
    Ok(Report::new(plan.rounds, passthrough, transcode, company))
}

/// Lets the players of the stage play and the bare loops run, by turns.
fn rounds(
    plan: &Plan,
    stage: &mut Stage,
    players: usize,
    bare: &mut impl FnMut() -> Vec<Bare>,
) -> io::Result<Vec<Round>> {
    let mut before = bare();
    let mut rounds = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        let window = stage.play_for(plan.window)?;
        let after = bare();
        rounds.push(Round::new(players, window, &before, &after));
        before = after;
    }
    Ok(rounds)
}

/// What frames pass, in words.
const CRYPTO: [(&str, Crypto); 2] = [
    ("AES-256-GCM", Crypto::Transport),
    ("DAVE + AES-256-GCM", Crypto::EndToEnd),
];
/// The volume of transcoded players: 80 %.
const VOLUME: f32 = 0.8;
