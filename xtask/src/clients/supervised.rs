//! A server that is started again when it dies, over the same files and port, as a service manager does it: its clients see
//! it go and come back.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::{Client, ServerBuilder, ServerProcess};

/// How often is looked whether the server lives.
const LOOK: Duration = Duration::from_millis(2);

/// The server. Dropping it ends the server; [`Self::end`] also says whether it could always be started again.
#[derive(Debug)]
pub(crate) struct Supervised {
    address: SocketAddr,
    /// The watch, and what is dropped to end it.
    watch: Option<(Sender<()>, JoinHandle<Result<()>>)>,
}

impl Supervised {
    /// Starts the server and the watch over it.
    ///
    /// # Errors
    /// If it does not start the first time.
    pub(crate) fn start(builder: &ServerBuilder) -> Result<Self> {
        let server = builder.start()?;
        let address = server.address();
        let again = builder.clone().port(address.port());
        let (until, ended) = mpsc::channel();
        let watch = thread::spawn(move || watch(server, &again, &ended));
        Ok(Self { address, watch: Some((until, watch)) })
    }

    /// Where it listens, always.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If it does not accept.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// Ends the server.
    ///
    /// # Errors
    /// If it could not be started again after it had died.
    pub(crate) fn end(mut self) -> Result<()> {
        self.finish().context("the server could not be started again")
    }

    fn finish(&mut self) -> Result<()> {
        let Some((until, watch)) = self.watch.take() else { return Ok(()) };
        drop(until);
        watch.join().expect("the watch does not panic")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Whoever wants to know the outcome calls `end`.
        let _ = self.finish();
    }
}

fn watch(mut server: ServerProcess, again: &ServerBuilder, ended: &Receiver<()>) -> Result<()> {
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if server.try_wait()?.is_some() {
            server = again.start()?;
        }
    }
    Ok(())
}
