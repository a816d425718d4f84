//! Open connections by descriptor, and reading and writing them without blocking.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use engine::ClientId;

/// A connected socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => (&mut &*s).read(buf),
            Self::Unix(s) => (&mut &*s).read(buf),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => (&mut &*s).write(bytes),
            Self::Unix(s) => (&mut &*s).write(bytes),
        }
    }

    pub(crate) fn raw_fd(&self) -> i32 {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(s) => s.as_fd(),
            Self::Unix(s) => s.as_fd(),
        }
    }
}

/// What a connection's socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) input: bool,
    pub(crate) output: bool,
    /// That the peer sends no more, which a socket that is not read does not tell.
    pub(crate) hangup: bool,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) client: ClientId,
    pub(crate) interest: Interest,
}

/// Connections by descriptor: small, dense numbers, so a table.
#[derive(Default)]
pub(crate) struct Connections {
    by_fd: Vec<Option<Connection>>,
}

impl Connections {
    pub(crate) fn insert(&mut self, connection: Connection) {
        let at = index(connection.stream.raw_fd());
        if self.by_fd.len() <= at {
            self.by_fd.resize_with(at + 1, || None);
        }
        assert!(self.by_fd[at].is_none(), "a descriptor is closed when its connection is removed");
        self.by_fd[at] = Some(connection);
    }

    pub(crate) fn get(&self, fd: i32) -> Option<&Connection> {
        self.by_fd.get(index(fd))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, fd: i32) -> Option<&mut Connection> {
        self.by_fd.get_mut(index(fd))?.as_mut()
    }

    /// Takes a connection out; dropping it closes the socket.
    pub(crate) fn remove(&mut self, fd: i32) -> Option<Connection> {
        self.by_fd.get_mut(index(fd))?.take()
    }
}

fn index(fd: i32) -> usize {
    usize::try_from(fd).expect("an open descriptor is not negative")
}
