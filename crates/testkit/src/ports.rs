//! Picks free TCP ports on loopback, below the range the kernel hands out for outgoing connections, so that a test's own
//! clients never take the port a server is about to bind.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nix::sched::{CloneFlags, unshare};

/// An address that no machine has (RFC 5737), given to a network of its own.
const NOBODYS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const FIRST: u32 = 22_000;
const COUNT: u32 = 10_000;

/// The loopback address with `port`.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port that nothing listens on at this moment. Another process may still be faster: the server's start finds out.
///
/// # Errors
/// If none of many tries is free.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes run side by side: each starts at its own place in the range.
    let base = std::process::id().wrapping_mul(2_654_435_761) >> 16;
    for _ in 0..200 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + base.wrapping_add(step) % COUNT)?;
        if TcpListener::bind(loopback(port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}

/// Runs `test` with an address of this machine that is not loopback: its own, or where there is none, one in a network that only the
/// thread of `test` sees, and what it starts.
///
/// # Errors
/// If there is none and none can be made, which needs root and the program `ip`; or if `test` fails.
pub fn with_outer_address(test: impl FnOnce(IpAddr) -> Result<()> + Send) -> Result<()> {
    match outer_address() {
        Some(address) => test(address),
        None => in_own_network(test),
    }
}

/// The address that packets to others would come from; none without a network. Nothing is sent.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect((NOBODYS, 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn in_own_network(test: impl FnOnce(IpAddr) -> Result<()> + Send) -> Result<()> {
    let alone = || {
        unshare(CloneFlags::CLONE_NEWNET)
            .context("this machine has no address but loopback, and a network of its own needs root")?;
        let address = format!("{NOBODYS}/32");
        for arguments in [&["link", "set", "lo", "up"][..], &["address", "add", &address, "dev", "lo"]] {
            let output = Command::new("ip").args(arguments).output().context("ip, of iproute2")?;
            ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        test(NOBODYS.into())
    };
    // A thread stays in its network: one that ends with the test.
    std::thread::scope(|scope| scope.spawn(alone).join().map_err(|_| anyhow!("the test panicked"))?)
}
