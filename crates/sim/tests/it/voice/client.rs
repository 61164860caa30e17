//! A voice client of the smallest kind.

use std::{net::SocketAddr, sync::Arc};

use backline_media::voice::{Mode, RtpHeader, Sealer, discovery};
use backline_sim::voice::Ticket;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    connect_async_with_config, tungstenite::Message,
};

use super::{BOT, GUILD, PATIENCE};

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What came from the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Text(Value),
    Closed(Option<u16>),
}

impl Client {
    pub(crate) async fn connect(ticket: &Ticket) -> Self {
        Self::connect_version(ticket, 8).await
    }

    pub(crate) async fn connect_version(ticket: &Ticket, version: u8) -> Self {
        let url = format!("ws://{}/?v={version}", ticket.endpoint);
        let (socket, _) = connect_async_with_config(url, None, true)
            .await
            .expect("the server accepts");
        let mut client = Self { socket };
        let hello = client.expect(8).await;
        assert_eq!(hello["d"]["v"], version);
        client
    }

    pub(crate) async fn connect_tls(ticket: &Ticket, host: &str, ca_pem: &str) -> Self {
        use rustls_pki_types::pem::PemObject;

        let mut roots = rustls::RootCertStore::empty();
        let ca = rustls_pki_types::CertificateDer::from_pem_slice(ca_pem.as_bytes())
            .expect("the CA is PEM");
        roots.add(ca).expect("the CA is a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has safe versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let port = ticket
            .endpoint
            .rsplit(':')
            .next()
            .expect("endpoints have ports");
        let url = format!("wss://{host}:{port}/?v=8");
        let connector = Connector::Rustls(Arc::new(config));
        let (socket, _) = connect_async_tls_with_config(url, None, true, Some(connector))
            .await
            .expect("the CA vouches for the server");
        let mut client = Self { socket };
        client.expect(8).await;
        client
    }

    pub(crate) async fn say(&mut self, op: u8, d: Value) {
        self.say_raw(&json!({ "op": op, "d": d }).to_string()).await;
    }

    pub(crate) async fn say_raw(&mut self, text: &str) {
        self.socket
            .send(Message::text(text))
            .await
            .expect("the connection stands");
    }

    pub(crate) async fn identify(&mut self, ticket: &Ticket) {
        self.identify_as(ticket, GUILD, BOT).await;
    }

    pub(crate) async fn identify_as(&mut self, ticket: &Ticket, guild_id: u64, user_id: u64) {
        self.say(
            0,
            json!({
                "server_id": guild_id.to_string(),
                "user_id": user_id.to_string(),
                "session_id": "session",
                "token": ticket.token,
                "max_dave_protocol_version": 1,
            }),
        )
        .await;
    }

    pub(crate) async fn resume(&mut self, ticket: &Ticket, seq_ack: i64) {
        self.say(
            7,
            json!({
                "server_id": GUILD.to_string(),
                "session_id": "session",
                "token": ticket.token,
                "seq_ack": seq_ack,
            }),
        )
        .await;
    }

    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let next = timeout(PATIENCE, self.socket.next())
                .await
                .expect("the server answers");
            match next {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Text(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    /// Waits for this opcode, passing over others.
    pub(crate) async fn expect(&mut self, op: u8) -> Value {
        loop {
            match self.hear().await {
                Heard::Text(frame) if frame["op"] == op => return frame,
                Heard::Text(_) => {}
                Heard::Closed(code) => panic!("closed with {code:?} instead of opcode {op}"),
            }
        }
    }

    pub(crate) async fn expect_close(&mut self) -> Option<u16> {
        loop {
            if let Heard::Closed(code) = self.hear().await {
                return code;
            }
        }
    }
}

/// A client that has shaken hands, and may send packets.
pub(crate) struct Speaker {
    pub(crate) client: Client,
    pub(crate) udp: UdpSocket,
    pub(crate) sealer: Sealer,
    pub(crate) header: RtpHeader,
}

impl Speaker {
    pub(crate) async fn connect(ticket: &Ticket, mode: Mode) -> Self {
        Self::connect_as(ticket, mode, GUILD, BOT).await
    }

    pub(crate) async fn connect_as(
        ticket: &Ticket,
        mode: Mode,
        guild_id: u64,
        user_id: u64,
    ) -> Self {
        let (speaker, version) = Self::connect_dave(ticket, mode, guild_id, user_id).await;
        assert_eq!(version, 0, "this client speaks no DAVE");
        // The heartbeat is answered after Speaking has been understood.
        let mut speaker = speaker;
        speaker.client.say(3, json!({ "t": 1, "seq_ack": 0 })).await;
        speaker.client.expect(6).await;
        speaker
    }

    /// Also returns the version of DAVE that the session is described with.
    pub(crate) async fn connect_dave(
        ticket: &Ticket,
        mode: Mode,
        guild_id: u64,
        user_id: u64,
    ) -> (Self, u16) {
        let mut client = Client::connect(ticket).await;
        client.identify_as(ticket, guild_id, user_id).await;
        let ready = client.expect(2).await;
        let ssrc = ready["d"]["ssrc"].as_u64().expect("Ready has an ssrc") as u32;
        let port = ready["d"]["port"].as_u64().expect("Ready has a port") as u16;
        let ip = ready["d"]["ip"].as_str().expect("Ready has an address");
        let server: SocketAddr = format!("{ip}:{port}")
            .parse()
            .expect("the address is valid");
        let udp = UdpSocket::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        udp.connect(server).await.expect("loopback is reachable");

        udp.send(&discovery::request(ssrc))
            .await
            .expect("loopback takes packets");
        let mut answer = [0; 128];
        let length = timeout(PATIENCE, udp.recv(&mut answer))
            .await
            .expect("discovery is answered")
            .expect("loopback gives packets");
        let own = discovery::parse_answer(&answer[..length], ssrc).expect("it is an answer");
        assert_eq!(own, udp.local_addr().expect("the socket is bound"));

        let (sealer, version) = select_dave(&mut client, mode, own).await;
        client
            .say(5, json!({ "speaking": 1, "delay": 0, "ssrc": ssrc }))
            .await;
        let header = RtpHeader {
            sequence: u16::MAX - 1,
            timestamp: u32::MAX - 960,
            ssrc,
        };
        let speaker = Self {
            client,
            udp,
            sealer,
            header,
        };
        (speaker, version)
    }

    pub(crate) fn seal(&mut self, opus: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        self.sealer
            .seal(&self.header, opus, &mut packet)
            .expect("the frame is short");
        self.header = self.header.advanced(1);
        packet
    }

    pub(crate) async fn send(&mut self, packet: &[u8]) {
        self.udp.send(packet).await.expect("loopback takes packets");
    }

    pub(crate) async fn speak(&mut self, opus: &[u8]) {
        let packet = self.seal(opus);
        self.send(&packet).await;
    }
}

/// Selects a mode and returns a sealer with the key that came back.
pub(crate) async fn select(client: &mut Client, mode: Mode, own: SocketAddr) -> Sealer {
    let (sealer, version) = select_dave(client, mode, own).await;
    assert_eq!(version, 0);
    sealer
}

async fn select_dave(client: &mut Client, mode: Mode, own: SocketAddr) -> (Sealer, u16) {
    let data = json!({ "address": own.ip().to_string(), "port": own.port(), "mode": mode.name() });
    client
        .say(1, json!({ "protocol": "udp", "data": data }))
        .await;
    let description = client.expect(4).await;
    assert_eq!(description["d"]["mode"], mode.name());
    let version = description["d"]["dave_protocol_version"].as_u64();
    let key: [u8; 32] =
        serde_json::from_value(description["d"]["secret_key"].clone()).expect("a key has 32 bytes");
    let version = version.expect("a description names a version");
    (Sealer::new(mode, &key), version as u16)
}
