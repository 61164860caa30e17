//! IP discovery: how a client learns its own address as the voice server sees it.
//!
//! Request and answer are 74 bytes: type, length (70), SSRC, address (64 bytes, zero-terminated
//! text), port; all numbers big-endian.

use std::net::{IpAddr, SocketAddr};

/// Length of a request and of an answer in bytes.
pub const PACKET_LEN: usize = 74;

/// Why a datagram is no discovery packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// Of another length.
    #[error("a discovery packet has {PACKET_LEN} bytes, not {length}")]
    Length {
        /// Length of the datagram in bytes.
        length: usize,
    },
    /// Of another type, or with another inner length.
    #[error("the datagram is of another type")]
    Type,
    /// The address is not readable.
    #[error("the discovered address is not an IP address")]
    Address,
    /// An answer to somebody else.
    #[error("the answer carries another SSRC")]
    Ssrc,
}

/// Returns the request of the client with this SSRC.
pub fn request(ssrc: u32) -> [u8; PACKET_LEN] {
    packet(REQUEST, ssrc)
}

/// Reads a request and returns its SSRC. What a server does.
///
/// # Errors
/// A datagram that is no request.
pub fn parse_request(bytes: &[u8]) -> Result<u32, DiscoveryError> {
    split(bytes, REQUEST).map(|(ssrc, _)| ssrc)
}

/// Returns the answer to a client. What a server does.
pub fn answer(ssrc: u32, seen: SocketAddr) -> [u8; PACKET_LEN] {
    let mut bytes = packet(ANSWER, ssrc);
    let text = seen.ip().to_canonical().to_string();
    bytes[8..8 + text.len()].copy_from_slice(text.as_bytes());
    bytes[72..].copy_from_slice(&seen.port().to_be_bytes());
    bytes
}

/// Reads the answer to the request of the client with this SSRC.
///
/// # Errors
/// A datagram that is no answer, or not to this client, or without a readable address.
pub fn parse_answer(bytes: &[u8], ssrc: u32) -> Result<SocketAddr, DiscoveryError> {
    let (answered, body) = split(bytes, ANSWER)?;
    if answered != ssrc {
        return Err(DiscoveryError::Ssrc);
    }
    let (address, port) = body.split_at(64);
    let length = address
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(address.len());
    let address: IpAddr = std::str::from_utf8(&address[..length])
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(DiscoveryError::Address)?;
    Ok(SocketAddr::new(
        address,
        u16::from_be_bytes([port[0], port[1]]),
    ))
}

const REQUEST: u16 = 1;
const ANSWER: u16 = 2;
const INNER_LEN: u16 = 70;

fn packet(kind: u16, ssrc: u32) -> [u8; PACKET_LEN] {
    let mut bytes = [0; PACKET_LEN];
    bytes[..2].copy_from_slice(&kind.to_be_bytes());
    bytes[2..4].copy_from_slice(&INNER_LEN.to_be_bytes());
    bytes[4..8].copy_from_slice(&ssrc.to_be_bytes());
    bytes
}

fn split(bytes: &[u8], kind: u16) -> Result<(u32, &[u8; 66]), DiscoveryError> {
    let bytes: &[u8; PACKET_LEN] = bytes.try_into().map_err(|_| DiscoveryError::Length {
        length: bytes.len(),
    })?;
    let (head, body) = bytes.split_first_chunk::<8>().expect("74 bytes");
    let [kind_high, kind_low, length_high, length_low, ssrc @ ..] = head;
    if u16::from_be_bytes([*kind_high, *kind_low]) != kind
        || u16::from_be_bytes([*length_high, *length_low]) != INNER_LEN
    {
        return Err(DiscoveryError::Type);
    }
    Ok((
        u32::from_be_bytes(*ssrc),
        body.try_into().expect("74 bytes"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_type_length_and_ssrc() {
        let bytes = request(0x0102_0304);
        assert_eq!(bytes[..8], [0, 1, 0, 70, 1, 2, 3, 4]);
        assert_eq!(bytes[8..], [0; 66]);
        assert_eq!(parse_request(&bytes), Ok(0x0102_0304));
    }

    #[test]
    fn an_answer_carries_text_and_a_big_endian_port() {
        let seen = "203.0.113.9:50007".parse().expect("an address");
        let bytes = answer(7, seen);
        assert_eq!(bytes[..8], [0, 2, 0, 70, 0, 0, 0, 7]);
        assert_eq!(&bytes[8..20], b"203.0.113.9\0");
        assert_eq!(bytes[72..], [0xC3, 0x57]);
        assert_eq!(parse_answer(&bytes, 7), Ok(seen));
        let seen = "[2001:db8::1]:1".parse().expect("an address");
        assert_eq!(parse_answer(&answer(7, seen), 7), Ok(seen));
    }

    #[test]
    fn what_is_not_an_answer_is_refused() {
        let good = answer(7, "127.0.0.1:1".parse().expect("an address"));
        assert_eq!(parse_answer(&good, 8), Err(DiscoveryError::Ssrc));
        assert_eq!(parse_answer(&request(7), 7), Err(DiscoveryError::Type));
        let short = &good[..73];
        assert_eq!(
            parse_answer(short, 7),
            Err(DiscoveryError::Length { length: 73 })
        );
        let mut bad = good;
        bad[8..72].fill(b'9');
        assert_eq!(parse_answer(&bad, 7), Err(DiscoveryError::Address));
        bad[8] = 0xFF;
        assert_eq!(parse_answer(&bad, 7), Err(DiscoveryError::Address));
    }
}
