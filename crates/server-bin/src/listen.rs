//! Listening sockets: TCP on every address of `bind`, and the Unix socket if asked.
#![expect(clippy::disallowed_methods, reason = "the Unix socket's path is no file of the engine's")]

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use anyhow::{Context as _, bail};
use engine::{Config, Level, Log as _};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use vfs::error_chain;

use crate::logger::Logger;

/// One listening socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(l) => l.as_fd(),
            Self::Unix(l) => l.as_fd(),
        }
    }
}

/// Opens all sockets that the configuration names.
pub(crate) fn open(config: &Config, log: &mut Logger) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    if config.port != 0 {
        for address in &config.bind {
            let (name, optional) = address.strip_prefix('-').map_or((address.as_str(), false), |rest| (rest, true));
            match open_tcp(name, config) {
                Ok(listener) => listeners.push(Listener::Tcp(listener)),
                Err(error) if optional => {
                    log.line(
                        Level::Verbose,
                        format_args!("Not listening on the optional address {name}: {}", error_chain(&*error)),
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }
    if !config.unixsocket.is_empty() {
        listeners.push(Listener::Unix(open_unix(config)?));
    }
    if listeners.is_empty() {
        bail!("Configured to not listen anywhere, exiting.");
    }
    Ok(listeners)
}

fn open_tcp(name: &str, config: &Config) -> anyhow::Result<TcpListener> {
    let port = config.port;
    let host = match name {
        "*" => "0.0.0.0",
        "::*" => "::",
        other => other,
    };
    let what = || format!("Could not create server TCP listening socket {name}:{port}");
    let address = (host, port).to_socket_addrs().with_context(what)?.next().with_context(what)?;
    bound(address, config.tcp_backlog).with_context(what)
}

fn bound(address: SocketAddr, backlog: u32) -> anyhow::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address)).context("bind")?;
    let backlog = i32::try_from(backlog).ok().and_then(|b| Backlog::new(b).ok()).unwrap_or(Backlog::MAXCONN);
    listen(&fd, backlog).context("listen")?;
    Ok(TcpListener::from(fd))
}

fn open_unix(config: &Config) -> anyhow::Result<UnixListener> {
    let path = &config.unixsocket;
    let what = || format!("Opening Unix socket {path}");
    // A socket that a killed server left is of no use to anyone; anything else under the name is not ours to remove.
    if let Ok(found) = std::fs::symlink_metadata(path) {
        use std::os::unix::fs::FileTypeExt as _;
        if !found.file_type().is_socket() {
            bail!("{}: something that is not a socket stands there", what());
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("{}: Address already in use", what());
        }
        std::fs::remove_file(path).with_context(what)?;
    }
    let listener = UnixListener::bind(path).with_context(what)?;
    listener.set_nonblocking(true).with_context(what)?;
    if config.unixsocketperm != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(config.unixsocketperm)).with_context(what)?;
    }
    Ok(listener)
}
