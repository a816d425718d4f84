//! The value types and the compact forms they are built from.

pub(crate) mod elem;
pub(crate) mod hash;
pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod string;
pub(crate) mod thresholds;
pub(crate) mod zset;
