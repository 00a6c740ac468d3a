//! Kubernetes: reads the configuration of Egret from an API server, and writes back what became of it.
//!
//! [`ClusterReader`] makes [`Resources`](egret_config::resources::Resources) of what is in the cluster, which are compiled
//! as those of files are. What is served does not depend on the API server: while it is away, the last configuration stays.

mod backoff;
mod client;
mod connection;
pub mod provision;
mod reader;
pub mod resource;

pub use client::{ConnectError, connect};
pub use connection::ConnectionState;
pub use reader::{ClusterObjects, ClusterReader, ReadScope};
