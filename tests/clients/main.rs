//! Tests of real clients through the built binary: allowed requests are served, and clients see denied ones as refused.
//!
//! Tests of clients that are not installed are skipped, unless `EGRET_CLIENTS=all`. `.ci/clients` installs the clients.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod configuration;
mod curl;
mod fetch;
mod form;
mod grpc;
mod outcome;
mod process;
mod setup;
mod tool;
mod websocket;
