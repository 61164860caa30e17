//! The scripted listener of `backline demo --headless`: uses the bot, listens, counts.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use backline_media::opus::{Decoder, MAX_PACKET_VALUES};
use backline_runtime::metrics::Metrics;
use backline_sim::discord::{ChannelId, ChannelKind, Discord, Guild, UserId};
use backline_sim::voice::Listener;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What was heard, and how the bot answered.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Whether more than half of the time was music.
    music_heard: bool,
    /// Seconds of music: decoded, and louder than silence.
    music_s: f64,
    /// Tracks that nodes reported as started.
    tracks_started: u64,
    /// Frames that were decrypted.
    frames_heard: u64,
    /// Frames that came more than 40 ms behind their RTP time.
    frames_late: u64,
    /// Frames missing by their sequence numbers.
    frames_lost: u64,
    /// Median time from an interaction to its acknowledgement, in milliseconds.
    ack_ms_p50: f64,
    /// Its 99th percentile.
    ack_ms_p99: f64,
}

/// Queues all tunes, listens for `length`, and skips through them in the second half.
pub async fn listen(
    discord: &Discord,
    metrics: &Metrics,
    tunes: &[String],
    length: Duration,
) -> anyhow::Result<Summary> {
    let person = Person::enter(discord).await?;
    let mut ear = Ear::new(person.guild.listen())?;
    for tune in in_order(tunes) {
        let name = tune.rsplit_once('.').map_or(tune, |(name, _)| name);
        person.command("/play", &[("query", json!(name))]).await?;
    }
    ear.first_sound().await?;

    let start = Instant::now();
    let mut skips = skip_times(length).into_iter().map(|after| start + after);
    let mut next_skip = skips.next();
    let progress = progress(length);
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(start + length) => break,
            () = sleep_until(next_skip) => {
                person.command("/skip", &[]).await?;
                next_skip = skips.next();
            }
            heard = ear.hear() => heard?,
        }
        progress.set_position(start.elapsed().as_secs());
    }
    progress.finish_and_clear();
    let tracks_started = metrics.audio.tracks_started.get();
    person.command("/stop", &[]).await?;
    ear.summary(discord, tracks_started, length)
}

/// Prints the summary; the exit code says whether music was heard.
#[expect(clippy::print_stdout, reason = "the summary is the command's result")]
pub fn report(summary: &Summary) -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(summary)?);
    Ok(if summary.music_heard {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A scripted person in the voice channel of the demo.
struct Person<'d> {
    discord: &'d Discord,
    guild: Guild,
    channel: ChannelId,
    user: UserId,
}

impl<'d> Person<'d> {
    async fn enter(discord: &'d Discord) -> anyhow::Result<Self> {
        discord.until_ready(1).await?;
        discord.until_command("/play").await?;
        let guild = discord
            .guilds()
            .into_iter()
            .next()
            .context("the demo has no guild")?;
        let text = guild
            .channels()
            .into_iter()
            .find(|(_, _, kind)| *kind == ChannelKind::Text);
        let (channel, _, _) = text.context("the guild has no text channel")?;
        let in_voice = guild
            .members()
            .into_iter()
            .find(|member| guild.voice_state(*member).is_some());
        let user = in_voice.context("nobody is in the voice channel")?;
        Ok(Self {
            discord,
            guild,
            channel,
            user,
        })
    }

    async fn command(&self, command: &str, options: &[(&str, Value)]) -> anyhow::Result<()> {
        let interaction = self
            .discord
            .command(self.user, self.channel, command, options)?;
        interaction.acknowledged().await?;
        interaction.answer().await?;
        Ok(())
    }
}

/// Decodes what is heard, so that silence does not count as music.
struct Ear {
    listener: Listener,
    decoder: Decoder,
    samples: Box<[f32; MAX_PACKET_VALUES]>,
    music_frames: u64,
}

impl Ear {
    fn new(listener: Listener) -> anyhow::Result<Self> {
        Ok(Self {
            listener,
            decoder: Decoder::new()?,
            samples: silence(),
            music_frames: 0,
        })
    }

    async fn first_sound(&mut self) -> anyhow::Result<()> {
        let sound = async {
            while self.music_frames == 0 {
                self.hear().await?;
            }
            Ok(())
        };
        tokio::time::timeout(FIRST_SOUND, sound)
            .await
            .with_context(|| format!("nothing was heard within {} s", FIRST_SOUND.as_secs()))?
    }

    /// Takes one frame. Cancel-safe.
    async fn hear(&mut self) -> anyhow::Result<()> {
        let frame = self
            .listener
            .next()
            .await
            .context("the simulated voice server ended")?;
        let count = self
            .decoder
            .decode(&frame.opus, &mut self.samples)
            .context("decoding what was heard")?;
        let heard = &self.samples[..count];
        let energy: f32 = heard.iter().map(|sample| sample * sample).sum();
        if energy > QUIET * QUIET * count as f32 {
            self.music_frames += 1;
        }
        Ok(())
    }

    fn summary(
        self,
        discord: &Discord,
        tracks_started: u64,
        length: Duration,
    ) -> anyhow::Result<Summary> {
        let stats = self.listener.stats();
        let mut acks =
            Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).context("making a histogram")?;
        for after in discord.journal().acknowledgements() {
            acks.saturating_record(after.as_micros() as u64);
        }
        ensure!(!acks.is_empty(), "no interaction was acknowledged");
        let milliseconds = |quantile| acks.value_at_quantile(quantile) as f64 / 1_000.0;
        let music_s = self.music_frames as f64 * 0.02;
        Ok(Summary {
            music_heard: music_s > length.as_secs_f64() / 2.0,
            music_s,
            tracks_started,
            frames_heard: stats.heard,
            frames_late: stats.late,
            frames_lost: stats.lost,
            ack_ms_p50: milliseconds(0.5),
            ack_ms_p99: milliseconds(0.99),
        })
    }
}

fn silence() -> Box<[f32; MAX_PACKET_VALUES]> {
    let values = vec![0.0; MAX_PACKET_VALUES].into_boxed_slice();
    values.try_into().expect("the length is that of the array")
}

/// One that is passed through first, so that both ways through the node are heard.
fn in_order(tunes: &[String]) -> Vec<&str> {
    let mut tunes: Vec<&str> = tunes.iter().map(String::as_str).collect();
    tunes.sort_by_key(|tune| {
        Path::new(tune)
            .extension()
            .is_none_or(|extension| extension != "opus")
    });
    tunes
}

/// Skips in the second half, so that at least two seconds of each tune are heard.
fn skip_times(length: Duration) -> Vec<Duration> {
    [0.5, 0.75, 0.9]
        .into_iter()
        .map(|share| length.mul_f64(share))
        .take_while(|at| length.saturating_sub(*at) >= Duration::from_secs(2))
        .collect()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A bar on standard error; nothing when that is no terminal.
fn progress(length: Duration) -> ProgressBar {
    let bar = ProgressBar::new(length.as_secs());
    if let Ok(style) = ProgressStyle::with_template("  listening {bar:40} {pos} of {len} s") {
        bar.set_style(style);
    }
    bar
}

const FIRST_SOUND: Duration = Duration::from_secs(20);
/// Root mean square below which a frame counts as silence: −60 dB of full scale.
const QUIET: f32 = 0.001;
