//! Kubernetes: reads the configuration of Egret from an API server, and writes back what became of it.
//!
//! [`ClusterReader`] makes [`Resources`](egret_config::resources::Resources) of what is in the cluster, which are compiled
//! as those of files are. What is served does not depend on the API server: while it is away, the last configuration stays.
//! [`StatusWriter`] writes the report of a compilation to the statuses of the objects, and [`LeaderLease`] sees to it that
//! one process at a time does.
//!
//! ```no_run
//! # async fn run() -> Result<(), egret_cluster::ConnectError> {
//! use egret_cluster::{ClusterReader, ReadScope, connect};
//! use egret_config::compile::{CompileOptions, GatewayPlacement, compile};
//! use egret_config::resources::{Kind, ObjectRef};
//! use tokio::runtime::Handle;
//!
//! let options = CompileOptions {
//!     placement: GatewayPlacement::Apart,
//!     ..CompileOptions::default()
//! };
//! let scope = ReadScope::Gateway(ObjectRef::new(Kind::Gateway, "egress", "http"));
//! // What Kubernetes gives to a pod says where the API server is.
//! let client = connect(None).await?;
//! let mut reader = ClusterReader::start(client, scope, options.clone(), &Handle::current());
//! loop {
//!     let objects = reader.changed().await;
//!     let compiled = compile(objects.resources(), &options);
//!     println!("{}", compiled.report.table());
//! }
//! # }
//! ```

mod backoff;
mod call;
mod client;
mod clock;
mod connection;
pub mod controller;
mod lease;
pub mod provision;
mod reader;
pub mod resource;
mod status;
mod test_client;

pub use client::{ClusterAccess, ConnectError, KubeconfigFault, connect};
pub use connection::ConnectionState;
pub use lease::{LeaderLease, LeaseApi, LeaseTimes};
pub use reader::{ClusterObjects, ClusterReader, ReadScope};
pub use status::{
    FIELD_MANAGER, GatewayAddress, GatewayAddresses, GatewayState, StatusPass, StatusWriter,
};
