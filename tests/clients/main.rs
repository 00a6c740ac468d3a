//! Real clients through the built binary: what each asks for comes, and what is denied it sees as refused.
//!
//! A client that is not installed is left out, unless `EGRET_CLIENTS=all`; `.ci/clients` installs them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod configuration;
mod curl;
mod fetch;
mod grpc;
mod lab;
mod outcome;
mod process;
mod tool;
mod way;
mod websocket;
