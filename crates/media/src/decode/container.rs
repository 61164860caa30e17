//! Finding the right reader.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::OnceLock,
};

use symphonia::{
    core::{
        codecs::{
            audio::{AudioCodecId, well_known::CODEC_ID_AAC},
            registry::CodecRegistry,
        },
        errors::Error as Symphonia,
        formats::{FormatOptions, FormatReader, probe::Probe},
        io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions},
        meta::{MetadataOptions, RawValue, StandardTag},
    },
    default::{codecs as c, formats as f},
};

use super::OpenError;
use crate::{demux::Tags, source::Source};

/// What is known about a source from elsewhere. Never decides alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The extension of the file's name.
    pub extension: Option<String>,
    /// The `Content-Type`.
    pub mime: Option<String>,
}

pub(super) fn probe(
    source: Box<dyn Source>,
    hint: &Hint,
) -> Result<Box<dyn FormatReader>, OpenError> {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    let probe = PROBE.get_or_init(|| {
        // Readers of tags at the end of a file are left out: over HTTP each costs a request.
        let mut probe = Probe::new();
        probe.register_format::<f::MpaReader<'_>>();
        probe.register_format::<f::FlacReader<'_>>();
        probe.register_format::<f::WavReader<'_>>();
        probe.register_format::<f::OggReader<'_>>();
        probe.register_format::<f::IsoMp4Reader<'_>>();
        probe.register_format::<f::MkvReader<'_>>();
        probe.register_format::<f::AdtsReader<'_>>();
        probe.register_metadata::<symphonia::default::meta::Id3v2Reader<'_>>();
        probe
    });
    let mut wanted = symphonia::core::formats::probe::Hint::new();
    if let Some(extension) = &hint.extension {
        wanted.with_extension(extension);
    }
    if let Some(mime) = &hint.mime {
        wanted.mime_type(mime);
    }
    let stream = MediaSourceStream::new(
        Box::new(Bridge(source)),
        MediaSourceStreamOptions::default(),
    );
    let limits =
        MetadataOptions::default().limit_visual_bytes(symphonia::core::common::Limit::Maximum(0));
    probe
        .probe(&wanted, stream, FormatOptions::default(), limits)
        .map_err(|error| match error {
            Symphonia::Unsupported(_) => OpenError::Unrecognised,
            error => OpenError::from_symphonia(error, "format"),
        })
}

pub(super) fn codecs() -> &'static CodecRegistry {
    static CODECS: OnceLock<CodecRegistry> = OnceLock::new();
    CODECS.get_or_init(|| {
        let mut registry = CodecRegistry::new();
        registry.register_audio_decoder::<c::MpaDecoder>();
        registry.register_audio_decoder::<c::FlacDecoder>();
        registry.register_audio_decoder::<c::PcmDecoder>();
        registry.register_audio_decoder::<c::VorbisDecoder>();
        registry.register_audio_decoder::<c::AacDecoder>();
        registry
    })
}

pub(super) fn tags(format: &mut dyn FormatReader) -> Tags {
    let mut tags = Tags::default();
    let mut metadata = format.metadata();
    let Some(revision) = metadata.skip_to_latest() else {
        return tags;
    };
    let per_track = revision
        .per_track
        .iter()
        .flat_map(|track| &track.metadata.tags);
    for tag in revision.media.tags.iter().chain(per_track) {
        let (place, value) = match &tag.std {
            Some(StandardTag::TrackTitle(value)) => (&mut tags.title, value),
            Some(StandardTag::Artist(value)) => (&mut tags.artist, value),
            Some(StandardTag::ReplayGainTrackGain(value)) => {
                let gain = crate::demux::replay_gain(value);
                tags.loudness = tags.loudness.or(gain);
                continue;
            }
            _ => continue,
        };
        if place.is_none() {
            *place = crate::demux::tag_text(value.as_bytes());
        }
    }
    tags
}

/// Returns how many samples at the beginning of a track are the encoder's, where the container's
/// reader does not remove them itself.
///
/// For AAC in MP4 that is: what iTunes wrote down, or else the 1024 of most other encoders.
// WIRE: edit lists say the same more generally, but the reader does not hand them out.
pub(super) fn priming(codec: AudioCodecId, format: &mut dyn FormatReader) -> u64 {
    if codec != CODEC_ID_AAC || format.format_info().short_name != "isomp4" {
        return 0;
    }
    let mut metadata = format.metadata();
    let stated = metadata.skip_to_latest().and_then(|revision| {
        let tag = revision
            .media
            .tags
            .iter()
            .find(|tag| tag.raw.key.ends_with("iTunSMPB"))?;
        let RawValue::String(text) = &tag.raw.value else {
            return None;
        };
        u64::from_str_radix(text.split_ascii_whitespace().nth(1)?, 16).ok()
    });
    stated.filter(|samples| *samples < 16_384).unwrap_or(1024)
}

/// Our source as Symphonia's.
struct Bridge(Box<dyn Source>);

impl Read for Bridge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for Bridge {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl MediaSource for Bridge {
    fn is_seekable(&self) -> bool {
        self.0.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.0.byte_len()
    }
}
