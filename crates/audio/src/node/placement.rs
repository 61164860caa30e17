//! Which node a new player goes to: the one with the least to do.

use backline_proto::lavalink::Stats;

/// Returns how busy a node is. Smaller is better; comparable among nodes only.
///
/// Playing players count one each. CPU load and frames that were not sent in time weigh little at
/// first and soon more than anything else. `players` are those we put there ourselves: they count
/// before the node's next statistics do.
pub(super) fn penalty(stats: Option<&Stats>, players: usize) -> f64 {
    let Some(stats) = stats else {
        return players as f64;
    };
    let playing = f64::from(stats.playing_players).max(players as f64);
    let load = if stats.cpu.system_load.is_finite() {
        stats.cpu.system_load.clamp(0.0, 1.0)
    } else {
        1.0
    };
    let cpu = 1.05_f64.powf(100.0 * load) * 10.0 - 10.0;
    let frames = stats.frame_stats.as_ref().value().map_or(0.0, |frames| {
        let steep = |frames: i32| {
            1.03_f64.powf(500.0 * (f64::from(frames.max(0)) / 3_000.0).min(1.0)) * 600.0 - 600.0
        };
        // A missing frame is a gap in the music; a nulled one may be a slow source.
        steep(frames.deficit) + 2.0 * steep(frames.nulled)
    });
    playing + cpu + frames
}

#[cfg(test)]
mod tests {
    use backline_proto::lavalink::{Cpu, FrameStats, Memory, Omissible};

    use super::*;

    fn stats(playing_players: u32, system_load: f64, frames: Option<(i32, i32)>) -> Stats {
        let frame_stats = frames.map(|(nulled, deficit)| FrameStats {
            sent: 3_000 - nulled - deficit,
            nulled,
            deficit,
        });
        Stats {
            frame_stats: Omissible::from(frame_stats),
            players: playing_players,
            playing_players,
            uptime: 1,
            memory: Memory::default(),
            cpu: Cpu {
                cores: 2,
                system_load,
                lavalink_load: 0.0,
            },
            draining_ms: None,
        }
    }

    #[test]
    fn the_better_node_has_the_smaller_penalty() {
        for (name, better, worse) in [
            (
                "fewer players",
                (Some(stats(3, 0.1, None)), 0),
                (Some(stats(4, 0.1, None)), 0),
            ),
            (
                "less load",
                (Some(stats(3, 0.1, None)), 0),
                (Some(stats(3, 0.5, None)), 0),
            ),
            ("fewer of ours, without statistics", (None, 1), (None, 2)),
            (
                "ours count before the statistics do",
                (Some(stats(0, 0.0, None)), 1),
                (Some(stats(0, 0.0, None)), 5),
            ),
            (
                "many players rather than lost frames",
                (Some(stats(50, 0.2, Some((0, 0)))), 0),
                (Some(stats(1, 0.2, Some((0, 300)))), 0),
            ),
            (
                "many players rather than a full CPU",
                (Some(stats(200, 0.2, None)), 0),
                (Some(stats(1, 0.95, None)), 0),
            ),
            (
                "a number rather than none",
                (Some(stats(1, 0.9, None)), 0),
                (Some(stats(1, f64::NAN, None)), 0),
            ),
        ] {
            assert!(
                penalty(better.0.as_ref(), better.1) < penalty(worse.0.as_ref(), worse.1),
                "{name}"
            );
        }
    }

    #[test]
    fn an_idle_node_has_none() {
        assert!(penalty(Some(&stats(0, 0.0, Some((0, 0)))), 0).abs() < 1e-9);
        assert!(penalty(None, 0).abs() < 1e-9);
    }
}
