//! Matches of HTTPRoute rules, with helpers for matches of GRPCRoute rules.

use egret_api::gateway::{
    HeaderMatch as HeaderSpec, HeaderMatchType, HttpRouteMatch, MethodMatch, PathMatch as PathSpec,
    PathMatchType, QueryParamMatch as QuerySpec, QueryParamMatchType,
};
use http::{HeaderName, Method};

use crate::compile::log::FieldFault;
use crate::route::{
    HeaderMatch, MatchConditions, PathMatch, QueryMatch, RegexPattern, TextMatch, literal_path,
};

/// Compiles matches: those that are valid, and the faults of the others. Without any match, everything matches.
pub(super) fn compile(
    specs: &[HttpRouteMatch],
    field: &str,
) -> (Vec<MatchConditions>, Vec<FieldFault>) {
    let everything = [HttpRouteMatch::default()];
    let specs = if specs.is_empty() { &everything } else { specs };
    let mut matches = Vec::new();
    let mut faults = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        match compile_match(spec, &format!("{field}.matches[{index}]")) {
            Ok(compile_match) => matches.push(compile_match),
            Err(fault) => faults.push(fault),
        }
    }
    (matches, faults)
}

fn compile_match(spec: &HttpRouteMatch, field: &str) -> Result<MatchConditions, FieldFault> {
    let HttpRouteMatch {
        headers,
        method: method_spec,
        path: path_spec,
        query_params,
    } = spec;
    let mut matches = MatchConditions {
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
            return Err(FieldFault::new(format!("{field}.name"), "a name is needed"));
        }
        if !matches.query.iter().any(|param| param.name == *name) {
            let name = name.clone();
            matches.query.push(QueryMatch { name, value });
        }
    }
    Ok(matches)
}

/// Adds a condition on a header. Of several with the same name, the first counts (Gateway API, HTTPRouteMatch,
/// GRPCRouteMatch).
pub(super) fn header(
    name: &str,
    value: TextMatch,
    field: &str,
    headers: &mut Vec<HeaderMatch>,
) -> Result<(), FieldFault> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| FieldFault::new(format!("{field}.name"), "not a header name"))?;
    if !headers.iter().any(|header| header.name == name) {
        headers.push(HeaderMatch { name, value });
    }
    Ok(())
}

fn path(spec: Option<&PathSpec>, field: &str) -> Result<PathMatch, FieldFault> {
    let (kind, value) = match spec {
        Some(PathSpec { r#type, value }) => (r#type.as_ref(), value.as_deref()),
        None => (None, None),
    };
    let value = value.unwrap_or("/");
    let fault = |message| FieldFault::new(format!("{field}.value"), message);
    match kind {
        None | Some(PathMatchType::PathPrefix) => literal_path(value).map(PathMatch::Prefix),
        Some(PathMatchType::Exact) => literal_path(value).map(PathMatch::Exact),
        Some(PathMatchType::RegularExpression) => RegexPattern::new(value).map(PathMatch::Regex),
    }
    .map_err(fault)
}

/// Compiles a condition on a text; `field` is the path of the struct with the `value`.
pub(super) fn text(regex: bool, value: &str, field: &str) -> Result<TextMatch, FieldFault> {
    if regex {
        let fault = |message| FieldFault::new(format!("{field}.value"), message);
        RegexPattern::new(value)
            .map(TextMatch::Regex)
            .map_err(fault)
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
