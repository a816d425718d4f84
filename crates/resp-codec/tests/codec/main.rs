//! The codec from outside: requests in, replies out and back, effects for the log.

mod effects;
mod replies;
mod requests;
