//! The matches of a rule of an HTTPRoute, and what they share with those of others.

use http::{HeaderName, Method};

use crate::api::gateway::{
    HeaderMatch as HeaderSpec, HeaderMatchType, HttpRouteMatch, MethodMatch, PathMatch as PathSpec,
    PathMatchType, QueryParamMatch as QuerySpec, QueryParamMatchType,
};
use crate::compile::log::Fault;
use crate::route::{HeaderMatch, Match, PathMatch, Pattern, QueryMatch, TextMatch, literal_path};

/// The matches that can be used, and what is wrong with the others. Without any, everything matches.
pub(super) fn compile(specs: &[HttpRouteMatch], field: &str) -> (Vec<Match>, Vec<Fault>) {
    let everything = [HttpRouteMatch::default()];
    let specs = if specs.is_empty() { &everything } else { specs };
    let mut matches = Vec::new();
    let mut faults = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        match one(spec, &format!("{field}.matches[{index}]")) {
            Ok(one) => matches.push(one),
            Err(fault) => faults.push(fault),
        }
    }
    (matches, faults)
}

fn one(spec: &HttpRouteMatch, field: &str) -> Result<Match, Fault> {
    let HttpRouteMatch {
        headers,
        method: method_spec,
        path: path_spec,
        query_params,
    } = spec;
    let mut matches = Match {
        path: path(path_spec.as_ref(), &format!("{field}.path"))?,
        method: method_spec.as_ref().map(method),
        headers: Vec::new(),
        query: Vec::new(),
    };
    for (
        index,
        HeaderSpec {
            name,
            r#type,
            value,
        },
    ) in headers.iter().flatten().enumerate()
    {
        let field = format!("{field}.headers[{index}]");
        let regex = matches!(r#type, Some(HeaderMatchType::RegularExpression));
        header(
            name,
            text(regex, value, &field)?,
            &field,
            &mut matches.headers,
        )?;
    }
    for (
        index,
        QuerySpec {
            name,
            r#type,
            value,
        },
    ) in query_params.iter().flatten().enumerate()
    {
        let field = format!("{field}.queryParams[{index}]");
        let regex = matches!(r#type, Some(QueryParamMatchType::RegularExpression));
        let value = text(regex, value, &field)?;
        if name.is_empty() {
            return Err(Fault::new(format!("{field}.name"), "a name is needed"));
        }
        if !matches.query.iter().any(|param| param.name == *name) {
            let name = name.clone();
            matches.query.push(QueryMatch { name, value });
        }
    }
    Ok(matches)
}

/// Adds a condition of a field. Of several of one name, the first counts (Gateway API, HTTPRouteMatch, GRPCRouteMatch).
pub(super) fn header(
    name: &str,
    value: TextMatch,
    field: &str,
    headers: &mut Vec<HeaderMatch>,
) -> Result<(), Fault> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Fault::new(format!("{field}.name"), "not a name of a header"))?;
    if !headers.iter().any(|header| header.name == name) {
        headers.push(HeaderMatch { name, value });
    }
    Ok(())
}

fn path(spec: Option<&PathSpec>, field: &str) -> Result<PathMatch, Fault> {
    let (kind, value) = match spec {
        Some(PathSpec { r#type, value }) => (r#type.as_ref(), value.as_deref()),
        None => (None, None),
    };
    let value = value.unwrap_or("/");
    let fault = |message| Fault::new(format!("{field}.value"), message);
    match kind {
        None | Some(PathMatchType::PathPrefix) => literal_path(value).map(PathMatch::Prefix),
        Some(PathMatchType::Exact) => literal_path(value).map(PathMatch::Exact),
        Some(PathMatchType::RegularExpression) => Pattern::new(value).map(PathMatch::Regex),
    }
    .map_err(fault)
}

/// The condition of a text; `field` is what has the `value`.
pub(super) fn text(regex: bool, value: &str, field: &str) -> Result<TextMatch, Fault> {
    if regex {
        let fault = |message| Fault::new(format!("{field}.value"), message);
        Pattern::new(value).map(TextMatch::Regex).map_err(fault)
    } else {
        Ok(TextMatch::Exact(value.to_owned()))
    }
}

fn method(spec: &MethodMatch) -> Method {
    match spec {
        MethodMatch::Get => Method::GET,
        MethodMatch::Head => Method::HEAD,
        MethodMatch::Post => Method::POST,
        MethodMatch::Put => Method::PUT,
        MethodMatch::Delete => Method::DELETE,
        MethodMatch::Connect => Method::CONNECT,
        MethodMatch::Options => Method::OPTIONS,
        MethodMatch::Trace => Method::TRACE,
        MethodMatch::Patch => Method::PATCH,
    }
}
