//! Which rule a request falls under: matching and precedence of routes (Gateway API, HTTPRouteMatch and
//! GRPCRouteMatch). Rules of TLSRoutes hold for every request: they are found by host.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde::{Serialize, Serializer};

use crate::name::{DnsName, Host, HostPattern};
use crate::resources::Seniority;
use crate::rule::Rule;

mod matcher;
mod query;
mod rewrite;

pub use crate::path::{literal_path, normalize_path};
pub use matcher::{HeaderMatch, Match, PathMatch, Pattern, QueryMatch, RpcMatch, TextMatch};
pub use query::{query_values, without_parameter};

/// The rules attached to one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    exact: HashMap<DnsName, Vec<Row>>,
    below: HashMap<DnsName, Vec<Row>>,
    any: Vec<Row>,
}

/// A rule, one of its matches, and one of its hostnames.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `None` takes every host, IP literals included.
    pub host: Option<HostPattern>,
    /// What a request must be like.
    pub matches: Match,
    /// Settles ties: the route's age and name.
    pub seniority: Seniority,
    /// Settles further ties: the match's place in the rule.
    pub match_index: usize,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// What of a request decides its route.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The host it is for.
    pub host: &'a Host,
    /// Its method.
    pub method: &'a Method,
    /// Its path, from [`normalize_path`].
    pub path: &'a str,
    /// Its query, without the `?`.
    pub query: Option<&'a str>,
    /// Its fields.
    pub headers: &'a HeaderMap,
}

/// The rule of a request.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The rule.
    pub rule: &'a Arc<Rule>,
    /// The prefix, if it was a `PathPrefix` that matched; for [`PathRewrite::Prefix`](crate::rule::PathRewrite).
    pub matched_prefix: Option<&'a str>,
}

/// One line of a table; lines are sorted, and the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    matches: Match,
    rule: Arc<Rule>,
}

impl RouteTable {
    /// The table of these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by_cached_key(|entry| {
            let order = (entry.rule.index, entry.match_index);
            (entry.matches.rank(), entry.seniority.clone(), order)
        });
        let mut table = Self::default();
        for Entry {
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
            rows.push(Row { matches, rule });
        }
        table
    }

    /// The rule of a request. The most specific hostname that has any rules decides alone; there is no falling through
    /// to a less specific one.
    #[must_use]
    pub fn find(&self, request: &RequestFacts<'_>) -> Option<Found<'_>> {
        let row = self
            .rows(request.host)
            .iter()
            .find(|row| row.matches.holds(request))?;
        Some(Found {
            rule: &row.rule,
            matched_prefix: row.matches.path.prefix(),
        })
    }

    /// Whether nothing is attached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.any.is_empty()
    }

    /// Every rule with one of its hostnames, in no particular order across hostnames, by precedence within one.
    pub fn rules(&self) -> impl Iterator<Item = (Option<HostPattern>, &Arc<Rule>)> {
        self.lists()
            .into_iter()
            .flat_map(|(host, rows)| rows.iter().map(move |row| (host.clone(), &row.rule)))
    }

    fn rows(&self, host: &Host) -> &[Row] {
        let Host::Name(name) = host else {
            return &self.any;
        };
        self.exact
            .get(name)
            .or_else(|| parents(name).find_map(|parent| self.below.get(parent)))
            .unwrap_or(&self.any)
    }

    fn lists(&self) -> Vec<(Option<HostPattern>, &Vec<Row>)> {
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

/// The names above a name, the longest first: `b.example`, `example` for `a.b.example`.
fn parents(name: &DnsName) -> impl Iterator<Item = &str> {
    let name = name.as_str();
    name.match_indices('.').map(|(at, _)| &name[at + 1..])
}

impl Serialize for RouteTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct List<'a> {
            hostname: Option<HostPattern>,
            rules: &'a Vec<Row>,
        }
        let list = |(hostname, rules)| List { hostname, rules };
        serializer.collect_seq(self.lists().into_iter().map(list))
    }
}

#[cfg(test)]
mod tests;
