//! Backline: a Discord music bot, a Lavalink v4 node, and a simulated Discord, in one binary.
//!
//! This crate alone knows all roles. It reads the command line, wires roles together, and
//! ends them in order.

mod cli;
mod command;
mod music;
mod platform;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    backline_runtime::net::tls::install_provider();
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    // Variables that are not text cannot be meant for us.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&anyhow::Error::new(error).context("starting the async runtime"));
        }
    };
    let result = runtime.block_on(command::execute(arguments.command, environment));
    // A blocking read of a dead disk must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Prints help, or what is wrong with the command line.
fn misused(error: &clap::Error) -> ExitCode {
    // A closed standard output is no reason to complain.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    // Suites of checks keep 2 for a verdict between good and bad.
    let checks = std::env::args_os()
        .nth(1)
        .is_some_and(|name| name == "conformance");
    ExitCode::from(if checks { 3 } else { 2 })
}

/// Says what went wrong, with every cause, on standard error.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command-line program"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("backline: {error:#}");
    ExitCode::FAILURE
}
