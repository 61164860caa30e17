//! `backline config`: shows every setting, or says what is wrong with a file.

use std::process::ExitCode;

use backline_runtime::config;

use super::Environment;
use crate::cli::Config;

/// Prints the example, or checks a configuration: exit code 0 when it is good, 1 when not.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the command's whole purpose is to print"
)]
pub fn execute(command: &Config, environment: Environment) -> ExitCode {
    match command {
        Config::Example => {
            print!("{}", config::example());
            ExitCode::SUCCESS
        }
        Config::Check { file } => match config::load(file.as_deref(), environment.into_iter()) {
            Ok(_) => {
                println!("the configuration is good");
                ExitCode::SUCCESS
            }
            Err(errors) => {
                eprintln!("{errors}");
                ExitCode::FAILURE
            }
        },
    }
}
