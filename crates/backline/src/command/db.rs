//! `backline db`: the schema of the database, its state, and moving to another one.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use backline_backends::store::copy::{CopyOptions, Existing, TableReport};
use backline_backends::store::{Status, Store, StoreOptions, status};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::store_options;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;

use super::Environment;
use crate::cli::{self, Copy, Db};

/// Looks after the database.
pub async fn execute(command: Db, environment: Environment) -> anyhow::Result<ExitCode> {
    match command {
        Db::Status(arguments) => {
            let (url, options) = configured(arguments.config.as_deref(), environment)?;
            tell(
                &status(&url, &options)
                    .await
                    .context("looking at the database")?,
            );
            Ok(ExitCode::SUCCESS)
        }
        Db::Migrate(arguments) => {
            let (url, options) = configured(arguments.config.as_deref(), environment)?;
            let store = Store::open(&url, &options).await;
            store
                .context("bringing the schema up to date")?
                .close()
                .await;
            tell(
                &status(&url, &options)
                    .await
                    .context("looking at the database")?,
            );
            Ok(ExitCode::SUCCESS)
        }
        Db::Copy(arguments) => copy(arguments).await,
    }
}

/// Reads the configuration.
fn configured(
    file: Option<&Path>,
    environment: Environment,
) -> anyhow::Result<(String, StoreOptions)> {
    let config = match config::load(file, environment.into_iter()) {
        Ok(config) => config,
        Err(errors) => bail!("{errors}"),
    };
    let options = store_options(&config.store, &Metrics::new());
    Ok((config.store.url.as_str().to_owned(), options))
}

#[expect(
    clippy::print_stdout,
    reason = "the command's whole purpose is to print"
)]
fn tell(status: &Status) {
    let Status {
        database,
        engine,
        schema,
        known,
    } = status;
    let state = if schema == known {
        "up to date"
    } else {
        "behind: run `backline db migrate`, or start Backline"
    };
    println!("database  {database}\nengine    {engine}\nschema    {schema} of {known}, {state}");
}

async fn copy(arguments: Copy) -> anyhow::Result<ExitCode> {
    let from = open(
        &arguments.from,
        arguments.from_password_file.as_deref(),
        Missing::IsAnError,
    )
    .await
    .context("opening the source")?;
    let to = open(
        &arguments.to,
        arguments.to_password_file.as_deref(),
        Missing::IsMade,
    )
    .await
    .context("opening the destination")?;
    let options = CopyOptions {
        existing: match arguments.existing {
            cli::Existing::Refuse => Existing::Refuse,
            cli::Existing::Keep => Existing::Keep,
            cli::Existing::Replace => Existing::Replace,
        },
        dry_run: arguments.dry_run,
        batch: usize::try_from(arguments.batch).unwrap_or(usize::MAX),
    };
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{prefix:16} {bar:30} {pos}/{len} {per_sec}")
            .expect("the template is fixed"),
    );
    let reports = from
        .copy_to(&to, options, &mut |progress| {
            bar.set_prefix(progress.table);
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        })
        .await;
    bar.finish_and_clear();
    let reports = reports.context("copying; what was copied before stays, run the same command again to go on (--existing keep, if tables are done already)")?;
    print(&reports, options.dry_run);
    from.close().await;
    to.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Whether a database may be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsAnError,
    IsMade,
}

async fn open(url: &str, password_file: Option<&Path>, missing: Missing) -> anyhow::Result<Store> {
    let mut options = StoreOptions::new(Metrics::new().store);
    if let Some(file) = password_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("reading the password file `{}`", file.display()))?;
        options.password = Some(SecretString::from(text.trim_end_matches(['\r', '\n'])));
    }
    if missing == Missing::IsAnError {
        let found = status(url, &options).await?;
        if found.schema == 0 {
            bail!("`{}` is empty", found.database);
        }
    }
    Ok(Store::open(url, &options).await?)
}

#[expect(
    clippy::print_stdout,
    reason = "the command's whole purpose is to print"
)]
fn print(reports: &[TableReport], dry_run: bool) {
    println!(
        "{:16} {:>10} {:>10} {:>10} {:>10}  hash of the rows",
        "table", "rows", "there", "twice", "copied"
    );
    for report in reports {
        println!(
            "{:16} {:>10} {:>10} {:>10} {:>10}  {}",
            report.table, report.rows, report.before, report.duplicates, report.copied, report.hash
        );
    }
    if dry_run {
        println!("nothing was changed");
    }
}
