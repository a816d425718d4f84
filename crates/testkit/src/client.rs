//! A blocking client of one connection, with pipelining.
//!
//! A reply of kind error is a value like any other for [`Client::call`]; [`Client::expect`] turns it into an error.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use resp_codec::{ReplyDecoder, Value};

/// How long a reply may take before the client gives the server up, unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How much is read from the socket at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    decoder: ReplyDecoder,
    /// What arrived; from `start` on not yet decoded.
    arrived: Vec<u8>,
    start: usize,
    chunk: Box<[u8]>,
}

impl Client {
    /// Connects to `address`, with a bound of 30 s on every later reply.
    ///
    /// # Errors
    /// If nothing accepts there.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEFAULT_TIMEOUT).context("connect")?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        let chunk = vec![0; READ_BYTES].into_boxed_slice();
        let mut client = Self { stream, decoder: ReplyDecoder::default(), arrived: Vec::new(), start: 0, chunk };
        client.set_timeout(DEFAULT_TIMEOUT)?;
        Ok(client)
    }

    /// Bounds the wait for each read and write.
    ///
    /// # Errors
    /// If the socket refuses the option.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(timeout)).context("SO_RCVTIMEO")?;
        self.stream.set_write_timeout(Some(timeout)).context("SO_SNDTIMEO")
    }

    /// Sends one command and returns its reply, an error reply included.
    ///
    /// # Errors
    /// If the connection breaks or the reply is not RESP.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value> {
        let mut request = Pipeline::default();
        request.push(args);
        self.send(&request)?;
        self.receive()
    }

    /// Sends one command and returns its reply; an error reply is an error.
    ///
    /// # Errors
    /// As [`Client::call`], and if the server answers with an error.
    pub fn expect<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value> {
        let reply = self.call(args)?;
        if let Some(text) = reply.as_error() {
            let name = args.first().map_or_else(String::new, |a| String::from_utf8_lossy(a.as_ref()).into_owned());
            bail!("{name}: the server answered -{}", String::from_utf8_lossy(text));
        }
        Ok(reply)
    }

    /// Sends all requests of `pipeline` in one write where the socket takes it.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn send(&mut self, pipeline: &Pipeline) -> Result<()> {
        self.stream.write_all(&pipeline.bytes).context("send")
    }

    /// Sends `bytes` as they are, for what no well-formed request can say.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("send")
    }

    /// The next reply.
    ///
    /// # Errors
    /// If the connection ends or times out before a whole reply is there, or if what came is not RESP.
    pub fn receive(&mut self) -> Result<Value> {
        loop {
            if let Some((value, consumed)) = self.decoder.decode(&self.arrived[self.start..])? {
                self.start += consumed;
                return Ok(value);
            }
            // What is left is the beginning of one reply: moving it down here costs no more than reading it.
            self.arrived.drain(..self.start);
            self.start = 0;
            match self.stream.read(&mut self.chunk) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(n) => self.arrived.extend_from_slice(&self.chunk[..n]),
                // A read with a timeout is not begun anew by the kernel.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("receive"),
            }
        }
    }

    /// Sends the pipeline and returns all its replies in order.
    ///
    /// # Errors
    /// As [`Client::receive`].
    pub fn run(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>> {
        self.send(pipeline)?;
        (0..pipeline.len()).map(|_| self.receive()).collect()
    }

    /// Whether the server has closed the connection: reads to the end, discarding replies.
    pub fn ends(&mut self) -> bool {
        loop {
            match self.stream.read(&mut self.chunk) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}

/// Requests to be sent together. Reused: [`Pipeline::clear`] keeps its memory.
#[derive(Debug, Default)]
pub struct Pipeline {
    bytes: Vec<u8>,
    requests: usize,
}

impl Pipeline {
    /// Appends one request.
    pub fn push<A: AsRef<[u8]>>(&mut self, args: &[A]) -> &mut Self {
        resp_codec::encode_command(&mut self.bytes, args.iter().map(AsRef::as_ref));
        self.requests += 1;
        self
    }

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.requests
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// The size of all requests, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all requests.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.requests = 0;
    }
}
