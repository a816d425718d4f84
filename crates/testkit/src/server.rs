//! A server process over its own directory and port: started, killed, started again.
//!
//! Readiness is a PING that is answered with PONG; every wait has a bound; nothing outlives the value.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::info::Info;
use crate::ports;
use resp_codec::Value;

/// How long a start may take, loading included, unless told otherwise.
const START_BOUND: Duration = Duration::from_secs(60);

/// How long a killed process may take to be gone: one of its threads may wait for a disk that is busy.
const KILL_BOUND: Duration = Duration::from_secs(60);

/// How long one PING of a starting server may take before the next one is tried.
const PING_BOUND: Duration = Duration::from_millis(250);

/// How often a condition that sends no event is looked at.
const POLL: Duration = Duration::from_micros(500);

/// How many ports are tried when another process takes the one chosen.
const PORT_TRIES: usize = 5;

/// What a server is started from. Cheap to clone; the same builder starts the next server over the same directory.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    binary: PathBuf,
    home: PathBuf,
    wrapper: Vec<OsString>,
    directives: Vec<(String, String)>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    port: Option<u16>,
    keeps_configuration: bool,
    start_bound: Duration,
}

impl ServerBuilder {
    /// A server of `binary` whose files stand under `home`: the data in `home/data`, the configuration in
    /// `home/server.conf`, the log in `home/server.log`.
    pub fn new(binary: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            home: home.into(),
            wrapper: Vec::new(),
            directives: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            port: None,
            keeps_configuration: false,
            start_bound: START_BOUND,
        }
    }

    /// Adds a configuration directive with one value.
    #[must_use]
    pub fn directive(mut self, name: &str, value: &str) -> Self {
        self.directives.retain(|(n, _)| n != name);
        self.directives.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a command-line argument after the configuration file.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs the server under another program, such as strace with its arguments.
    #[must_use]
    pub fn wrapper<A: Into<OsString>>(mut self, command: impl IntoIterator<Item = A>) -> Self {
        self.wrapper = command.into_iter().map(Into::into).collect();
        self
    }

    /// Listens on this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Starts from the configuration file as an earlier server left it: a fixed port is needed.
    #[must_use]
    pub fn keep_configuration(mut self) -> Self {
        self.keeps_configuration = true;
        self
    }

    /// The configuration file.
    pub fn configuration_path(&self) -> PathBuf {
        self.home.join("server.conf")
    }

    /// Bounds the time until the first PONG.
    #[must_use]
    pub fn start_bound(mut self, bound: Duration) -> Self {
        self.start_bound = bound;
        self
    }

    /// The directory of the data files.
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The log file: output of every server started so far.
    pub fn log_path(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// Starts the server and waits until it answers PING with PONG.
    ///
    /// # Errors
    /// If it ends before that or does not get there in time; the message holds the exit status and the end of the log.
    pub fn start(&self) -> Result<ServerProcess> {
        for _ in 1..PORT_TRIES {
            match self.start_once() {
                Err(e) if self.port.is_none() && format!("{e:#}").contains("Address already in use") => {}
                result => return result,
            }
        }
        self.start_once()
    }

    /// Starts the server where it is expected to refuse, and returns how it ended and what it wrote.
    ///
    /// # Errors
    /// If it serves instead, or neither serves nor ends in time.
    pub fn start_refused(&self) -> Result<Refusal> {
        let mut server = self.spawn()?;
        let deadline = Instant::now() + self.start_bound;
        loop {
            if let Some(status) = server.try_wait()? {
                return Ok(Refusal { status, log: server.log()? });
            }
            if server.ping().is_some_and(|reply| reply == Value::Status(b"PONG".to_vec())) {
                bail!("the server serves, though it should have refused to start");
            }
            if Instant::now() > deadline {
                bail!("the server neither serves nor ends\n{}", server.log()?);
            }
            std::thread::sleep(POLL);
        }
    }

    fn start_once(&self) -> Result<ServerProcess> {
        let mut server = self.spawn()?;
        server.wait_ready(self.start_bound)?;
        Ok(server)
    }

    /// Spawns the process without waiting for readiness, for what happens during start and loading.
    ///
    /// # Errors
    /// If its files cannot be made or it cannot be executed.
    pub fn spawn(&self) -> Result<ServerProcess> {
        let port = match self.port {
            Some(port) => port,
            None => ports::free_port()?,
        };
        fs::create_dir_all(self.data_dir()).context("the data directory")?;
        let configuration = self.configuration_path();
        if !self.keeps_configuration {
            fs::write(&configuration, self.configuration(port)).context("server.conf")?;
        }
        let log = File::options().create(true).append(true).open(self.log_path()).context("server.log")?;
        let log_from = log.metadata()?.len();
        let mut line = self.wrapper.clone();
        line.extend([self.binary.clone().into_os_string(), configuration.into_os_string()]);
        line.extend(self.arguments.iter().cloned());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).envs(self.environment.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {}", line[0].display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        Ok(ServerProcess {
            address: ports::loopback(port),
            wrapped: !self.wrapper.is_empty(),
            pid,
            child,
            log_path: self.log_path(),
            log_from,
            data_dir: self.data_dir(),
            ended: None,
        })
    }

    fn configuration(&self, port: u16) -> String {
        let mut text = String::new();
        let defaults = [
            ("port", port.to_string()),
            ("bind", "127.0.0.1".to_owned()),
            ("dir", self.data_dir().display().to_string()),
            ("save", String::new()),
        ];
        let overridden: BTreeSet<&str> = self.directives.iter().map(|(name, _)| name.as_str()).collect();
        let kept = defaults.iter().filter(|(name, _)| !overridden.contains(name)).map(|(n, v)| (*n, v.as_str()));
        for (name, value) in kept.chain(self.directives.iter().map(|(n, v)| (n.as_str(), v.as_str()))) {
            writeln!(text, "{name} \"{}\"", value.escape_default()).expect("writing to a String cannot fail");
        }
        text
    }
}

/// How a server ended that refused to start.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote.
    pub log: String,
}

/// A started server. Dropping it kills it and its children and waits for their end.
#[derive(Debug)]
pub struct ServerProcess {
    address: SocketAddr,
    wrapped: bool,
    pid: Pid,
    child: Child,
    log_path: PathBuf,
    log_from: u64,
    data_dir: PathBuf,
    ended: Option<ExitStatus>,
}

impl ServerProcess {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's own process id, also when it runs under a wrapper.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The directory of its data files.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If it does not accept.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// What this process wrote so far.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(&self.log_path).context("server.log")?;
        let from = usize::try_from(self.log_from)?.min(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[from..]).into_owned())
    }

    /// The line with which a thread of this process told of its panic, if one did: the server goes on without some of them.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn panic(&self) -> Result<Option<String>> {
        Ok(self.log()?.lines().find(|line| line.contains("panicked at")).map(str::to_owned))
    }

    /// Waits until PING is answered with PONG.
    ///
    /// # Errors
    /// If the process ends, or `bound` passes.
    pub fn wait_ready(&mut self, bound: Duration) -> Result<()> {
        let deadline = Instant::now() + bound;
        let mut last = None;
        loop {
            if let Some(status) = self.try_wait()? {
                bail!("the server ended during its start: {status}\n{}", self.log()?);
            }
            match self.ping() {
                Some(Value::Status(pong)) if pong == b"PONG" => break,
                reply => last = reply.or(last),
            }
            if Instant::now() > deadline {
                bail!("the server did not answer PING with PONG in {bound:?}, last {last:?}\n{}", self.log()?);
            }
            std::thread::sleep(POLL);
        }
        if self.wrapped {
            let info = Info::fetch(&mut self.client()?, "server")?;
            let pid = info.number("process_id").context("INFO server does not name process_id")?;
            self.pid = Pid::from_raw(i32::try_from(pid)?);
        }
        Ok(())
    }

    fn ping(&self) -> Option<Value> {
        let mut client = self.client().ok()?;
        client.set_timeout(PING_BOUND).ok()?;
        client.call(&["PING"]).ok()
    }

    /// The children it has at this moment, such as a rewrite child.
    pub fn children(&self) -> Vec<i32> {
        children_of(self.pid())
    }

    /// Kills it with SIGKILL and waits for its end. Its children are left to themselves.
    ///
    /// # Errors
    /// If it is not gone in time.
    pub fn kill_9(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait_exit(KILL_BOUND).map(drop)
    }

    /// Stops it with SIGSTOP: it does nothing more until it is killed.
    ///
    /// # Errors
    /// If it is gone.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Kills it and its children with SIGKILL, as a power loss does, and waits for the end of all.
    ///
    /// # Errors
    /// If one is not gone in time.
    pub fn kill_family(&mut self) -> Result<()> {
        // Stopped first: it makes no further child meanwhile.
        self.stop()?;
        let children = self.children();
        kill_descendants(self.pid());
        self.kill_9()?;
        children.into_iter().try_for_each(|pid| wait_gone(pid, KILL_BOUND))
    }

    /// Asks it to end with SIGTERM and waits for that.
    ///
    /// # Errors
    /// If it does not end within `bound`.
    pub fn terminate(&mut self, bound: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait_exit(bound)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.ended.is_some() {
            bail!("the server has ended before");
        }
        kill(self.pid, signal).with_context(|| format!("send {signal}"))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If `bound` passes.
    pub fn wait_exit(&mut self, bound: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + bound;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the server did not end in {bound:?}\n{}", self.log()?);
            }
            std::thread::sleep(POLL);
        }
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("wait for the server")?;
        }
        Ok(self.ended)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !matches!(self.try_wait(), Ok(None)) {
            return;
        }
        let mut family = self.children();
        family.push(self.pid());
        for pid in family {
            // It may have ended by itself meanwhile; until it is reaped by its parent the id is not reused.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Lets this process, and servers that it starts, have so many files open, if the system's hard limit allows.
///
/// # Errors
/// If it does not.
pub fn raise_open_files(wanted: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("getrlimit")?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).with_context(|| format!("at most {hard} open files"))?;
    }
    Ok(())
}

/// The children of process `pid`, over all its threads; none if it is gone.
pub fn children_of(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
    lists.flat_map(|l| l.split_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// Kills the children of process `pid` with SIGKILL, theirs before them.
pub fn kill_descendants(pid: i32) {
    for child in children_of(pid) {
        kill_descendants(child);
        // It may have ended by itself meanwhile.
        let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
    }
}

/// Asks a process that was started beside the server to end, with SIGTERM.
///
/// # Errors
/// If it is gone.
pub fn interrupt(child: &Child) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM).context("SIGTERM")
}

/// Waits until process `pid` is gone or a zombie.
///
/// # Errors
/// If `bound` passes.
pub fn wait_gone(pid: i32, bound: Duration) -> Result<()> {
    let deadline = Instant::now() + bound;
    while is_running(pid) {
        if Instant::now() > deadline {
            bail!("process {pid} still runs after {bound:?}");
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Whether process `pid` exists and is no zombie.
fn is_running(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the name, which stands in parentheses and may hold anything.
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}
