//! Runs programs that are not ours: without a shell, bounded in time, number and output, and
//! gone with everything they started when they are late.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use backline_runtime::config::programs;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::sync::Semaphore;

/// A program and its bounds; cheap to clone.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    permits: Arc<Semaphore>,
    bounds: Bounds,
}

/// What a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long it may take, once it runs, and how long it may wait before.
    pub time: Duration,
    /// Runs at a time.
    pub processes: usize,
    /// Bytes of output that are read.
    pub output: usize,
}

/// Why a run gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no such program.
    #[error("the program is not installed")]
    Missing,
    /// It cannot be run.
    #[error("the program cannot be run")]
    Broken(#[source] io::Error),
    /// Too many runs before this one.
    #[error("too many runs of the program are under way")]
    Busy,
    /// It was late, and was killed.
    #[error("the program did not end in time")]
    TimedOut,
    /// It wrote too much, and was killed.
    #[error("the program wrote more than {limit} bytes")]
    TooLong {
        /// How much it may write.
        limit: usize,
    },
    /// It failed.
    #[error("the program failed: {last_line}")]
    Failed {
        /// The last line it wrote to its standard error.
        last_line: String,
    },
}

/// Bytes of standard error that are kept: its end.
const ERRORS: usize = 8 * 1024;
/// Characters of an error line that are shown.
const LINE: usize = 300;

impl Program {
    /// Returns a program.
    pub fn new(path: &Path, bounds: Bounds) -> Self {
        Self {
            path: path.to_owned(),
            environment: programs::environment(),
            permits: Arc::new(Semaphore::new(bounds.processes)),
            bounds,
        }
    }

    /// Sets variables that the program gets beside those that every program gets.
    #[must_use]
    pub fn with_environment(mut self, more: &[(&'static str, String)]) -> Self {
        let more = more.iter().map(|(name, value)| (*name, value.into()));
        self.environment.extend(more);
        self
    }

    /// Runs it with `arguments`, gives it `input`, and returns what it wrote.
    ///
    /// Dropping the future kills the program and all it started.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub async fn run(
        &self,
        arguments: &[OsString],
        input: Option<String>,
    ) -> Result<Vec<u8>, ProgramError> {
        let permit = tokio::time::timeout(self.bounds.time, self.permits.acquire());
        let _permit = permit
            .await
            .map_err(|_| ProgramError::Busy)?
            .expect("the semaphore is never closed");
        tokio::time::timeout(self.bounds.time, self.run_now(arguments, input))
            .await
            .map_err(|_| ProgramError::TimedOut)?
    }

    async fn run_now(
        &self,
        arguments: &[OsString],
        input: Option<String>,
    ) -> Result<Vec<u8>, ProgramError> {
        let stdin = if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = Command::new(&self.path)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group, so that what it starts can be killed with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ProgramError::Missing,
                _ => ProgramError::Broken(error),
            })?;
        let mut group = Group(child.id());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let stdout = stdout.expect("it was asked for");
        let stderr = stderr.expect("it was asked for");
        let (output, errors, ()) = tokio::try_join!(
            read(stdout, self.bounds.output),
            read_end(stderr),
            write(stdin, input)
        )?;
        let status = child.wait().await.map_err(ProgramError::Broken)?;
        group.0 = None;
        if status.success() {
            return Ok(output);
        }
        let errors = String::from_utf8_lossy(&errors);
        let mut lines = errors
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let last = lines.next_back().unwrap_or("it did not say why");
        Err(ProgramError::Failed {
            last_line: last.chars().take(LINE).collect(),
        })
    }
}

/// A process group that is killed unless its leader has ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(id) = self.0.and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        // SAFETY: a system call without pointers. The leader was not waited for yet, so its
        // number, which is the group's, cannot belong to anybody else.
        let _killed = unsafe { libc::kill(-id, libc::SIGKILL) };
    }
}

async fn read(mut from: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, ProgramError> {
    let mut output = Vec::new();
    let mut part = vec![0; 64 * 1024];
    loop {
        match from.read(&mut part).await {
            Ok(0) => return Ok(output),
            Ok(count) if output.len() + count > limit => {
                return Err(ProgramError::TooLong { limit });
            }
            Ok(count) => output.extend_from_slice(&part[..count]),
            Err(error) => return Err(ProgramError::Broken(error)),
        }
    }
}

/// Reads everything and keeps the end.
async fn read_end(mut from: impl AsyncRead + Unpin) -> Result<Vec<u8>, ProgramError> {
    let mut end = Vec::new();
    let mut part = vec![0; ERRORS];
    loop {
        match from.read(&mut part).await {
            Ok(0) => return Ok(end),
            Ok(count) => {
                end.extend_from_slice(&part[..count]);
                end.drain(..end.len().saturating_sub(ERRORS));
            }
            Err(error) => return Err(ProgramError::Broken(error)),
        }
    }
}

async fn write(to: Option<ChildStdin>, input: Option<String>) -> Result<(), ProgramError> {
    if let (Some(mut to), Some(input)) = (to, input) {
        // A program that does not read to the end may still have done its work.
        let _written = to.write_all(input.as_bytes()).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(time: Duration, output: usize) -> Program {
        let bounds = Bounds {
            time,
            processes: 2,
            output,
        };
        Program::new(Path::new("/bin/sh"), bounds)
    }

    async fn run(program: &Program, text: &str) -> Result<Vec<u8>, ProgramError> {
        program.run(&["-c".into(), text.into()], None).await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn output_is_read_and_input_is_written() {
        let program = shell(LONG, 1_000);
        let arguments = ["-c".into(), "cat; echo more".into()];
        let given = program.run(&arguments, Some("text ".into())).await;
        assert_eq!(given.expect("it ran"), b"text more\n");
    }

    #[tokio::test]
    async fn a_failure_says_the_last_line() {
        let program = shell(LONG, 1_000);
        let failed = run(&program, "echo one >&2; echo two >&2; exit 1");
        let Err(ProgramError::Failed { last_line }) = failed.await else {
            panic!("it failed");
        };
        assert_eq!(last_line, "two");
    }

    #[tokio::test]
    async fn a_hanging_program_is_killed_with_all_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("pid");
        // The grandchild keeps the output open, too.
        let text = format!("sleep 600 & echo $! > {}; sleep 600", mark.display());
        let began = Instant::now();
        let program = shell(Duration::from_millis(1_500), 1_000);
        assert!(matches!(
            run(&program, &text).await,
            Err(ProgramError::TimedOut)
        ));
        assert!(began.elapsed() < LONG);
        let pid = std::fs::read_to_string(mark).expect("the grandchild ran");
        let dead = async {
            loop {
                let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
                // A killed process may wait for its new parent to look.
                if state.is_err() || state.is_ok_and(|state| state.contains(") Z")) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, dead)
            .await
            .expect("the grandchild is killed, too");
    }

    #[tokio::test]
    async fn a_program_that_writes_without_end_is_stopped() {
        let program = shell(LONG, 1 << 20);
        let endless = run(&program, "while :; do echo 0123456789; done");
        let Err(ProgramError::TooLong { limit }) = endless.await else {
            panic!("it wrote too much");
        };
        assert_eq!(limit, 1 << 20);
    }

    #[tokio::test]
    async fn a_missing_program_is_told() {
        let bounds = Bounds {
            time: LONG,
            processes: 1,
            output: 1,
        };
        let program = Program::new(Path::new("/no/such/program"), bounds);
        assert!(matches!(
            program.run(&[], None).await,
            Err(ProgramError::Missing)
        ));
    }

    #[tokio::test]
    async fn no_more_run_at_a_time_than_allowed() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = folder.path().join("lock");
        let bounds = Bounds {
            time: LONG,
            processes: 1,
            output: 10,
        };
        let program = Program::new(Path::new("/bin/sh"), bounds);
        // Making a folder fails when it is there: when another run is under way.
        let text = format!("mkdir {0} && sleep 0.1 && rmdir {0}", lock.display());
        let runs = (0..5).map(|_| run(&program, &text));
        for ran in futures_util::future::join_all(runs).await {
            ran.expect("it was alone");
        }
    }

    #[tokio::test]
    async fn the_environment_holds_no_secrets() {
        let seen = run(&shell(LONG, 100_000), "env").await.expect("it ran");
        let seen = String::from_utf8(seen).expect("text");
        for line in seen.lines() {
            assert!(!line.starts_with("CARGO"), "{line}");
        }
        assert!(seen.contains("PATH="));
    }
}
