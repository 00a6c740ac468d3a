//! What the proxy tells: the access log and the metrics.

pub mod access_log;
pub mod metrics;
