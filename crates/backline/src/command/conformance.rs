//! `backline conformance`: judges any Lavalink v4 server.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use backline_readiness::conformance::{self, Options, Report};

use super::Environment;
use crate::cli::{Conformance, ReportKind};

/// Runs the cases and prints what came of them: 0 all passed, 1 some failed, 3 they could not be
/// asked, 5 there was nothing to ask.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is the command's result"
)]
pub async fn execute(arguments: Conformance, environment: Environment) -> anyhow::Result<ExitCode> {
    let judged = match arguments.url.clone() {
        Some(url) => judge(&arguments, url, &environment).await,
        None => table(&arguments.table).map(|table| {
            print!("{table}");
            ExitCode::SUCCESS
        }),
    };
    Ok(judged.unwrap_or_else(|error| {
        eprintln!("backline: {error:#}");
        ExitCode::from(MISUSED)
    }))
}

#[expect(clippy::print_stdout, reason = "the report is the command's result")]
async fn judge(
    arguments: &Conformance,
    url: url::Url,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let password = match &arguments.password_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("reading the password from {}", file.display()))?
            .trim()
            .to_owned(),
        None => environment
            .iter()
            .find(|(name, _)| name == PASSWORD)
            .map(|(_, value)| value.clone())
            .with_context(|| format!("a password is needed: --password-file, or {PASSWORD}"))?,
    };
    let options = Options {
        url,
        password,
        only: arguments.only.clone(),
        slow: arguments.slow,
        voice_ca_out: arguments.voice_ca_out.clone(),
        wait: arguments.wait,
        parallel: arguments.parallel.into(),
    };
    let report = conformance::run(&options).await?;
    let shown = match arguments.report {
        ReportKind::Text => report.text(),
        ReportKind::Json => report.json(),
        ReportKind::Markdown => conformance::table(&[(report.server.clone(), report.clone())]),
    };
    println!("{}", shown.trim_end());
    let (passed, failed, _) = report.counts();
    Ok(match (passed, failed) {
        (0, 0) => ExitCode::from(NOTHING_ASKED),
        (_, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Returns reports side by side.
fn table(named: &[String]) -> anyhow::Result<String> {
    let read = |argument: &String| -> anyhow::Result<(String, Report)> {
        let (name, file) = argument
            .split_once('=')
            .with_context(|| format!("`{argument}` is not NAME=FILE"))?;
        let text =
            std::fs::read_to_string(Path::new(file)).with_context(|| format!("reading {file}"))?;
        let report = serde_json::from_str(&text)
            .with_context(|| format!("{file} is no report of this program"))?;
        Ok((name.to_owned(), report))
    };
    let reports: Vec<_> = named.iter().map(read).collect::<anyhow::Result<_>>()?;
    Ok(conformance::table(&reports))
}

/// The variable that holds the password, as Lavalink itself reads it.
const PASSWORD: &str = "LAVALINK_SERVER_PASSWORD";
const MISUSED: u8 = 3;
const NOTHING_ASKED: u8 = 5;
