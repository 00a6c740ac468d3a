//! The parameters of the lists of the admin server: `host`, `limit` and `sort`.

use std::fmt;
use std::str::FromStr;

use egret_config::name::Host;
use http::StatusCode;

use super::{AdminResponse, text};

/// Entries of a list if nobody says how many.
const DEFAULT_LIMIT: usize = 100;
/// The most that can be asked for.
const MAX_LIMIT: usize = 10_000;

/// Which entries of a list are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListQuery {
    /// Only those of this host.
    pub(super) host: Option<Host>,
    /// The most entries.
    pub(super) limit: usize,
    /// What comes first.
    pub(super) sort: Option<SortKey>,
}

/// What a list is sorted by, the greatest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    /// Requests.
    Requests,
    /// Requests that were not served.
    Errors,
    /// Bytes in both directions.
    Bytes,
    /// The mean latency.
    Latency,
}

/// Why parameters cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryError(String);

impl ListQuery {
    /// Reads the parameters of a list that can be sorted.
    pub(super) fn sorted(query: Option<&str>) -> Result<Self, QueryError> {
        Self::read(query, &["host", "limit", "sort"])
    }

    /// Reads the parameters of a list that has an order of its own.
    pub(super) fn unsorted(query: Option<&str>) -> Result<Self, QueryError> {
        Self::read(query, &["host", "limit"])
    }

    fn read(query: Option<&str>, known: &[&str]) -> Result<Self, QueryError> {
        let (mut host, mut limit, mut sort) = (None, None, None);
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        for (name, value) in pairs {
            if !known.contains(&&*name) {
                let known = known.join(", ");
                return Err(QueryError(format!("{name}: the parameters are {known}")));
            }
            match &*name {
                "host" => once(&mut host, &name, &value, str::parse::<Host>)?,
                "limit" => once(&mut limit, &name, &value, parse_limit)?,
                _ => once(&mut sort, &name, &value, str::parse::<SortKey>)?,
            }
        }
        Ok(Self {
            host,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            sort,
        })
    }
}

/// Sets what a parameter means.
fn once<T, E: fmt::Display>(
    to: &mut Option<T>,
    name: &str,
    value: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<(), QueryError> {
    let parsed = parse(value).map_err(|error| QueryError(format!("{name}={value}: {error}")))?;
    match to.replace(parsed) {
        None => Ok(()),
        Some(_) => Err(QueryError(format!("{name} is there twice"))),
    }
}

fn parse_limit(value: &str) -> Result<usize, String> {
    let limit = value.parse().ok();
    let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("a limit is a number from 1 to {MAX_LIMIT}"))
}

impl FromStr for SortKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "requests" => Ok(Self::Requests),
            "errors" => Ok(Self::Errors),
            "bytes" => Ok(Self::Bytes),
            "latency" => Ok(Self::Latency),
            _ => Err("lists are sorted by requests, errors, bytes or latency"),
        }
    }
}

impl From<QueryError> for AdminResponse {
    fn from(QueryError(why): QueryError) -> Self {
        // What was asked for may have line breaks.
        let line: String = why.chars().filter(|char| !char.is_control()).collect();
        text(StatusCode::BAD_REQUEST, format!("{line}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_default() {
        let expected = ListQuery {
            host: None,
            limit: 100,
            sort: None,
        };
        assert_eq!(ListQuery::sorted(None), Ok(expected.clone()));
        assert_eq!(ListQuery::unsorted(Some("")), Ok(expected));
        let query = ListQuery::sorted(Some("host=API.Example.com.&limit=10000&sort=latency"));
        let expected = ListQuery {
            host: Some("api.example.com".parse().unwrap()),
            limit: 10_000,
            sort: Some(SortKey::Latency),
        };
        assert_eq!(query, Ok(expected));
        let literal = ListQuery::unsorted(Some("host=%5B2001:db8::1%5D")).unwrap();
        assert_eq!(literal.host.unwrap().to_string(), "[2001:db8::1]");
    }

    #[test]
    fn nonsense_is_refused_in_one_line() {
        for query in [
            "limit=0",
            "limit=10001",
            "limit=-1",
            "limit=ten",
            "limit=",
            "limit=1&limit=2",
            "sort=name",
            "sort=",
            "host=",
            "host=a.test%0A",
            "host=a.test:80",
            "host=a..test",
            "hosts=a.test",
            "x",
        ] {
            let error = ListQuery::sorted(Some(query)).unwrap_err();
            let response = AdminResponse::from(error);
            assert_eq!(response.status(), 400, "{query}");
        }
        assert!(ListQuery::unsorted(Some("sort=requests")).is_err());
    }
}
