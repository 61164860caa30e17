//! A real Chromium uses the page of a real `backline demo`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

#[test]
#[ignore = "needs Chromium and a package from npm: make test installs them and runs it"]
fn a_person_at_the_demo_page_plays_hears_and_skips_music() {
    let demo = Demo::start();
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pictures = repository.join("target/pictures");
    let output = Command::new(installed("BACKLINE_JUDGE_NODE"))
        .arg(repository.join("tests/chromium/demo.mjs"))
        .arg(&demo.url)
        .arg(&pictures)
        .output()
        .expect("node runs");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "no report ({error}): {}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    println!("pictures are in {}", pictures.display());
    assert!(
        output.status.success() && report["ok"] == true,
        "{report:#}"
    );
}

/// A demo that ends with the test.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_backline"))
            .args(["demo", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let url = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.trim().starts_with("http://"))
            .expect("the demo prints its address");
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

fn installed(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => panic!(
            "{variable} is not set: run this test through `make test`, or `eval \"$(scripts/judges.sh)\"`"
        ),
    }
}
