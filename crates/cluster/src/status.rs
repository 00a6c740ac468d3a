//! Statuses: what became of every object, written back to it.
//!
//! What a status should be, and the write that brings the live one there, are pure functions of the report and the object
//! as it was read. A status that is as it should be is not written, so that a steady cluster sees no write.

mod api;
mod condition;
mod desired;
mod entries;
mod fault;
mod features;
mod gateways;
mod mapped;
mod object;
mod owners;
mod unreadable;
mod writer;

pub use gateways::{GatewayAddress, GatewayAddresses, GatewayState};
pub use writer::{FIELD_MANAGER, StatusPass, StatusWriter};

#[cfg(test)]
mod tests;
