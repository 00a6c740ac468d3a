//! The routes of a listener: finds the rule of a request by the matching and precedence of the Gateway API
//! (HTTPRouteMatch and GRPCRouteMatch).
//!
//! Rules of TLSRoutes match every request: they are found by host.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde::{Serialize, Serializer};

use crate::name::{DnsName, Host, HostPattern};
use crate::resources::ObjectSeniority;
use crate::rule::{RouteRule, RuleAction};

mod matcher;
mod query;
mod rewrite;

pub use crate::path::{literal_path, normalize_path};
pub use crate::pattern::RegexPattern;
pub use matcher::{HeaderMatch, MatchConditions, PathMatch, QueryMatch, RpcMatch, TextMatch};
pub use query::{query_values, without_parameter};

/// The rules that are attached to one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    exact: HashMap<DnsName, Vec<RouteRow>>,
    below: HashMap<DnsName, Vec<RouteRow>>,
    any: Vec<RouteRow>,
    tells_requests: bool,
}

/// One hostname and one match of a rule.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// The hostname; `None` matches every host, IP literals included.
    pub host: Option<HostPattern>,
    /// How specific the hostname is that the route has, of which `host` is what the listener has too.
    pub specificity: HostSpecificity,
    /// The conditions for a request.
    pub matches: MatchConditions,
    /// The weight of the route; a heavier one goes before the rules of precedence.
    pub weight: i64,
    /// The age and the name of the route, which decide between equally specific matches.
    pub seniority: ObjectSeniority,
    /// The index of the match in its rule, which decides between matches of one rule.
    pub match_index: usize,
    /// The rule.
    pub rule: Arc<RouteRule>,
}

/// How specific a hostname of a route is: a name before a wildcard, a longer one before a shorter one (Gateway API,
/// HTTPRouteSpec). More specific is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostSpecificity {
    is_exact: bool,
    length: usize,
}

/// The parts of a request that decide its route.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The host of the target.
    pub host: &'a Host,
    /// The method.
    pub method: &'a Method,
    /// The path, normalized by [`normalize_path`].
    pub path: &'a str,
    /// The query, without the `?`.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

/// The rule that matches a request.
#[derive(Clone, Copy, Debug)]
pub struct RouteMatch<'a> {
    /// The rule.
    pub rule: &'a Arc<RouteRule>,
    /// The matched prefix, if a `PathPrefix` matched; for [`PathRewrite::Prefix`](crate::rule::PathRewrite).
    pub matched_prefix: Option<&'a str>,
}

/// One row of a table. The rows are sorted, and the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct RouteRow {
    matches: MatchConditions,
    rule: Arc<RouteRule>,
}

impl From<&HostPattern> for HostSpecificity {
    fn from(pattern: &HostPattern) -> Self {
        let (is_exact, name) = match pattern {
            HostPattern::Exact(name) => (true, name),
            HostPattern::Below(name) => (false, name),
        };
        let length = name.as_str().len();
        Self { is_exact, length }
    }
}

impl RouteTable {
    /// Builds the table of these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = RouteEntry>) -> Self {
        let mut entries: Vec<RouteEntry> = entries.into_iter().collect();
        entries.sort_by_cached_key(|entry| {
            let order = (entry.rule.index, entry.match_index);
            (
                Reverse(entry.weight),
                Reverse(entry.specificity),
                entry.matches.rank(),
                entry.seniority.clone(),
                order,
            )
        });
        let mut table = Self {
            tells_requests: entries.iter().any(|entry| tells_requests(&entry.rule)),
            ..Self::default()
        };
        for RouteEntry {
            host,
            matches,
            rule,
            ..
        } in entries
        {
            let rows = match host {
                Some(HostPattern::Exact(name)) => table.exact.entry(name).or_default(),
                Some(HostPattern::Below(name)) => table.below.entry(name).or_default(),
                None => &mut table.any,
            };
            rows.push(RouteRow { matches, rule });
        }
        table
    }

    /// Finds the rule of a request. The most specific hostname that has any rules decides alone: a less specific
    /// hostname is not tried.
    #[must_use]
    pub fn find(&self, request: &RequestFacts<'_>) -> Option<RouteMatch<'_>> {
        let row = self
            .rows(request.host)
            .iter()
            .find(|row| row.matches.holds(request))?;
        Some(RouteMatch {
            rule: &row.rule,
            matched_prefix: row.matches.path.prefix(),
        })
    }

    /// The first rule that a request falls under only if it has certain header fields or a certain query, which its log may not
    /// tell; none if another one comes before it.
    #[must_use]
    pub fn undecided(&self, request: &RequestFacts<'_>) -> Option<&Arc<RouteRule>> {
        let mut rows = self.rows(request.host).iter();
        let row = rows.find(|row| row.matches.may_hold(request))?;
        row.matches.is_about_fields().then_some(&row.rule)
    }

    /// Whether a rule answers with what has to be known of its requests.
    #[must_use]
    pub fn tells_requests(&self) -> bool {
        self.tells_requests
    }

    /// Whether no rule is attached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.any.is_empty()
    }

    /// All rules, each with one of its hostnames: in no particular order across hostnames, by precedence within one.
    pub fn rules(&self) -> impl Iterator<Item = (Option<HostPattern>, &Arc<RouteRule>)> {
        self.lists()
            .into_iter()
            .flat_map(|(host, rows)| rows.iter().map(move |row| (host.clone(), &row.rule)))
    }

    fn rows(&self, host: &Host) -> &[RouteRow] {
        let Host::Name(name) = host else {
            return &self.any;
        };
        self.exact
            .get(name)
            .or_else(|| parents(name).find_map(|parent| self.below.get(parent)))
            .unwrap_or(&self.any)
    }

    fn lists(&self) -> Vec<(Option<HostPattern>, &Vec<RouteRow>)> {
        let exact = self
            .exact
            .iter()
            .map(|(name, rows)| (Some(HostPattern::Exact(name.clone())), rows));
        let below = self
            .below
            .iter()
            .map(|(name, rows)| (Some(HostPattern::Below(name.clone())), rows));
        let mut lists: Vec<_> = exact.chain(below).collect();
        lists.sort_by(|(a, _), (b, _)| a.cmp(b));
        if !self.any.is_empty() {
            lists.push((None, &self.any));
        }
        lists
    }
}

/// Whether the answers of a rule may tell of its requests.
fn tells_requests(rule: &RouteRule) -> bool {
    matches!(&rule.action, RuleAction::Respond(fixed) if fixed.format.is_some())
}

/// The parent domains of a name, the longest first: `b.example`, `example` for `a.b.example`.
fn parents(name: &DnsName) -> impl Iterator<Item = &str> {
    let name = name.as_str();
    name.match_indices('.').map(|(at, _)| &name[at + 1..])
}

impl Serialize for RouteTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct RouteList<'a> {
            hostname: Option<HostPattern>,
            rules: &'a Vec<RouteRow>,
        }
        let list = |(hostname, rules)| RouteList { hostname, rules };
        serializer.collect_seq(self.lists().into_iter().map(list))
    }
}

#[cfg(test)]
mod tests;
