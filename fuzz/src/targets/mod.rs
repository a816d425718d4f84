//! The targets.

pub(crate) mod aof;
pub(crate) mod commands;
pub(crate) mod config;
pub(crate) mod cost;
pub(crate) mod inline;
pub(crate) mod manifest;
pub(crate) mod model;
pub(crate) mod rdb;
pub(crate) mod resp;
pub(crate) mod restore;
