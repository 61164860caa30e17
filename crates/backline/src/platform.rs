//! The roles of one process, started in order and drained in reverse.

use std::time::Duration;

use anyhow::{Context, anyhow};
use backline_audio::{NodeAddress, RunningAudio};
use backline_gateway::{GatewayError, RunningGateway};
use backline_node::RunningNode;
use backline_runtime::config::{self, Config};
use backline_runtime::health::{Component, Health};
use backline_runtime::metrics::Metrics;
use backline_service::Services;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// Gateway, audio and node of one process; those that run so far.
#[derive(Debug)]
pub struct Platform {
    services: Services,
    node: Option<(RunningNode, DropGuard)>,
    audio: Option<(RunningAudio, DropGuard)>,
    gateway: Option<(RunningGateway, DropGuard)>,
    parts: Parts,
    drain_timeout: Duration,
}

/// How the roles are, for `/readyz`.
#[derive(Debug)]
struct Parts {
    audio: Component,
    gateway: Component,
}

impl Platform {
    /// Starts the node (unless external ones are configured), then audio, then the gateway.
    ///
    /// # Errors
    /// Says which role did not start; those that did are drained before it returns.
    pub async fn start(
        config: &Config,
        metrics: &Metrics,
        health: &Health,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let parts = Parts {
            audio: health.component("audio"),
            gateway: health.component("gateway"),
        };
        let services = Services::open(&config.store, &config.redis, metrics)
            .await
            .context("opening the store; `store.url` (BACKLINE_STORE__URL) must name a file in a folder that exists and may be written")?;
        let drain_timeout = Duration::from_secs(u64::from(config.process.drain_timeout_s));
        let mut platform = Self {
            services,
            node: None,
            audio: None,
            gateway: None,
            parts,
            drain_timeout,
        };
        let started = tokio::select! {
            started = platform.start_roles(config, metrics) => started,
            () = shutdown.cancelled() => Err(anyhow!("stopped while starting")),
        };
        if let Err(error) = started {
            // The first error is the one that matters.
            let _also = platform.drain().await;
            return Err(error);
        }
        Ok(platform)
    }

    async fn start_roles(&mut self, config: &Config, metrics: &Metrics) -> anyhow::Result<()> {
        let nodes = if config.audio.nodes.is_empty() {
            let (node, stop, address) = start_node(&config.node, metrics).await?;
            self.node = Some((node, stop));
            vec![address]
        } else {
            config
                .audio
                .nodes
                .iter()
                .map(external)
                .collect::<anyhow::Result<_>>()?
        };

        let stop = CancellationToken::new();
        let audio = backline_audio::start(
            &config.audio,
            nodes,
            self.services.clone(),
            metrics,
            stop.clone(),
        )
        .await
        .context("starting the role audio")?;
        self.audio = Some((audio, stop.drop_guard()));

        let stop = CancellationToken::new();
        let gateway = backline_gateway::start(
            &config.discord,
            self.services.clone(),
            metrics,
            stop.clone(),
        )
        .await
        .context("starting the role gateway")?;
        self.gateway = Some((gateway, stop.drop_guard()));
        Ok(())
    }

    /// Watches the roles until `shutdown`, or until the gateway has ended for good.
    pub async fn watch(&self, shutdown: &CancellationToken) {
        let mut ticks = tokio::time::interval(WATCH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match &self.audio {
                Some((audio, _)) if audio.is_ready() => self.parts.audio.ready(),
                _ => self.parts.audio.down("no node is connected"),
            }
            match &self.gateway {
                Some((gateway, _)) if gateway.has_stopped() => return,
                Some((gateway, _)) if gateway.is_ready() => self.parts.gateway.ready(),
                _ => {}
            }
        }
    }

    /// Ends intake first, then saves sessions, then silences the node, then closes the store.
    ///
    /// A role that does not end in time is left behind, so that the process ends all the same.
    ///
    /// # Errors
    /// Why the gateway stopped although nobody asked it to.
    pub async fn drain(self) -> Result<(), GatewayError> {
        let Self {
            services,
            node,
            audio,
            gateway,
            drain_timeout,
            ..
        } = self;
        let drain = async {
            let mut ended = Ok(());
            if let Some((gateway, stop)) = gateway {
                drop(stop);
                ended = gateway.stopped().await;
            }
            if let Some((audio, stop)) = audio {
                drop(stop);
                audio.stopped().await;
            }
            if let Some((node, stop)) = node {
                drop(stop);
                node.stopped().await;
            }
            ended
        };
        let ended = tokio::time::timeout(drain_timeout, drain).await;
        if ended.is_err() {
            tracing::warn!(
                drain_timeout_s = drain_timeout.as_secs(),
                "drain did not end in time"
            );
        }
        services.close().await;
        ended.unwrap_or(Ok(()))
    }
}

/// Starts the node of this process; without a configured password it gets one that nobody knows.
async fn start_node(
    config: &config::Node,
    metrics: &Metrics,
) -> anyhow::Result<(RunningNode, DropGuard, NodeAddress)> {
    let password = config
        .password
        .clone()
        .unwrap_or_else(|| SecretString::from(Alphanumeric.sample_string(&mut rand::rng(), 32)));
    let stop = CancellationToken::new();
    let node = backline_node::start(config, password.clone(), metrics, stop.clone())
        .await
        .with_context(|| format!("starting the role node{}", node_advice(config)))?;
    let mut address = node.local_addr();
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let url = Url::parse(&format!("http://{address}")).context("writing the node's address")?;
    Ok((
        node,
        stop.drop_guard(),
        NodeAddress {
            name: "internal".into(),
            url,
            password,
        },
    ))
}

/// Returns which settings decide whether a node starts, for the message that it did not.
pub fn node_advice(config: &config::Node) -> String {
    let local = config.local.root.as_ref().map_or(
        "",
        |_| ", and `node.local.root` (BACKLINE_NODE__LOCAL__ROOT) a folder that exists",
    );
    format!("; `node.bind` (BACKLINE_NODE__BIND) must be a free address{local}")
}

fn external(node: &config::ExternalNode) -> anyhow::Result<NodeAddress> {
    let password = node
        .password
        .clone()
        .with_context(|| format!("the node `{}` has no password: set `password`", node.name))?;
    Ok(NodeAddress {
        name: node.name.clone(),
        url: node.url.clone(),
        password,
    })
}

/// How often `/readyz` is brought up to date.
const WATCH: Duration = Duration::from_millis(500);
