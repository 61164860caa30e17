//! A track as the pool runs it: a media pipeline over bytes that may be late.

use backline_media::pipeline::{Next, Pipeline};
use backline_proto::lavalink::Exception;

use super::failure::{self, chain};
use super::reader::Supply;
use crate::engine::feed::{PacketSource, Settings, Step, Wake};
use crate::engine::packet::Packet;

/// A track as the pool runs it.
#[derive(Debug)]
pub struct Piped {
    pipeline: Pipeline,
    supply: Supply,
    wake: Wake,
    /// Bytes that the next packet may need at once.
    stretch: u64,
}

impl Piped {
    /// Returns a source over an opened pipeline.
    pub fn new(pipeline: Pipeline, supply: Supply, wake: Wake, stretch: u64) -> Self {
        Self {
            pipeline,
            supply,
            wake,
            stretch,
        }
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "errors are boxed everywhere here"
    )]
    fn failed(&self, error: &dyn std::error::Error) -> Box<Exception> {
        failure::of_stream(self.supply.failure().unwrap_or_else(|| chain(error)))
    }
}

impl PacketSource for Piped {
    fn apply(&mut self, settings: &Settings) {
        self.pipeline.set_gain(settings.effects.gain);
    }

    fn is_cheap(&self) -> bool {
        self.pipeline.is_passthrough()
    }

    fn next(&mut self, packet: &mut Packet) -> Step {
        match self.pipeline.next_frame(&mut packet.opus) {
            Next::Frame { position_ms } => {
                packet.position_ms = position_ms;
                Step::Packet
            }
            Next::NotReady => {
                // This file needs more at once than files of its kind do.
                self.stretch *= 2;
                Step::Starved
            }
            // A decoder takes a broken connection for the end of the file.
            Next::End => match self.supply.failure() {
                Some(why) => Step::Failed(failure::of_stream(why)),
                None => Step::End,
            },
            Next::Failed(error) => Step::Failed(self.failed(&error)),
        }
    }

    fn waits(&self) -> bool {
        self.supply.is_remote()
    }

    fn ready(&mut self) -> bool {
        self.supply.ready(self.stretch)
    }

    fn seek(&mut self, position_ms: u64) -> Result<(), Box<Exception>> {
        // As with the reference server, a seek in what cannot be sought does nothing.
        if !self.pipeline.info().seekable {
            return Ok(());
        }
        self.supply.set_patience(Some(super::PATIENCE));
        let sought = self.pipeline.seek(position_ms);
        self.supply.set_patience(None);
        sought.map_err(|error| self.failed(&error))
    }

    fn wake(&self) -> Wake {
        self.wake.clone()
    }
}
