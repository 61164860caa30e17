//! The command line, as `--help` shows it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

/// A Discord music bot, a Lavalink v4 node, and a simulated Discord to test any bot
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: a simulated Discord, a bot and music, on this machine, without any account
    Demo(Demo),
    /// Run the bot: gateway, audio and node in one process
    Run(WithConfig),
    /// Run the audio node alone: a Lavalink v4 server for any bot
    Node(Node),
    /// Run a simulated Discord, for tests of any bot
    Simulate(Simulate),
    /// Ask a Lavalink v4 server what the protocol says that it answers: ours, or any other
    Conformance(Conformance),
    /// Look after the database: its schema, its state, moving to another one
    #[command(subcommand)]
    Db(Db),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Subcommand)]
pub enum Db {
    /// Say what is at the database, without changing it
    Status(WithConfig),
    /// Bring the schema of the database up to date; starting does it as well
    Migrate(WithConfig),
    /// Copy everything to another database, table by table, whole or not at all
    Copy(Copy),
}

/// Nothing may run on either database meanwhile. A copy that was broken off goes on where it was.
///
/// Passwords come from files: --from-password-file, --to-password-file.
#[derive(Debug, Args)]
pub struct Copy {
    /// The source: sqlite:FILE or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// The destination; its schema is brought up to date first
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// A file that holds the password at the source
    #[arg(long, value_name = "FILE")]
    pub from_password_file: Option<PathBuf>,
    /// A file that holds the password at the destination
    #[arg(long, value_name = "FILE")]
    pub to_password_file: Option<PathBuf>,
    /// Only look: count rows and those that are at the destination already
    #[arg(long)]
    pub dry_run: bool,
    /// What happens to rows that are at the destination already
    #[arg(long, value_enum, default_value_t = Existing::Refuse)]
    pub existing: Existing,
    /// Rows of a batch
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Existing {
    /// Nothing of their table is copied
    Refuse,
    /// They stay as they are
    Keep,
    /// They become those of the source
    Replace,
}

#[derive(Debug, Args)]
pub struct WithConfig {
    /// The configuration file; without it, the environment and defaults
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Node {
    /// The configuration file; without it, the environment and defaults
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// An application.yml of Lavalink's, read as it is; without it and without --config, the one
    /// in the working folder, if there is one
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub application_yml: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The password comes from --password-file, or from the variable LAVALINK_SERVER_PASSWORD. The server
must reach 127.0.0.1, where simulated voice servers and a web server with audio files are started:
it has to trust the authority that --voice-ca-out writes, and to fetch from loopback (for ours:
node.http.allow_private_networks).

Exit codes: 0 every case passed, 1 some failed, 3 usage or no answer, 5 nothing was asked.")]
pub struct Conformance {
    /// Base URL of the server, such as http://127.0.0.1:2333
    #[arg(long, value_name = "URL", required_unless_present = "table")]
    pub url: Option<Url>,
    /// A file that holds the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Only cases whose id is or begins with this, such as 4.6 or 7.3-missed-events; repeatable
    #[arg(long, value_name = "PREFIX")]
    pub only: Vec<String>,
    /// Also cases that wait for a minute or longer
    #[arg(long)]
    pub slow: bool,
    /// How many cases run at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,
    /// How long to wait for the server's first answer, such as 60s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub wait: Duration,
    /// Where to write the certificate authority of the simulated voice servers
    #[arg(long, value_name = "FILE")]
    pub voice_ca_out: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = ReportKind::Text)]
    pub report: ReportKind,
    /// Ask nothing: print JSON reports side by side, as Markdown; repeatable
    #[arg(long, value_name = "NAME=FILE", conflicts_with = "url")]
    pub table: Vec<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ReportKind {
    /// What failed, then a line for each section
    Text,
    /// Every case with its verdict
    Json,
    /// Every case as a row of a table
    Markdown,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Port of the page; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Let a scripted listener use it instead of you, and print a JSON summary
    #[arg(long)]
    pub headless: bool,
    /// How long the scripted listener listens, such as 20s or 2m
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = duration, requires = "headless")]
    pub listen: Duration,
    /// Show log lines of this level, such as info or debug
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log: String,
}

#[derive(Debug, Args)]
pub struct Simulate {
    /// Address to listen on; keep it on loopback
    #[arg(long, default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Port of the REST API, the gateway and the page; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Port of the voice gateway; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub voice_port: u16,
    /// How many guilds the bot is in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub guilds: u32,
    /// The bot token that is accepted; without it one is made and printed
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Where to write the certificate authority of the voice gateway
    #[arg(long, value_name = "FILE", default_value = "backline-simulate-ca.pem")]
    pub ca_file: PathBuf,
    /// Show log lines of this level, such as info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: String,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print every setting with its documentation and default
    Example,
    /// Say everything that is wrong with a configuration, or that nothing is
    Check {
        /// The configuration file; without it, the environment and defaults
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Parses `20s`, `2m`, `1h` or a plain number of seconds, from 1 s to 24 h.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds_per_unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("expected a number with s, m or h, such as 20s".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a number with s, m or h, such as 20s".to_owned())?;
    match number.checked_mul(seconds_per_unit) {
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected 1s to 24h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_are_numbers_with_a_unit() {
        for (text, expected) in [
            ("20s", Some(20)),
            ("20", Some(20)),
            ("2m", Some(120)),
            ("1h", Some(3_600)),
            ("0s", None),
            ("25h", None),
            ("", None),
            ("s", None),
            ("20 s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(
                duration(text).ok().map(|d| d.as_secs()),
                expected,
                "{text:?}"
            );
        }
    }
}
