//! The test kit itself: what its fakes promise, seen from a plain socket.

mod client;
mod dns;
mod dns_encrypted;
mod raw;
mod unreachable;
mod upstream;
