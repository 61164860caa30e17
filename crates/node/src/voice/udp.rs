//! The UDP side of a voice connection: our address, and the socket that clocks send on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use backline_media::voice::discovery;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// A socket that found out how the server sees us.
#[derive(Debug)]
pub struct Discovered {
    /// The socket, connected to the server.
    pub socket: UdpSocket,
    /// Our address as the server sees it.
    pub ours: SocketAddr,
}

/// Requests sent before discovery is given up; each may be lost.
const ATTEMPTS: u32 = 5;
/// How long each answer may take.
const ANSWER: Duration = Duration::from_millis(700);

/// Opens a socket to `server` and asks it for our address.
pub async fn discover(server: SocketAddr, ssrc: u32) -> io::Result<Discovered> {
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let request = discovery::request(ssrc);
    for _ in 0..ATTEMPTS {
        socket.send(&request).await?;
        let until = Instant::now() + ANSWER;
        let mut answer = [0; 256];
        // Anything may arrive at a UDP port: only our own answer counts.
        while let Ok(Ok(length)) = timeout_at(until, socket.recv(&mut answer)).await {
            if let Ok(ours) = discovery::parse_answer(&answer[..length], ssrc) {
                return Ok(Discovered { socket, ours });
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Returns the same socket for a clock thread: non-blocking, and hardly any room for packets
/// that nobody reads.
pub fn for_sending(socket: &std::net::UdpSocket) -> io::Result<std::net::UdpSocket> {
    let socket = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(4_096)?;
    Ok(socket)
}
