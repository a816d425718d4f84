//! CRC-64 in the variant of Redis (Jones, reflected, no final xor), which ends every RDB file.
//!
//! Small updates are slow and large ones run at memory speed, so `Sink` and `Source` feed whole buffers.

use crc_fast::{CrcAlgorithm, Digest};

/// A running CRC-64.
///
/// ```
/// let mut crc = rio::Crc64::new();
/// crc.update(b"12345");
/// crc.update(b"6789");
/// assert_eq!(crc.value(), 0xe9c6_d914_c4b8_d9ca);
/// ```
#[derive(Clone)]
pub struct Crc64(Digest);

impl Crc64 {
    /// The checksum of no bytes. Made before a fork it can be used after it: the choice of instructions is made here,
    /// once per process, and later calls take no lock and no memory.
    pub fn new() -> Self {
        /// Enough to reach the code for large inputs.
        const WARM_UP: [u8; 512] = [0; 512];
        let mut warm = Digest::new(CrcAlgorithm::Crc64Redis);
        warm.update(&WARM_UP);
        Self(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.update(bytes);
        }
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crc64({:016x})", self.value())
    }
}

/// The CRC-64 of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.value()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bit by bit, from the polynomial.
    fn naive(bytes: &[u8]) -> u64 {
        const POLYNOMIAL_REFLECTED: u64 = 0x95ac_9329_ac4b_c9b5;
        bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(
                crc ^ u64::from(*byte),
                |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL_REFLECTED } else { crc >> 1 },
            )
        })
    }

    #[test]
    fn the_check_value_of_redis_comes_out() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
    }

    proptest! {
        #[test]
        fn any_division_of_the_input_gives_the_naive_sum(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..6)) {
            let mut crc = Crc64::new();
            for part in &parts {
                crc.update(part);
            }
            prop_assert_eq!(crc.value(), naive(&parts.concat()));
        }
    }
}
