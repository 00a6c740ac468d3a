//! What the proxy tells: the clock it tells time by, the access log and the metrics.

pub mod access_log;
pub mod clock;
pub mod metrics;
