#![doc = include_str!("../README.md")]

pub mod double;
pub mod int;
pub mod long_double;
mod scan;

pub use double::{DoubleBuf, parse_f64, parse_f64_saturating};
pub use int::{IntBuf, parse_i64, parse_u64};
pub use long_double::{IncrFloatError, LongDouble, LongDoubleText, incr_by_float, parse_long_double};
