//! Our own node, judged by the runner that judges any Lavalink.

use std::time::Duration;

use backline_readiness::conformance::{Options, Verdict, run};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn our_node_answers_as_the_protocol_says() {
    backline_runtime::net::tls::install_provider();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut node = config::Node {
        bind: ([127, 0, 0, 1], 0).into(),
        ..config::Node::default()
    };
    node.http.allow_private_networks = true;
    node.local.root = Some(folder.path().to_path_buf());
    node.voice.plaintext_loopback = true;
    let stop = CancellationToken::new();
    let running = backline_node::start(&node, PASSWORD.into(), &Metrics::new(), stop.clone())
        .await
        .expect("a node starts");
    let report = run(&Options {
        url: format!("http://{}", running.local_addr())
            .parse()
            .expect("a URL"),
        password: PASSWORD.into(),
        only: Vec::new(),
        slow: false,
        voice_ca_out: None,
        wait: Duration::from_secs(10),
        parallel: 8,
    })
    .await
    .expect("the node can be asked");
    stop.cancel();
    running.stopped().await;
    let (passed, failed, _) = report.counts();
    assert_eq!(failed, 0, "{}", report.text());
    assert!(passed >= 250, "{}", report.text());
    let skipped = report
        .cases
        .iter()
        .filter(|case| matches!(case.verdict, Verdict::Skip { .. }))
        .count();
    assert!(skipped <= 8, "{}", report.text());
}

const PASSWORD: &str = "open sesame";
