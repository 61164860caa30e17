//! Tracks as the pool runs them: a deck over bytes that may be late.

pub mod orders;

use std::sync::Arc;

use backline_media::pipeline::{Deck, DeckNext, Fade, Pipeline, Transition};
use backline_proto::lavalink::Exception;
use tokio::sync::watch;

use super::failure::{self, chain};
use super::reader::Supply;
use crate::engine::feed::{PacketSource, Settings, Step, Wake};
use crate::engine::packet::Packet;
use orders::{Mix, Order, Orders};

/// Tracks as the pool runs them: one, and what follows it or is heard over it.
#[derive(Debug)]
pub struct Piped {
    sound: Sound,
    /// The tracks of the deck, that which is heard first in front of that which follows.
    strands: Vec<Strand>,
    /// Which of them the last packet belonged to.
    heard: usize,
    /// What is heard over them.
    over: Option<(Mix, Strand)>,
    /// Something other than the track that is heard has no bytes.
    waits_for_all: bool,
    orders: Orders,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each track")]
enum Sound {
    /// A track that has not begun.
    Fresh(Pipeline),
    Deck(Deck),
    /// Handed on to another one's deck.
    Gone,
}

/// Where the bytes of one track come from.
#[derive(Debug)]
struct Strand {
    /// What the deck calls the track.
    load: u64,
    /// What its packets are called; another one after a seek.
    run: u64,
    supply: Supply,
    wake: Wake,
    /// Bytes that the next packet may need at once.
    stretch: u64,
}

/// Tracks that a deck can go back to are among the last so many.
const STRANDS: usize = 3;

impl Piped {
    /// Returns a source over an opened pipeline.
    pub fn new(pipeline: Pipeline, supply: Supply, wake: Wake, stretch: u64) -> Self {
        let strand = Strand {
            load: 0,
            run: 0,
            supply,
            wake,
            stretch,
        };
        Self {
            sound: Sound::Fresh(pipeline),
            strands: vec![strand],
            heard: 0,
            over: None,
            waits_for_all: false,
            orders: Orders::default(),
        }
    }

    /// Names the packets of load `load` from now on; false when another track is playing already.
    pub fn begin(&mut self, load: u64, run: u64) -> bool {
        let strand = &mut self.strands[self.heard];
        self.sound = match std::mem::replace(&mut self.sound, Sound::Gone) {
            Sound::Fresh(pipeline) => Sound::Deck(Deck::new(pipeline, load)),
            other => other,
        };
        if matches!(&self.sound, Sound::Deck(deck) if deck.run() != load) {
            return false;
        }
        (strand.load, strand.run) = (load, run);
        true
    }

    /// Returns which load the last packet belonged to.
    pub fn load(&self) -> u64 {
        self.strand().load
    }

    /// Returns where it is told what to do while it runs.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Returns what a radio station plays, if it is one.
    pub fn titles(&self) -> Option<watch::Receiver<Option<Arc<str>>>> {
        self.strands[self.heard].supply.titles()
    }

    /// Returns all that is called when bytes have come.
    pub fn wakes(&self) -> Vec<Wake> {
        let strands = self.strands.iter().chain(self.over());
        strands.map(|strand| strand.wake.clone()).collect()
    }

    /// Takes a track that has not begun apart.
    fn into_parts(mut self) -> Option<(Pipeline, Strand)> {
        match (self.sound, self.strands.pop()) {
            (Sound::Fresh(pipeline), Some(strand)) => Some((pipeline, strand)),
            _ => None,
        }
    }

    fn obey(&mut self, order: Order) {
        let Sound::Deck(deck) = &mut self.sound else {
            return;
        };
        match order {
            Order::Follow {
                track,
                load,
                run,
                crossfade_ms,
            } => {
                if let Some((pipeline, strand)) = track.into_parts() {
                    // What was to follow before, and what nobody goes back to any more.
                    self.strands.truncate(self.heard + 1);
                    let old = self.strands.len().saturating_sub(STRANDS - 1);
                    self.strands.drain(..old);
                    self.heard = self.strands.len() - 1;
                    self.strands.push(Strand {
                        load,
                        run,
                        ..strand
                    });
                    deck.queue_next(pipeline, load, Transition { crossfade_ms });
                }
            }
            Order::Unfollow => {
                deck.clear_next();
                self.strands.truncate(self.heard + 1);
            }
            Order::End(end_ms) => deck.set_end(end_ms),
            Order::Fade(fade) => deck.fade(fade),
            Order::FadeIn(ms) => {
                deck.begin_silent();
                deck.fade(Fade { to: 1.0, ms });
            }
            Order::Over { mix, track, duck } => {
                if let Some((mut pipeline, strand)) = track.into_parts() {
                    pipeline.set_gain(mix.volume());
                    deck.overlay(pipeline, duck);
                    self.over = Some((mix, strand));
                }
            }
            Order::NotOver => {
                deck.clear_overlay();
                self.over = None;
            }
        }
    }

    fn over(&self) -> Option<&Strand> {
        self.over.as_ref().map(|(_, strand)| strand)
    }

    fn strand(&self) -> &Strand {
        &self.strands[self.heard]
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "errors are boxed everywhere here"
    )]
    fn failed(&self, error: &dyn std::error::Error) -> Box<Exception> {
        let broken = self.strand().supply.failure();
        failure::of_stream(broken.unwrap_or_else(|| chain(error)))
    }

    /// Notes to which track the deck has come. A decoder takes a broken connection for the end of
    /// the file: returns why the track before did not end by itself.
    fn come_to(&mut self, load: u64) -> Option<String> {
        let at = self.strands.iter().position(|strand| strand.load == load);
        let at = at.filter(|at| *at != self.heard)?;
        let before = std::mem::replace(&mut self.heard, at);
        if at < before {
            return None;
        }
        self.strands[before].supply.failure()
    }
}

impl PacketSource for Piped {
    fn next(&mut self, packet: &mut Packet) -> Step {
        let Sound::Deck(deck) = &mut self.sound else {
            return Step::End;
        };
        match deck.next_frame(&mut packet.opus) {
            DeckNext::Frame { run, position_ms } => {
                self.waits_for_all = false;
                if !deck.has_overlay()
                    && let Some((mix, _)) = self.over.take()
                {
                    mix.finish();
                }
                if let Some(why) = self.come_to(run) {
                    return Step::Failed(failure::of_stream(why));
                }
                packet.run = self.strand().run;
                packet.position_ms = position_ms;
                Step::Packet
            }
            DeckNext::NotReady => {
                let strand = &mut self.strands[self.heard];
                if strand.supply.ready(strand.stretch) {
                    // What follows, or what is heard over it, has too little; or this file needs
                    // more at once than files of its kind do.
                    self.waits_for_all = true;
                    strand.stretch *= 2;
                }
                Step::Starved
            }
            DeckNext::End { .. } => match self.strand().supply.failure() {
                Some(why) => Step::Failed(failure::of_stream(why)),
                None => Step::End,
            },
            DeckNext::Failed { error, .. } => Step::Failed(self.failed(&error)),
        }
    }

    fn apply(&mut self, settings: &Settings) {
        for order in self.orders.take() {
            self.obey(order);
        }
        if let Sound::Deck(deck) = &mut self.sound {
            deck.set_effects(&settings.effects);
        }
    }

    fn rewind(&mut self, frames: usize) -> usize {
        match &mut self.sound {
            Sound::Deck(deck) => deck.rewind(frames),
            Sound::Fresh(_) | Sound::Gone => 0,
        }
    }

    fn is_cheap(&self) -> bool {
        match &self.sound {
            Sound::Deck(deck) => deck.is_passthrough(),
            Sound::Fresh(_) | Sound::Gone => false,
        }
    }

    fn waits(&self) -> bool {
        self.strand().supply.is_remote()
    }

    fn ready(&mut self) -> bool {
        let ready = |strand: &Strand| strand.supply.ready(strand.stretch);
        if self.waits_for_all {
            self.strands[self.heard..]
                .iter()
                .chain(self.over())
                .all(ready)
        } else {
            ready(self.strand())
        }
    }

    fn seek(&mut self, position_ms: u64) -> Result<(), Box<Exception>> {
        let seekable = match &self.sound {
            Sound::Fresh(pipeline) => pipeline.info().seekable,
            Sound::Deck(deck) => deck.info().seekable,
            Sound::Gone => false,
        };
        // As with the reference server, a seek in what cannot be sought does nothing.
        if !seekable {
            return Ok(());
        }
        let supply = self.strand().supply.clone();
        supply.set_patience(Some(super::PATIENCE));
        let sought = match &mut self.sound {
            Sound::Fresh(pipeline) => pipeline.seek(position_ms),
            Sound::Deck(deck) => deck.seek(position_ms),
            Sound::Gone => Ok(()),
        };
        supply.set_patience(None);
        sought.map_err(|error| self.failed(&error))
    }

    fn wake(&self) -> Wake {
        self.strand().wake.clone()
    }
}
