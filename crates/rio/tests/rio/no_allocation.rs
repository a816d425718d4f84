//! A forked child may not allocate, and it writes through a sink: so a sink may not.

use std::io;

use alloc_watch::taken_by;
use rio::{Output, Sink};

/// Takes everything, except that every third call is interrupted, and fails at the end.
#[derive(Default)]
struct Device {
    calls: u32,
    full: bool,
}

impl Output for Device {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls {
            _ if self.full => Err(io::Error::from_raw_os_error(28)),
            n if n % 3 == 0 => Err(io::Error::from_raw_os_error(4)),
            _ => Ok(bytes.len().div_ceil(2)),
        }
    }

    fn fsync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_allocates_nothing_after_its_construction() {
    let large = [7; 3000];
    let mut sink = Sink::with_buffer(Device::default(), Vec::with_capacity(1024)).fsync_every(2000).checksummed();
    let ((sum, error), taken) = taken_by(|| {
        for len in 0..large.len() {
            sink.write_all(&large[..len]).expect("the device takes all");
        }
        sink.fsync().expect("the device can");
        let sum = sink.checksum();
        sink.output_mut().full = true;
        sink.write_all(&large[..10]).expect("it fits the buffer");
        (sum, sink.fsync().expect_err("the device is full"))
    });

    assert_eq!(taken.calls, 0, "allocations");
    assert_eq!((error.step(), error.errno()), ("write", Some(28)));
    assert!(sum.is_some());
}
