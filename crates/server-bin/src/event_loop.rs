//! The event loop: epoll, level-triggered; one read per readable socket and turn, one write per client and turn.
//!
//! A turn: wait, read what is readable and run it, end the engine's turn (the log is flushed there), write what the gate
//! released. `epoll_wait` may return EINTR; so may everything else here.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use anyhow::Context as _;
use engine::{ClientId, ConfigFile, Engine, Env, Exit, Extensions, Level, Peer};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use vfs::{Dir, error_chain};

use crate::connections::{Connection, Connections, Interest, Stream};
use crate::listen::Listener;
use crate::logger::Logger;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::{clock, hooks, listen, process, title};

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// After so long, in nanoseconds, a turn takes no more events: what waits for its end, as replies do, waits no longer however
/// many clients there are.
const TURN_NS: u64 = 1_000_000;
/// Events taken before the clock is looked at again.
const EVENTS_BETWEEN_LOOKS: usize = 16;
/// After so long, in nanoseconds, a turn sends no more replies that waited for the log: under `always` an fsync releases those of
/// all writers at once, and who asks meanwhile would wait for them all.
const RELEASED_NS: u64 = 500_000;
/// Such replies sent before the clock is looked at again.
const REPLIES_BETWEEN_LOOKS: usize = 8;
/// Connections accepted from one listener in a turn. Source: MAX_ACCEPTS_PER_CALL of Redis.
const ACCEPTS_PER_TURN: usize = 1000;

/// Tokens in epoll's data: descriptors of connections are small; these are not.
const SIGNALS: u64 = u64::MAX;
const BIO: u64 = u64::MAX - 1;
/// Listeners count down from here.
const LISTENERS: u64 = u64::MAX - 2;
/// Above every descriptor.
const FIRST_SPECIAL: u64 = 1 << 40;

/// The running server.
pub(crate) struct EventLoop {
    epoll: Epoll,
    listeners: Vec<Listener>,
    connections: Connections,
    signals: Signals,
    wake: Arc<EventFd>,
    engine: Engine,
    unix_socket: String,
    stops_asked: u32,
    /// The connection that comes first in the next turn, and where it stood, if this one ended before it.
    resume: Option<(u64, usize)>,
    /// The listeners are not watched until then, monotonic microseconds.
    accept_again_us: Option<u64>,
}

impl EventLoop {
    /// Opens the sockets and builds the engine; the persistence files are touched by [`EventLoop::run`].
    pub(crate) fn new(
        settings: Settings,
        signals: Signals,
        mut log: Logger,
        dir: Arc<dyn Dir>,
        extensions: &Extensions,
    ) -> anyhow::Result<Self> {
        let (config_file, config_path) = (settings.config_file(), settings.config_path());
        let config = settings.config;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll_create")?;
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).context("eventfd")?);
        let listeners = listen::open(&config, &mut log)?;
        if config.set_proc_title {
            title::set(&format!("ledgerstone-server {}:{}", config.bind.join(","), config.port));
        }
        let unix_socket = config.unixsocket.clone();
        let waker = Arc::clone(&wake);
        let bio = bio::ThreadBio::new(Arc::new(move || {
            // The counter saturating only means that the loop has been woken already.
            let _full = waker.write(1);
        }));
        let env = Env {
            dir: hooks::wrap_dir(dir),
            bio: Box::new(bio),
            spawner: Box::new(child::ForkSpawner::new(Box::new(title::overwrite))),
            log: Box::new(log),
            config_file: config_file.map(|file| -> Box<dyn ConfigFile> { Box::new(file) }),
            process: process::facts(config_path),
            seed: process::random_bytes()?,
        };
        let engine = Engine::with_extensions(config, env, clock::now(), extensions);
        let new = Self {
            epoll,
            listeners,
            connections: Connections::default(),
            signals,
            wake,
            engine,
            unix_socket,
            stops_asked: 0,
            resume: None,
            accept_again_us: None,
        };
        new.watch_sources()?;
        Ok(new)
    }

    fn watch_sources(&self) -> anyhow::Result<()> {
        let input = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        self.epoll.add(self.signals.as_fd(), input(SIGNALS)).context("epoll_ctl")?;
        self.epoll.add(self.wake.as_fd(), input(BIO)).context("epoll_ctl")?;
        self.watch_listeners()
    }

    fn watch_listeners(&self) -> anyhow::Result<()> {
        for (i, listener) in self.listeners.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, LISTENERS - i as u64);
            self.epoll.add(listener.as_fd(), event).context("epoll_ctl")?;
        }
        Ok(())
    }

    /// Runs until the engine says how to end. Returns the exit status.
    pub(crate) fn run(mut self) -> anyhow::Result<u8> {
        if let Err(error) = self.engine.start() {
            process::remove_file_if_named(&self.unix_socket);
            return Err(error).context("can't start");
        }
        // Only now: until the directory is locked, the pid file may be another server's.
        if let Err(error) = process::write_pid_file(&self.engine.config().pidfile) {
            self.engine.log(Level::Warning, format_args!("{}", error_chain(&*error)));
        }
        let mut events = vec![EpollEvent::empty(); EVENTS];
        let mut ready = Vec::new();
        loop {
            if let Some(Exit { status }) = self.engine.exit() {
                // After a failed write nothing that depends on it leaves.
                if status == 0 {
                    self.flush_replies(&mut ready);
                    while let Some(client) = self.engine.next_released() {
                        self.write_to(client);
                    }
                }
                return Ok(self.finish(status));
            }
            self.turn(&mut events, &mut ready)?;
        }
    }

    fn turn(&mut self, events: &mut [EpollEvent], ready: &mut Vec<ClientId>) -> anyhow::Result<()> {
        let sleep_ms = if self.engine.has_released() { 0 } else { self.engine.sleep_ms().min(1000) };
        let sleep_ms = i32::try_from(sleep_ms).expect("at most 1000");
        let timeout = EpollTimeout::try_from(sleep_ms).expect("not negative");
        let n = match self.epoll.wait(events, timeout) {
            Ok(n) => n,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll_wait"),
        };
        let now = clock::now();
        self.engine.begin_turn(now);
        if self.accept_again_us.is_some_and(|at_us| now.mono_us >= at_us) {
            self.accept_again();
        }
        self.dispatch_all(&events[..n]);
        self.engine.cron();
        self.engine.end_turn();
        // A request that had to wait may have been run just now.
        stall(self.engine.take_stall_us());
        self.flush_replies(ready);
        Ok(())
    }

    /// Takes what is ready: signals and listeners first, then connections until the turn has taken its time.
    ///
    /// The kernel puts what it reported back in the same order, so the next turn begins where this one ended: otherwise a few
    /// connections that are always ready would keep all others waiting.
    fn dispatch_all(&mut self, events: &[EpollEvent]) {
        let until_ns = clock::mono_ns() + TURN_NS;
        events.iter().filter(|event| event.data() > FIRST_SPECIAL).for_each(|event| self.dispatch(event));
        let start = self.resume.take().map_or(0, |(token, at)| {
            events.iter().position(|event| event.data() == token).unwrap_or(if at < events.len() { at } else { 0 })
        });
        for i in 0..events.len() {
            let at = (start + i) % events.len();
            if i > 0 && i % EVENTS_BETWEEN_LOOKS == 0 && clock::mono_ns() >= until_ns {
                self.resume = Some((events[at].data(), at));
                break;
            }
            if events[at].data() <= FIRST_SPECIAL {
                self.dispatch(&events[at]);
            }
        }
    }

    fn dispatch(&mut self, event: &EpollEvent) {
        match event.data() {
            SIGNALS => self.take_signals(),
            BIO => {
                // Only empties the counter; the engine polls bio at the end of every turn.
                let _empty = self.wake.read();
            }
            token if token > FIRST_SPECIAL => {
                let at = usize::try_from(LISTENERS - token).expect("a listener's number");
                self.accept(at);
            }
            fd => {
                let fd = i32::try_from(fd).expect("a descriptor");
                let flags = event.events();
                let gone = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR | EpollFlags::EPOLLRDHUP;
                if flags.intersects(EpollFlags::EPOLLIN | gone) {
                    self.readable(fd, flags.intersects(gone));
                }
                if flags.contains(EpollFlags::EPOLLOUT) {
                    self.write(fd);
                }
            }
        }
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            self.stops_asked += 1;
            self.engine.stop_signal(signal.as_str(), self.stops_asked);
        }
    }

    fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let accepted = match &self.listeners[at] {
                Listener::Tcp(l) => l.accept().map(|(s, peer)| {
                    let laddr = s.local_addr().map(|a| a.to_string()).unwrap_or_default();
                    (Stream::Tcp(s), Peer { addr: peer.to_string(), laddr, fd: -1, unix_socket: false })
                }),
                Listener::Unix(l) => l.accept().map(|(s, _)| {
                    let addr = format!("{}:0", self.unix_socket);
                    (Stream::Unix(s), Peer { addr: addr.clone(), laddr: addr, fd: -1, unix_socket: true })
                }),
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted || e.kind() == ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    self.engine.log(Level::Warning, format_args!("Accepting client connection: {}", error_chain(&e)));
                    self.stop_accepting();
                    return;
                }
            }
        }
    }

    /// Out of descriptors or memory: no listener is watched until a connection closes or a second has passed, because a
    /// connection that cannot be accepted would wake the loop for ever.
    fn stop_accepting(&mut self) {
        for listener in &self.listeners {
            // One that is not watched needs nothing.
            let _unwatched = self.epoll.delete(listener.as_fd());
        }
        self.accept_again_us = Some(clock::now().mono_us + 1_000_000);
    }

    fn accept_again(&mut self) {
        self.accept_again_us = None;
        if let Err(error) = self.watch_listeners() {
            self.engine
                .log(Level::Warning, format_args!("Can't watch the listening sockets: {}", error_chain(&*error)));
            self.stop_accepting();
        }
    }

    fn admit(&mut self, stream: Stream, mut peer: Peer) {
        if process::prepare_socket(&stream, self.engine.config().tcp_keepalive_s).is_err() {
            return;
        }
        peer.fd = stream.raw_fd();
        match self.engine.connect(peer) {
            Ok(client) => {
                let fd = stream.raw_fd();
                let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::try_from(fd).expect("an open descriptor"));
                if let Err(e) = self.epoll.add(stream.as_fd(), event) {
                    self.engine.log(
                        Level::Warning,
                        format_args!("Error registering fd event for the new client: {}", error_chain(&e)),
                    );
                    self.engine.disconnect(client);
                    return;
                }
                let interest = Interest { input: true, output: false, hangup: false };
                self.connections.insert(Connection { stream, client, interest });
            }
            Err(reply) => {
                // The client is told if its socket takes the text at once, and closed either way.
                let _untold = stream.write(reply);
            }
        }
    }

    fn readable(&mut self, fd: i32, gone: bool) {
        let Some(connection) = self.connections.get(fd) else { return };
        let client = connection.client;
        let Some(room) = self.engine.query_spare(client) else {
            // Level-triggered: a peer that is gone would wake the loop for ever while its replies are held.
            if gone {
                self.drop_connection(fd);
            } else {
                self.set_interest(fd);
            }
            return;
        };
        match connection.stream.read(room) {
            Ok(0) => self.drop_connection(fd),
            Ok(n) => {
                self.engine.filled(client, n);
                stall(self.engine.take_stall_us());
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(e) => {
                self.engine.log(Level::Verbose, format_args!("Reading from client: {}", error_chain(&e)));
                self.drop_connection(fd);
            }
        }
    }

    /// Writes what the gate released, to every client that has something.
    /// Sends what may leave: first what was answered in this turn, then what the log has released, as far as the time goes.
    fn flush_replies(&mut self, ready: &mut Vec<ClientId>) {
        self.engine.take_answered(ready);
        for client in ready.drain(..) {
            self.write_to(client);
        }
        if !self.engine.has_released() {
            return;
        }
        let until_ns = clock::mono_ns() + RELEASED_NS;
        for sent in 1.. {
            let Some(client) = self.engine.next_released() else { return };
            self.write_to(client);
            if sent % REPLIES_BETWEEN_LOOKS == 0 && clock::mono_ns() >= until_ns {
                return;
            }
        }
    }

    fn write_to(&mut self, client: ClientId) {
        if let Some(fd) = self.engine.descriptor(client) {
            self.write(fd);
        }
    }

    fn write(&mut self, fd: i32) {
        let Some(connection) = self.connections.get(fd) else { return };
        let client = connection.client;
        let bytes = self.engine.sendable(client);
        if !bytes.is_empty() {
            match connection.stream.write(bytes) {
                Ok(n) => self.engine.sent(client, n),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => {
                    self.engine.log(Level::Verbose, format_args!("Error writing to client: {}", error_chain(&e)));
                    return self.drop_connection(fd);
                }
            }
        }
        if self.engine.wants_close(client) {
            return self.drop_connection(fd);
        }
        self.set_interest(fd);
    }

    /// Watches the socket for what the engine wants of it now; one system call only when that changed.
    fn set_interest(&mut self, fd: i32) {
        let Some(connection) = self.connections.get_mut(fd) else { return };
        let wanted = Interest {
            input: self.engine.wants_input(connection.client),
            output: !self.engine.sendable(connection.client).is_empty(),
            hangup: self.engine.is_blocked(connection.client),
        };
        if wanted == connection.interest {
            return;
        }
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, wanted.input);
        flags.set(EpollFlags::EPOLLOUT, wanted.output);
        flags.set(EpollFlags::EPOLLRDHUP, wanted.hangup);
        let mut event = EpollEvent::new(flags, u64::try_from(fd).expect("an open descriptor"));
        match self.epoll.modify(connection.stream.as_fd(), &mut event) {
            Ok(()) => connection.interest = wanted,
            Err(_) => self.drop_connection(fd),
        }
    }

    fn drop_connection(&mut self, fd: i32) {
        if let Some(connection) = self.connections.remove(fd) {
            self.engine.disconnect(connection.client);
            drop(connection);
            if self.accept_again_us.is_some() {
                self.accept_again();
            }
        }
    }

    fn finish(mut self, status: i32) -> u8 {
        process::remove_file_if_named(&self.engine.config().pidfile);
        if !self.unix_socket.is_empty() {
            self.engine.log(Level::Notice, format_args!("Removing the unix socket file."));
            process::remove_file(&self.unix_socket);
        }
        if status == 0 {
            self.engine.log(Level::Warning, format_args!("Ledgerstone is now ready to exit, bye bye..."));
        } else {
            self.engine.log(Level::Warning, format_args!("Exiting with status {status}"));
        }
        u8::try_from(status).unwrap_or(1)
    }
}

/// Does nothing for so long: DEBUG SLEEP stops the whole server, as in Redis.
#[expect(clippy::disallowed_methods, reason = "to do nothing is what was asked for")]
fn stall(us: u64) {
    if us > 0 {
        std::thread::sleep(std::time::Duration::from_micros(us));
    }
}
