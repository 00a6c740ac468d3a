//! `urlRewrite` and `autoHostRewrite` of a TrafficPolicy.

use std::sync::Arc;

use serde::Serialize;

use crate::pattern::RegexRewrite;

/// `urlRewrite.pathRegex` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UrlRewriting {
    /// The rewrite of the path.
    pub path: Arc<RegexRewrite>,
}

/// `autoHostRewrite: true` of a TrafficPolicy: a Static backend gets its own host in `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AutoHostRewrite;
