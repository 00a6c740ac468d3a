//! Filters of a rule.

use egret_api::gateway::{RedirectPath, RedirectPathType, RedirectScheme, RequestRedirect};
use http::StatusCode;

use super::header::header_edit;
use super::spec::{ExtensionSpec, FilterMember, FilterSpec, PathSpec, RewriteSpec};
use super::status::RuleFaults;
use crate::compile::backend::port_of;
use crate::compile::cors;
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::name::{DnsName, HostPattern};
use crate::policy::cors::CorsPolicy;
use crate::resources::Kind;
use crate::snapshot::{PathRewrite, RedirectResponse, RequestRewrite, RouteFilters, Scheme};

/// The compiled filters of a rule.
#[derive(Debug, Default)]
pub(super) struct CompiledFilters {
    pub(super) filters: RouteFilters,
    pub(super) cors: Option<CorsPolicy>,
    /// The TrafficPolicies that filters name, each with the index of its filter.
    pub(super) policies: Vec<(usize, String)>,
    /// The index of the filter that answers the request, and its answer.
    pub(super) answer: Option<(usize, FilterAnswer)>,
}

/// The answer of a filter.
#[derive(Debug)]
pub(super) enum FilterAnswer {
    Redirect(RedirectResponse),
    /// The name of a DirectResponse.
    Respond(String),
}

struct FilterCompiler<'a> {
    outcome: CompiledFilters,
    seen: Vec<&'static str>,
    /// Whether every match is a PathPrefix, so that `ReplacePrefixMatch` is possible.
    prefixes: bool,
    wrong: &'a mut RuleFaults,
}

/// Compiles filters; `prefixes` is whether every match is a PathPrefix.
pub(super) fn compile(
    specs: &[FilterSpec<'_>],
    field: &str,
    prefixes: bool,
    wrong: &mut RuleFaults,
) -> CompiledFilters {
    let mut compiler = FilterCompiler {
        outcome: CompiledFilters::default(),
        seen: Vec::new(),
        prefixes,
        wrong,
    };
    for (index, spec) in specs.iter().enumerate() {
        compiler.filter(index, spec, &format!("{field}.filters[{index}]"));
    }
    let FilterCompiler { outcome, wrong, .. } = compiler;
    if let (Some((at, FilterAnswer::Redirect(_))), Some(_)) =
        (&outcome.answer, &outcome.filters.rewrite)
    {
        let message = "RequestRedirect and URLRewrite must not be used together";
        wrong
            .unsupported
            .push(FieldFault::new(format!("{field}.filters[{at}]"), message));
    }
    outcome
}

impl FilterCompiler<'_> {
    fn filter(&mut self, index: usize, spec: &FilterSpec<'_>, field: &str) {
        let (name, member) = match spec {
            Ok((name, member)) => (*name, member),
            Err(name) => {
                let message = format!("{name} must be set if, and only if, this is its type");
                return self.fault(format!("{field}.type"), message);
            }
        };
        let field = format!("{field}.{name}");
        let is_repeatable = matches!(member, FilterMember::Extension(_) | FilterMember::Mirror(_));
        if !is_repeatable && self.seen.contains(&name) {
            return self.fault(field, format!("{name} filter cannot be repeated"));
        }
        self.seen.push(name);
        match member {
            FilterMember::RequestHeaders(edits) => {
                self.outcome.filters.request_headers = header_edit(edits, &field, self.wrong);
            }
            FilterMember::ResponseHeaders(edits) => {
                self.outcome.filters.response_headers = header_edit(edits, &field, self.wrong);
            }
            FilterMember::Rewrite(spec) => {
                self.outcome.filters.rewrite = Some(self.rewrite(spec, &field))
            }
            FilterMember::Redirect(spec) => {
                let redirect = self.redirect(spec, &field);
                self.answer(index, FilterAnswer::Redirect(redirect), &field);
            }
            FilterMember::Cors(spec) => {
                let mut fields = SpecFields::new(field, &mut self.wrong.unsupported);
                self.outcome.cors = Some(cors::compile(*spec, &mut fields));
            }
            FilterMember::Extension(spec) => self.extension(index, spec, &field),
            // Mirrors are compiled by themselves, because they refer to backends.
            FilterMember::Mirror(_) => {}
            FilterMember::Unsupported => {
                self.wrong.unsupported.push(FieldFault::unsupported(field))
            }
            FilterMember::RuleOnly => {
                let message =
                    "not supported for one backend alone; filters of the rule may have it";
                self.fault(field, message);
            }
        }
    }

    fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.wrong.unsupported.push(FieldFault::new(field, message));
    }

    fn answer(&mut self, index: usize, answer: FilterAnswer, field: &str) {
        if let Some((_, other)) = &self.outcome.answer {
            let other = match other {
                FilterAnswer::Redirect(_) => "requestRedirect",
                FilterAnswer::Respond(_) => "DirectResponse",
            };
            let message =
                format!("DirectResponse cannot be applied to route with existing action: {other}");
            self.wrong.replaced.push(FieldFault::new(field, message));
        } else {
            self.outcome.answer = Some((index, answer));
        }
    }

    fn extension(&mut self, index: usize, spec: &ExtensionSpec<'_>, field: &str) {
        let ExtensionSpec { group, kind, name } = spec;
        match Kind::find(group, kind) {
            Some(Kind::DirectResponse) => {
                self.answer(index, FilterAnswer::Respond((*name).to_owned()), field);
            }
            Some(Kind::TrafficPolicy) => self.outcome.policies.push((index, (*name).to_owned())),
            _ => self.fault(
                field,
                format!(
                    "{group}/{kind} is not a filter; TrafficPolicy and DirectResponse of gateway.kgateway.dev are"
                ),
            ),
        }
    }

    fn rewrite(&mut self, spec: &RewriteSpec<'_>, field: &str) -> RequestRewrite {
        let RewriteSpec { hostname, path } = spec;
        RequestRewrite {
            host: self.hostname(*hostname, field),
            path: path.and_then(|spec| self.path(spec, field)),
        }
    }

    fn redirect(&mut self, spec: &RequestRedirect, field: &str) -> RedirectResponse {
        let RequestRedirect {
            hostname,
            path,
            port,
            scheme,
            status_code,
        } = spec;
        let path = path.as_ref().and_then(|spec| {
            let RedirectPath {
                replace_full_path,
                replace_prefix_match,
                r#type,
            } = spec;
            let spec = PathSpec {
                is_full: *r#type == RedirectPathType::ReplaceFullPath,
                full: replace_full_path.as_deref(),
                prefix: replace_prefix_match.as_deref(),
            };
            self.path(spec, field)
        });
        let port = port.and_then(|port| {
            port_of(port)
                .map_err(|message| self.fault(format!("{field}.port"), message))
                .ok()
        });
        let status = match status_code {
            None | Some(302) => StatusCode::FOUND,
            Some(301) => StatusCode::MOVED_PERMANENTLY,
            Some(303) => StatusCode::SEE_OTHER,
            Some(307) => StatusCode::TEMPORARY_REDIRECT,
            Some(308) => StatusCode::PERMANENT_REDIRECT,
            Some(_) => {
                self.fault(
                    format!("{field}.statusCode"),
                    "301, 302, 303, 307 or 308 is allowed",
                );
                StatusCode::FOUND
            }
        };
        RedirectResponse {
            scheme: scheme.as_ref().map(|scheme| match scheme {
                RedirectScheme::Http => Scheme::Http,
                RedirectScheme::Https => Scheme::Https,
            }),
            host: self.hostname(hostname.as_deref(), field),
            port,
            path,
            status,
        }
    }

    fn hostname(&mut self, text: Option<&str>, field: &str) -> Option<DnsName> {
        match text.map(HostPattern::parse)? {
            Ok(HostPattern::Exact(name)) => return Some(name),
            Ok(HostPattern::Below(_)) => {
                self.fault(format!("{field}.hostname"), "a wildcard is not a hostname")
            }
            Err(error) => self.fault(format!("{field}.hostname"), error.to_string()),
        }
        None
    }

    /// Compiles a path modifier, of which the type says what must be set.
    fn path(&mut self, spec: PathSpec<'_>, field: &str) -> Option<PathRewrite> {
        let field = format!("{field}.path");
        let PathSpec {
            is_full,
            full,
            prefix,
        } = spec;
        let (name, text) = match (is_full, full, prefix) {
            (true, Some(text), None) => ("replaceFullPath", text),
            (false, None, Some(text)) => ("replacePrefixMatch", text),
            _ => {
                self.fault(
                    format!("{field}.type"),
                    "exactly the field of this type must be set",
                );
                return None;
            }
        };
        let field = format!("{field}.{name}");
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#');
        if text.contains(odd) || !(text.is_empty() || text.starts_with('/')) {
            self.fault(field, "not a path");
            return None;
        }
        if is_full {
            return Some(PathRewrite::Full(text.to_owned()));
        }
        if !self.prefixes {
            self.fault(
                field,
                "there is no prefix to replace: a match of this rule is not a PathPrefix",
            );
            return None;
        }
        Some(PathRewrite::Prefix(text.to_owned()))
    }
}
