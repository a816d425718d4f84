//! The value types and the compact forms they are built from.

pub(crate) mod capacity;
mod dense;
pub(crate) mod elem;
pub(crate) mod hash;
mod index;
mod item;
pub(crate) mod list;
mod names;
mod pack;
pub(crate) mod set;
mod steps;
pub(crate) mod string;
mod thin;
pub(crate) mod thresholds;
pub(crate) mod zset;
