//! Which variant is played when nobody looks at the picture.

use super::{HlsError, Master, Variant};

/// What to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The playlist, as it stands there.
    pub location: String,
}

/// Chooses what to play: sound alone where there is any, the best up to 320 kbit/s; or else the
/// smallest variant that has sound.
///
/// # Errors
/// [`HlsError::NoSound`].
pub fn choose(master: &Master) -> Result<Choice, HlsError> {
    let choice = |location: &str| Choice {
        location: location.to_owned(),
    };
    let playable = || {
        let variants = master.variants.iter();
        variants.filter(|variant| sound(variant) != Sound::Unknown)
    };
    let alone = || playable().filter(|variant| is_sound_alone(variant));
    let fitting = alone().filter(|variant| variant.bandwidth <= ENOUGH);
    let best = fitting.max_by_key(|variant| variant.bandwidth);
    if let Some(variant) = best.or_else(|| alone().min_by_key(|variant| variant.bandwidth)) {
        return Ok(choice(&variant.location));
    }
    // Sound beside the picture: that of the smallest variant, which is rarely worse.
    let mut with_picture: Vec<&Variant> = playable().collect();
    with_picture.sort_by_key(|variant| variant.bandwidth);
    for variant in &with_picture {
        let beside = master.renditions.iter().filter(|rendition| {
            Some(&rendition.group) == variant.audio.as_ref() && rendition.location.is_some()
        });
        // The first among equals is the one that comes first.
        let rendition = beside.min_by_key(|rendition| !rendition.is_default);
        if let Some(location) = rendition.and_then(|rendition| rendition.location.as_deref()) {
            return Ok(choice(location));
        }
    }
    let smallest = with_picture.first().ok_or(HlsError::NoSound)?;
    Ok(choice(&smallest.location))
}

#[derive(Debug, PartialEq, Eq)]
enum Sound {
    /// Known to be there.
    Known,
    /// Nobody says.
    Untold,
    /// None, or in a codec that cannot be played.
    Unknown,
}

fn sound(variant: &Variant) -> Sound {
    let Some(codecs) = &variant.codecs else {
        return Sound::Untold;
    };
    let known = codecs.split(',').any(|codec| is_known(codec.trim()));
    if known { Sound::Known } else { Sound::Unknown }
}

fn is_sound_alone(variant: &Variant) -> bool {
    let only_sound = |codecs: &str| codecs.split(',').all(|codec| is_known(codec.trim()));
    // Without a list of codecs, nothing but a size tells pictures from sound; no size is no proof.
    !variant.has_resolution && variant.codecs.as_deref().is_some_and(only_sound)
}

/// AAC, MP3 and FLAC by their names in RFC 6381.
fn is_known(codec: &str) -> bool {
    let codec = codec.to_ascii_lowercase();
    codec.starts_with("mp4a.40.") || matches!(&*codec, "mp4a.6b" | "mp4a.69" | "mp3" | "flac")
}

/// More bits per second than this are for ears that Discord's own encoding does not reach.
const ENOUGH: u64 = 320_000;
