//! What was refused lately, and why: one entry for each host and each reason for which it was refused.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;
use lru::LruCache;

use super::epoch::Epoch;
use super::outcome::ExchangeOutcome;
use crate::record::{Record, Verdict};

/// The most entries; of more, the one that was seen longest ago goes first.
const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(1000).unwrap();
/// The most ports that an entry names.
const MAX_PORTS: usize = 8;

/// The refusals of all workers. Requests that are served never come here.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    epoch: Epoch,
    entries: Mutex<LruCache<RefusalKey, RefusalEntry>>,
}

/// What was refused, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RefusalKey {
    /// The host of the destination, or else the one that the client named; `None` if it named none.
    pub(crate) host: Option<Host>,
    /// The policy that decided.
    pub(crate) policy: Option<ObjectRef>,
    /// Its rule.
    pub(crate) rule: Option<Arc<str>>,
    /// The `reason` of the access log.
    pub(crate) reason: &'static str,
}

/// How often something was refused, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefusalEntry {
    pub(crate) count: u64,
    /// When the first and the last exchange ended, in milliseconds of Unix time.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The ports of the destination.
    pub(crate) ports: Vec<Port>,
    /// The refusal in one line for people: the newest.
    pub(crate) message: String,
    /// The method of the newest request; empty if it had none.
    pub(crate) method: String,
    /// Whether the policy denies the destination by its name.
    pub(crate) is_by_name: bool,
}

impl Default for RefusalLog {
    fn default() -> Self {
        Self {
            epoch: Epoch::begin(),
            entries: Mutex::new(LruCache::new(MAX_ENTRIES)),
        }
    }
}

impl RefusalLog {
    /// Counts an exchange that ended now, and was refused.
    pub(super) fn count(
        &self,
        record: &Record<'_>,
        host: Option<&Host>,
        outcome: ExchangeOutcome,
        now: Instant,
    ) {
        let verdict = record.verdict.as_ref();
        let key = RefusalKey {
            host: host.cloned(),
            policy: verdict.and_then(Verdict::policy).cloned(),
            rule: verdict.and_then(Verdict::rule).cloned(),
            reason: outcome.reason,
        };
        let at = self.epoch.unix_millis(now);
        let mut entries = self.entries();
        let entry = entries.get_or_insert_mut(key, RefusalEntry::default);
        if entry.count == 0 {
            entry.first = at;
        }
        entry.count += 1;
        entry.last = at;
        entry.is_by_name = matches!(verdict, Some(Verdict::Denied(_)));
        entry.message.clear();
        entry
            .message
            .push_str(record.details.as_deref().unwrap_or_default());
        entry.method.clear();
        let method = record.method.map_or("", |method| method.as_str());
        entry.method.push_str(method);
        if let Some((_, port)) = record.destination
            && entry.ports.len() < MAX_PORTS
            && !entry.ports.contains(&port)
        {
            entry.ports.push(port);
        }
    }

    /// All entries, those that were seen last first.
    pub(crate) fn list(&self) -> Vec<(RefusalKey, RefusalEntry)> {
        let entries = self.entries();
        let listed = entries.iter();
        listed
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect()
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<RefusalKey, RefusalEntry>> {
        // An entry is whole at every step, so that a poisoned lock is harmless.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use egret_config::policy::egress::DecidingRule;
    use egret_config::resources::Kind;
    use http::Method;

    use super::*;
    use crate::clock;
    use crate::record::ExchangeEnd;
    use crate::refusal::Reason;

    /// Counts a request to this port of a host that a rule refuses.
    fn refuse(log: &RefusalLog, (host, port): (&str, u16), rule: Option<&str>, now: Instant) {
        let host: Host = host.parse().unwrap();
        let end = ExchangeEnd::Refused(Reason::EgressPolicy);
        let record = Record {
            destination: Some((&host, Port::new(port).unwrap())),
            verdict: Some(Verdict::Denied(DecidingRule {
                policy: Some(ObjectRef::new(Kind::EgressPolicy, "edge", "names")),
                rule: rule.map(Arc::from),
                ..DecidingRule::default()
            })),
            details: Some(format!("{host}:{port} is denied").into()),
            method: Some(&Method::GET),
            end: Some(end),
            ..Record::default()
        };
        let outcome = ExchangeOutcome::of(end).unwrap();
        log.count(&record, Some(&host), outcome, now);
    }

    fn told(log: &RefusalLog) -> Vec<(String, Option<Arc<str>>, u64)> {
        let listed = log.list().into_iter();
        listed
            .map(|(key, entry)| (key.host.unwrap().to_string(), key.rule, entry.count))
            .collect()
    }

    #[test]
    fn refusals_are_counted_by_host_and_rule_the_newest_first() {
        let (log, now) = (RefusalLog::default(), clock::now());
        let later = now + Duration::from_secs(90);
        refuse(&log, ("a.test", 80), None, now);
        refuse(&log, ("b.test", 80), Some("no-b"), now);
        refuse(&log, ("a.test", 443), None, later);
        refuse(&log, ("a.test", 443), None, later);
        let [a, b] = [("a.test", None, 3), ("b.test", Some("no-b"), 1)]
            .map(|(host, rule, count)| (host.to_owned(), rule.map(Arc::from), count));
        assert_eq!(told(&log), [a, b]);
        let (key, entry) = log.list().swap_remove(0);
        assert_eq!(key.reason, "egress_policy");
        assert_eq!(entry.last - entry.first, 90_000);
        assert_eq!(entry.ports, [80, 443].map(|port| Port::new(port).unwrap()));
        assert_eq!(
            (&*entry.message, &*entry.method),
            ("a.test:443 is denied", "GET")
        );
        assert!(entry.is_by_name);
    }

    #[test]
    fn the_one_that_was_seen_longest_ago_goes_first() {
        let (log, now) = (RefusalLog::default(), clock::now());
        refuse(&log, ("first.test", 80), None, now);
        for index in 0..999 {
            refuse(&log, (&format!("h{index}.test"), 80), None, now);
        }
        refuse(&log, ("first.test", 80), None, now);
        refuse(&log, ("one-more.test", 80), None, now);
        let told = told(&log);
        assert_eq!(told.len(), MAX_ENTRIES.get());
        let has = |wanted: &str| told.iter().any(|(host, ..)| host == wanted);
        assert!(has("first.test") && has("one-more.test") && !has("h0.test"));
    }

    #[test]
    fn ports_are_bounded() {
        let (log, now) = (RefusalLog::default(), clock::now());
        for port in 1..100 {
            refuse(&log, ("a.test", port), None, now);
        }
        assert_eq!(log.list()[0].1.ports.len(), MAX_PORTS);
    }
}
