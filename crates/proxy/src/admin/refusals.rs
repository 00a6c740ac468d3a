//! `GET /refusals`: what was refused, why, and what would allow it.

use egret_config::resources::Resources;
use serde::Serialize;

use super::list_query::ListQuery;
use super::values::TimeJson;
use super::{AdminResponse, json};
use crate::telemetry::{RefusalEntry, RefusalKey, RefusalLog};

/// One entry.
#[derive(Serialize)]
struct RefusalJson {
    host: String,
    policy: String,
    rule: String,
    reason: &'static str,
    message: String,
    method: String,
    count: u64,
    first: TimeJson,
    last: TimeJson,
    remedy: String,
}

/// Lists the refusals; `resources` are the objects that are served.
pub(super) fn list(log: &RefusalLog, resources: &Resources, query: Option<&str>) -> AdminResponse {
    let ListQuery { host, limit, .. } = match ListQuery::unsorted(query) {
        Ok(query) => query,
        Err(error) => return error.into(),
    };
    let listed = log.list().into_iter();
    let listed = listed.filter(|(key, _)| host.is_none() || key.host == host);
    let listed = listed.take(limit);
    let listed: Vec<_> = listed
        .map(|(key, entry)| RefusalJson::new(key, entry, resources))
        .collect();
    json(serde_json::to_vec(&listed))
}

impl RefusalJson {
    fn new(key: RefusalKey, entry: RefusalEntry, resources: &Resources) -> Self {
        let remedy = remedy(&key, &entry, resources);
        let RefusalKey {
            host,
            policy,
            rule,
            reason,
        } = key;
        Self {
            host: host.map(|host| host.to_string()).unwrap_or_default(),
            policy: policy.map(|policy| policy.to_string()).unwrap_or_default(),
            rule: rule.map(|rule| rule.to_string()).unwrap_or_default(),
            reason,
            message: entry.message,
            method: entry.method,
            count: entry.count,
            first: TimeJson(entry.first),
            last: TimeJson(entry.last),
            remedy: remedy.unwrap_or_default(),
        }
    }
}

/// The policy that denied the host by its name, with a rule that allows it. Where addresses are denied there is none: what
/// that protects is not to be opened by copying.
fn remedy(key: &RefusalKey, entry: &RefusalEntry, resources: &Resources) -> Option<String> {
    let (Some(policy), Some(host), true) = (&key.policy, &key.host, entry.is_by_name) else {
        return None;
    };
    resources.allowing(policy, host, &entry.ports, &entry.message)
}
