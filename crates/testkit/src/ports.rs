//! Picks free TCP ports on loopback, below the range the kernel hands out for outgoing connections, so that a test's own
//! clients never take the port a server is about to bind.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

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
