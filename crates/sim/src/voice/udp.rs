//! The one UDP socket that all simulated voice servers share.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use backline_media::voice::{RtpHeader, discovery};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{HeardFrame, ear::Packet, registry::Registry, session::Session};

/// Binds the socket with room for bursts of many sessions.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // The kernel may grant less; then bursts may be lost, and are counted as such.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Receives until `shutdown`.
pub(super) async fn serve(socket: UdpSocket, registry: Arc<Registry>, shutdown: CancellationToken) {
    let mut buffer = [0; 2048];
    let mut scratch = Vec::with_capacity(2048);
    loop {
        let ready = tokio::select! {
            ready = socket.readable() => ready,
            () = shutdown.cancelled() => return,
        };
        if let Err(error) = ready {
            debug!(%error, "voice socket failed");
            return;
        }
        for _ in 0..BATCH {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, from)) => {
                    handle(&socket, &registry, &buffer[..length], from, &mut scratch);
                }
                // Also what a peer's closed port reports, which concerns nobody else.
                Err(_) => break,
            }
        }
        tokio::task::yield_now().await;
    }
}

fn handle(
    socket: &UdpSocket,
    registry: &Registry,
    bytes: &[u8],
    from: SocketAddr,
    scratch: &mut Vec<u8>,
) {
    if let Ok(ssrc) = discovery::parse_request(bytes) {
        if let Some(session) = registry.by_ssrc(ssrc) {
            session.ear().discovered(from);
            // A lost answer is asked for again.
            let _ = socket.try_send_to(&discovery::answer(ssrc, from), from);
        }
        return;
    }
    if bytes.len() == KEEPALIVE {
        let _ = socket.try_send_to(bytes, from);
        return;
    }
    // RTCP reports have payload types 200 to 204 in the second byte.
    if bytes.get(1).is_some_and(|kind| (200..=204).contains(kind)) {
        return;
    }
    let Some(ssrc) = bytes.get(8..12).and_then(|ssrc| ssrc.try_into().ok()) else {
        return;
    };
    let Some(session) = registry.by_ssrc(u32::from_be_bytes(ssrc)) else {
        return;
    };
    let packet = Packet {
        bytes,
        from,
        arrival: Instant::now(),
        tolerance: registry.options.late_tolerance,
        from_anywhere: registry.options.from_anywhere,
    };
    let user_id = session.spec.user_id;
    let mut relayed = None;
    registry.room(session.spec.guild_id).hear(|stats| {
        let frame = session.ear().hear(packet, user_id, stats, scratch)?;
        relayed = Some(frame.clone());
        registry.unseal(session.spec.channel_id, frame, stats)
    });
    if let Some(frame) = relayed {
        relay(socket, registry, &session, &frame, scratch);
    }
}

/// Sends a frame, as its sender made it, to everybody else in the channel.
fn relay(
    socket: &UdpSocket,
    registry: &Registry,
    session: &Session,
    frame: &HeardFrame,
    packet: &mut Vec<u8>,
) {
    let header = RtpHeader {
        sequence: frame.sequence,
        timestamp: frame.timestamp,
        ssrc: frame.ssrc,
    };
    for other in registry.others_in(session.spec.channel_id, session.spec.user_id) {
        let address = other.ear().address();
        if let Some(address) = address
            && other.relay(&header, &frame.opus, packet)
        {
            // Whoever is too slow misses packets, as on a network.
            let _ = socket.try_send_to(packet, address);
        }
    }
}

const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// Packets taken before other tasks get a turn.
const BATCH: usize = 256;
/// Length of the packets with which clients keep their NAT entry alive; they are echoed.
const KEEPALIVE: usize = 8;
