//! Tests of the test kit: the behaviour of its fake servers, seen from plain sockets.

mod client;
mod dns;
mod dns_encrypted;
mod raw;
mod unreachable;
mod upstream;
