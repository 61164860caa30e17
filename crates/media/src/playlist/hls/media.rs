//! The segments of one variant.

use std::sync::Arc;

use super::{HlsError, Key, MAX_SEGMENTS, Map, Media, Range, Segment, attributes, bounded};

pub(super) fn parse(text: &str) -> Result<Media, HlsError> {
    let mut media = Media::default();
    let mut number = 0_u64;
    let mut next = Segment::default();
    // Where a range begins that does not say so: behind the one before it in the same file.
    let mut behind: Option<(String, u64)> = None;
    let mut range: Option<(u64, Option<u64>)> = None;
    let mut key: Option<Arc<Key>> = None;
    let mut map: Option<Arc<Map>> = None;
    for line in text.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("#EXTINF:") {
            let seconds = value.split(',').next().unwrap_or_default();
            next.duration_ms = millis(seconds).ok_or(damaged("a segment's duration"))?;
        } else if let Some(value) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = Some(byte_range(value).ok_or(damaged("a byte range"))?);
        } else if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
            media.target_ms = millis(value).ok_or(damaged("the target duration"))?;
        } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            if media.segments.is_empty() {
                number = value.trim().parse().map_err(|_| damaged("the sequence"))?;
            }
        } else if let Some(list) = line.strip_prefix("#EXT-X-KEY:") {
            key = parse_key(list)?;
        } else if let Some(list) = line.strip_prefix("#EXT-X-MAP:") {
            map = Some(parse_map(list, key.as_ref())?);
        } else if line.starts_with("#EXT-X-DISCONTINUITY") {
            // The tag with `-SEQUENCE` begins alike and stands before all segments.
            next.is_discontinuous |= line == "#EXT-X-DISCONTINUITY";
        } else if line == "#EXT-X-GAP" {
            next.is_gap = true;
        } else if line == "#EXT-X-ENDLIST" {
            media.ended = true;
        } else if !line.is_empty() && !line.starts_with('#') {
            if media.segments.len() >= MAX_SEGMENTS {
                return Err(HlsError::TooMany);
            }
            let mut segment = std::mem::take(&mut next);
            segment.location = bounded(line)?;
            segment.number = number;
            number = number.checked_add(1).ok_or(damaged("the sequence"))?;
            segment.key.clone_from(&key);
            segment.map.clone_from(&map);
            segment.range = match range.take() {
                None => None,
                Some((length, offset)) => {
                    let known = behind
                        .as_ref()
                        .filter(|(location, _)| *location == segment.location);
                    let offset = offset.or(known.map(|(_, end)| *end)).unwrap_or(0);
                    let end = offset.checked_add(length);
                    let end = end.ok_or(damaged("a byte range"))?;
                    behind = Some((segment.location.clone(), end));
                    Some(Range { offset, length })
                }
            };
            media.segments.push(segment);
        }
    }
    // Some lists leave it out; it only says how often to look again.
    if media.target_ms == 0 {
        let longest = media.segments.iter().map(|segment| segment.duration_ms);
        media.target_ms = longest.max().unwrap_or(0);
    }
    Ok(media)
}

fn parse_key(list: &str) -> Result<Option<Arc<Key>>, HlsError> {
    let (mut method, mut location, mut iv) = (None, None, None);
    let mut format = None;
    for (name, value) in attributes(list) {
        match name {
            "METHOD" => method = Some(value),
            "URI" => location = Some(bounded(&value)?),
            "IV" => iv = Some(parse_iv(&value).ok_or(damaged("a key"))?),
            "KEYFORMAT" => format = Some(value),
            _ => {}
        }
    }
    match method.as_deref() {
        Some("NONE") => Ok(None),
        Some("AES-128") if format.is_none_or(|format| format == "identity") => {
            let location = location.ok_or(damaged("a key"))?;
            Ok(Some(Arc::new(Key { location, iv })))
        }
        _ => Err(HlsError::Encryption),
    }
}

fn parse_iv(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X"))?;
    if digits.is_empty() || digits.len() > 32 {
        return None;
    }
    let value = u128::from_str_radix(digits, 16).ok()?;
    Some(value.to_be_bytes())
}

fn parse_map(list: &str, key: Option<&Arc<Key>>) -> Result<Arc<Map>, HlsError> {
    let (mut location, mut range) = (None, None);
    for (name, value) in attributes(list) {
        match name {
            "URI" => location = Some(bounded(&value)?),
            "BYTERANGE" => {
                let (length, offset) = byte_range(&value).ok_or(damaged("a byte range"))?;
                let offset = offset.unwrap_or(0);
                range = Some(Range { offset, length });
            }
            _ => {}
        }
    }
    Ok(Arc::new(Map {
        location: location.ok_or(damaged("an initialisation section"))?,
        range,
        key: key.cloned(),
    }))
}

/// Reads `length[@offset]`.
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (length, offset) = match text.trim().split_once('@') {
        Some((length, offset)) => (length, Some(offset.trim().parse().ok()?)),
        None => (text.trim(), None),
    };
    let length = length.trim().parse().ok().filter(|length| *length > 0)?;
    Some((length, offset))
}

/// Reads seconds, whole or with decimals.
fn millis(text: &str) -> Option<u64> {
    let seconds: f64 = text.trim().parse().ok()?;
    (0.0..=MAX_SECONDS)
        .contains(&seconds)
        .then_some((seconds * 1_000.0).round() as u64)
}

fn damaged(what: &'static str) -> HlsError {
    HlsError::Malformed { what }
}

/// Longest segment: a day.
const MAX_SECONDS: f64 = 86_400.0;
