//! Many connections that each have one request in flight, driven by one thread.
//!
//! redis-benchmark takes as long for a request as a server does, so on a machine of few cores it is the load generator that
//! is measured, and servers that work while an fsync runs have nothing to work on. This one makes one read and one write a
//! request and nothing else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Keys are drawn from so many.
const KEYS: u32 = 100_000;
/// What a SET is answered with.
const OK: &[u8] = b"+OK\r\n";
/// After so long without any reply the load fails, in milliseconds.
const SILENCE_MS: u16 = 10_000;

/// Sends `requests` SETs of random keys over `writers` connections to `server`; returns how many were answered a second.
///
/// # Errors
/// If a connection fails, a reply is not +OK, or none comes for ten seconds.
pub(crate) fn sets_per_second(server: SocketAddr, writers: u32, requests: u64) -> Result<f64> {
    ensure!(requests >= u64::from(writers), "{writers} writers need as many requests, not {requests}");
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll_create")?;
    let mut writers = (0..writers).map(|at| Writer::connect(server, &epoll, at)).collect::<Result<Vec<_>>>()?;
    let mut events = vec![EpollEvent::empty(); writers.len()];
    let (mut sent, mut answered) = (0, 0);
    let started = Instant::now();
    for writer in &mut writers {
        writer.send()?;
        sent += 1;
    }
    while answered < requests {
        let ready = match epoll.wait(&mut events, EpollTimeout::from(SILENCE_MS)) {
            Ok(0) => bail!("no reply for {SILENCE_MS} ms after {answered} of {requests}"),
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll_wait"),
        };
        for event in &events[..ready] {
            let writer = &mut writers[usize::try_from(event.data()).expect("an index")];
            if !writer.receive()? {
                continue;
            }
            answered += 1;
            if sent < requests {
                writer.send()?;
                sent += 1;
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Ok(requests as f64 / started.elapsed().as_secs_f64())
}

/// One connection.
struct Writer {
    stream: TcpStream,
    /// How much of the reply has come.
    received_bytes: usize,
}

impl Writer {
    fn connect(server: SocketAddr, epoll: &Epoll, at: u32) -> Result<Self> {
        let stream = TcpStream::connect(server).with_context(|| format!("writer {at}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll.add(stream.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, u64::from(at))).context("epoll_ctl")?;
        Ok(Self { stream, received_bytes: 0 })
    }

    /// Sends one request. It fits an empty socket buffer.
    fn send(&mut self) -> Result<()> {
        let mut request = *b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$3\r\nxyz\r\n";
        let mut key = fastrand::u32(..KEYS);
        for digit in request[22..34].iter_mut().rev() {
            *digit = b'0' + u8::try_from(key % 10).expect("a digit");
            key /= 10;
        }
        self.stream.write_all(&request).context("writing a request")
    }

    /// Reads once; returns whether the reply is complete.
    fn receive(&mut self) -> Result<bool> {
        let mut buffer = [0; 256];
        let read = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("reading a reply"),
        };
        let expected = &OK[self.received_bytes..];
        ensure!(expected.starts_with(&buffer[..read]), "not +OK: {}", buffer[..read].escape_ascii());
        self.received_bytes = (self.received_bytes + read) % OK.len();
        Ok(self.received_bytes == 0)
    }
}
