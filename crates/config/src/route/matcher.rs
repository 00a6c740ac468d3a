//! Matches of rules: their conditions, and their precedence.

use std::borrow::Cow;
use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, Method};
use serde::{Serialize, Serializer};

use super::{RequestFacts, query};
use crate::path::prefix_matches;
use crate::pattern::RegexPattern;

/// One match: all of its conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchConditions {
    /// The condition on the path.
    pub path: PathMatch,
    /// The method; `None` matches any.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// The conditions on header fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
    /// The conditions on query parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<QueryMatch>,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PathMatch {
    /// Matches this path.
    Exact(String),
    /// Matches paths that the expression matches from end to end.
    Regex(RegexPattern),
    /// Matches a gRPC call, `/service/method`.
    Rpc(RpcMatch),
    /// Matches this path and all paths below it, compared by whole segments.
    Prefix(String),
}

/// A condition on a gRPC call. Both fields must match; `None` matches any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RpcMatch {
    /// The condition on the service, with its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<TextMatch>,
    /// The condition on the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<TextMatch>,
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum TextMatch {
    /// Matches this text.
    Exact(String),
    /// Matches texts that the expression matches from end to end.
    Regex(RegexPattern),
}

/// A condition on a header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeaderMatch {
    /// The name of the field.
    #[serde(serialize_with = "as_str")]
    pub name: HeaderName,
    /// The condition on the value. Several field lines are joined first (RFC 9110 5.3).
    pub value: TextMatch,
}

/// A condition on a query parameter. Of several with the same name, the first counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueryMatch {
    /// The name of the parameter, decoded.
    pub name: String,
    /// The condition on the decoded value.
    pub value: TextMatch,
}

/// The precedence of a match; the smallest is the most specific and goes first (Gateway API, `matches` of HTTPRouteRule
/// and GRPCRouteRule).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchRank {
    path: PathRank,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Exact,
    Regex,
    /// By length in characters: of the service, then of the method.
    Rpc(Reverse<usize>, Reverse<usize>),
    /// By length in characters.
    Prefix(Reverse<usize>),
}

impl MatchConditions {
    /// Whether a request matches by its path and method.
    pub(super) fn may_hold(&self, request: &RequestFacts<'_>) -> bool {
        let method = self.method.as_ref();
        self.path_holds(request) && method.is_none_or(|method| method == request.method)
    }

    /// Whether there are conditions on header fields or the query.
    pub(super) fn is_about_fields(&self) -> bool {
        !self.headers.is_empty() || !self.query.is_empty()
    }

    /// Whether a request matches.
    #[must_use]
    pub fn holds(&self, request: &RequestFacts<'_>) -> bool {
        self.may_hold(request)
            && self
                .headers
                .iter()
                .all(|header| header.holds(request.headers))
            && self.query.iter().all(|param| param.holds(request.query))
    }

    /// Whether some CONNECT request matches.
    #[must_use]
    pub fn matches_connect(&self) -> bool {
        self.path.matches_connect()
            && self
                .method
                .as_ref()
                .is_none_or(|method| *method == Method::CONNECT)
            && self.query.is_empty()
    }

    fn path_holds(&self, request: &RequestFacts<'_>) -> bool {
        if *request.method == Method::CONNECT {
            self.path.matches_connect()
        } else {
            self.path.holds(request.path)
        }
    }

    pub(super) fn rank(&self) -> MatchRank {
        MatchRank {
            path: match &self.path {
                PathMatch::Exact(_) => PathRank::Exact,
                PathMatch::Regex(_) => PathRank::Regex,
                PathMatch::Rpc(rpc) => PathRank::Rpc(
                    Reverse(rpc.service.as_ref().map_or(0, TextMatch::length)),
                    Reverse(rpc.method.as_ref().map_or(0, TextMatch::length)),
                ),
                PathMatch::Prefix(prefix) => PathRank::Prefix(Reverse(prefix.chars().count())),
            },
            method: Reverse(self.method.is_some()),
            headers: Reverse(self.headers.len()),
            query: Reverse(self.query.len()),
        }
    }
}

impl PathMatch {
    /// The prefix, if the condition is one.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            Self::Exact(_) | Self::Regex(_) | Self::Rpc(_) => None,
        }
    }

    /// A CONNECT has no path (RFC 9110 9.3.6), so that only the prefix `/`, which matches everything, matches it.
    fn matches_connect(&self) -> bool {
        self.prefix() == Some("/")
    }

    fn holds(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == path,
            Self::Regex(pattern) => pattern.is_match(path),
            Self::Rpc(rpc) => rpc.holds(path),
            Self::Prefix(prefix) => prefix_matches(prefix, path),
        }
    }
}

impl RpcMatch {
    fn holds(&self, path: &str) -> bool {
        let Some((service, method)) = path.strip_prefix('/').and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        let holds = |condition: &Option<TextMatch>, text: &str| {
            let is_one = !text.is_empty() && !text.contains('/');
            is_one && condition.as_ref().is_none_or(|one| one.holds(text))
        };
        holds(&self.service, service) && holds(&self.method, method)
    }
}

impl TextMatch {
    /// The length of the text in characters, as it is written.
    fn length(&self) -> usize {
        let text = match self {
            Self::Exact(exact) => exact,
            Self::Regex(pattern) => pattern.text(),
        };
        text.chars().count()
    }

    /// Whether a text matches.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Regex(pattern) => pattern.is_match(text),
        }
    }
}

impl QueryMatch {
    /// Whether the first parameter of this name has a value that matches.
    pub(super) fn holds(&self, query: Option<&str>) -> bool {
        let value = query::raw_values(query, &self.name).next();
        match (value, &self.value) {
            (None, _) => false,
            (Some(value), TextMatch::Exact(exact)) => query::decoded(value).eq(exact.bytes()),
            (Some(value), TextMatch::Regex(pattern)) => {
                query::to_text(value).is_some_and(|text| pattern.is_match(&text))
            }
        }
    }
}

impl HeaderMatch {
    fn holds(&self, headers: &HeaderMap) -> bool {
        let mut values = headers
            .get_all(&self.name)
            .iter()
            .map(|value| value.to_str().ok());
        let Some(first) = values.next() else {
            return false;
        };
        let joined = values.try_fold(first.map(Cow::Borrowed), |joined, value| {
            let (joined, value) = (joined?, value?);
            Some(Some(Cow::Owned(format!("{joined},{value}"))))
        });
        joined.flatten().is_some_and(|text| self.value.holds(&text))
    }
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn as_text<S: Serializer>(method: &Option<Method>, serializer: S) -> Result<S::Ok, S::Error> {
    method.as_ref().map(Method::as_str).serialize(serializer)
}

fn as_str<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
