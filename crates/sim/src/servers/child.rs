//! A server as a child process that does not outlive us.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::ServerError;

/// A running server and the log it writes.
#[derive(Debug)]
pub(super) struct Running {
    program: &'static str,
    child: Child,
    log: PathBuf,
}

/// How a server is asked to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    /// PostgreSQL: break connections off, close the files cleanly.
    Int,
    /// At once, as when the machine dies.
    Kill,
}

/// Commands of root that need a user of less power.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsUser(pub(super) &'static str);

impl Running {
    /// Starts `program`; `user` is who it shall be when we are root.
    pub(super) fn start(
        program: &'static str,
        path: &Path,
        arguments: &[String],
        user: Option<AsUser>,
        log: PathBuf,
    ) -> Result<Self, ServerError> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(ServerError::io("opening a log"))?;
        let mut command = command(path, user);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(ServerError::io("opening a log"))?)
            .stderr(out)
            .process_group(0);
        let child = spawn(command).map_err(ServerError::io("starting a server"))?;
        Ok(Self {
            program,
            child,
            log,
        })
    }

    /// Asks every 20 ms whether it is up.
    pub(super) fn until(&mut self, mut up: impl FnMut() -> bool) -> Result<(), ServerError> {
        let deadline = Instant::now() + PATIENCE;
        while !up() {
            let ended = self.child.try_wait().is_ok_and(|ended| ended.is_some());
            if ended || Instant::now() > deadline {
                return Err(ServerError::Down {
                    program: self.program,
                    log: self.log_end(),
                });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Ends it and waits until it is gone.
    pub(super) fn end(&mut self, signal: Signal) {
        let name = match signal {
            Signal::Int => "-INT",
            Signal::Kill => "-KILL",
        };
        self.signal(name);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        self.signal("-KILL");
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }

    /// Holds it, or lets it go on.
    pub(super) fn freeze(&self, frozen: bool) {
        self.signal(if frozen { "-STOP" } else { "-CONT" });
    }

    /// Returns the end of the log.
    pub(super) fn log_end(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Signals the whole group: servers have children of their own.
    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _gone = Command::new("kill")
            .args([name, "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        self.end(Signal::Kill);
    }
}

/// Returns a command that ends with us and, if we are root, runs as `user`.
pub(super) fn command(path: &Path, user: Option<AsUser>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(AsUser(user)) = user.filter(|_| is_root()) {
        command.args([
            "--reuid".to_owned(),
            user.to_owned(),
            "--regid".to_owned(),
            user.to_owned(),
            "--init-groups".to_owned(),
        ]);
    }
    command.arg("--").arg(path);
    command
}

/// Whether we are root, whom some servers refuse to be.
pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Gives a folder to `user`, if we are root.
pub(super) fn give(folder: &Path, AsUser(user): AsUser) -> io::Result<()> {
    if is_root() {
        let owner = format!("{user}:{user}");
        Command::new("chown")
            .arg("-R")
            .arg(owner)
            .arg(folder)
            .status()?;
    }
    Ok(())
}

/// Starts a child from a thread that never ends: the kernel kills it with the thread that
/// started it, and threads of tests end early.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: std::sync::LazyLock<std::sync::Mutex<mpsc::Sender<Order>>> =
        std::sync::LazyLock::new(|| {
            let (orders, incoming) = mpsc::channel::<Order>();
            std::thread::spawn(move || {
                for (mut command, reply) in incoming {
                    let _gone = reply.send(command.spawn());
                }
            });
            std::sync::Mutex::new(orders)
        });
    let (reply, answer) = mpsc::channel();
    let orders = STARTER
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    orders
        .send((command, reply))
        .map_err(|_| io::Error::other("the starting thread is gone"))?;
    drop(orders);
    answer
        .recv()
        .map_err(|_| io::Error::other("the starting thread is gone"))?
}

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it may take to end.
const GRACE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOG_LINES: usize = 20;
