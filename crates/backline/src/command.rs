//! The commands, one module each.

mod config;
mod conformance;
mod db;
mod demo;
mod node;
mod run;
mod simulate;

use std::process::ExitCode;

use crate::cli::Command;

/// The variables of the process, read once in `main`.
pub type Environment = Vec<(String, String)>;

/// Runs one command to its end.
pub async fn execute(command: Command, environment: Environment) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::execute(arguments).await,
        Command::Run(arguments) => run::execute(arguments, environment).await,
        Command::Node(arguments) => node::execute(arguments, environment).await,
        Command::Simulate(arguments) => simulate::execute(arguments).await,
        Command::Conformance(arguments) => conformance::execute(arguments, environment).await,
        Command::Db(command) => db::execute(command, environment).await,
        Command::Config(command) => Ok(config::execute(&command, environment)),
    }
}
