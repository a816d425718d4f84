//! Commands on their way to the file, none of them longer than a reader takes back.
//!
//! Invariant: a command that would be too long is refused before the argument that makes it so is written.

use child::Failure;
use numeric::{DoubleBuf, IntBuf};
use resp_codec::encode::Header;

use super::{ChildStep, Out};

/// What a command that is too long fails with; whoever knows the key says whose it is.
pub(super) const TOO_LONG: Failure = Failure { step: ChildStep::TooLong as u16, errno: 0 };

/// Writes commands, argument by argument. Allocates nothing.
pub(super) struct Commands<'o, 'e> {
    out: &'o mut Out<'e>,
    longest_bytes: u64,
    /// Bytes of the current command so far.
    bytes: u64,
}

impl<'o, 'e> Commands<'o, 'e> {
    pub(super) fn new(out: &'o mut Out<'e>, longest_bytes: u64) -> Self {
        Self { out, longest_bytes, bytes: 0 }
    }

    /// Where they are written.
    pub(super) fn out(&mut self) -> &mut Out<'e> {
        self.out
    }

    /// Begins a command of `argc` arguments.
    pub(super) fn array(&mut self, argc: usize) -> Result<(), Failure> {
        self.bytes = 0;
        self.write(Header::array(argc).as_bytes())
    }

    /// Writes one argument.
    pub(super) fn bulk(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let head = Header::bulk(bytes.len());
        let size = head.as_bytes().len() as u64 + bytes.len() as u64 + 2;
        if self.bytes + size > self.longest_bytes {
            return Err(TOO_LONG);
        }
        self.write(head.as_bytes())?;
        self.write(bytes)?;
        self.write(b"\r\n")
    }

    /// Writes an integer as one argument, from the integer.
    pub(super) fn bulk_int(&mut self, value: i64) -> Result<(), Failure> {
        let mut buf = IntBuf::new();
        self.bulk(buf.format(value))
    }

    /// Writes a double as one argument.
    pub(super) fn bulk_double(&mut self, value: f64) -> Result<(), Failure> {
        let mut buf = DoubleBuf::new();
        self.bulk(buf.format(value))
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        self.out.write(bytes)
    }
}
