//! One rule of a route: compiles its parts, and decides what it serves if some of them have faults.

use std::sync::Arc;

use egret_api::duration;
use egret_api::gateway::RuleTimeouts;
use http::StatusCode;

use crate::compile::context::RouteContext;
use crate::compile::log::{FieldFault, join, misconfiguration};
use crate::compile::{missing, retry};
use crate::policy::traffic::{PolicySetting, TrafficSettings};
use crate::resources::{Kind, ObjectRef};
use crate::route::MatchConditions;
use crate::snapshot::{
    FixedResponse, Misconfiguration, RedirectResponse, RouteFilters, RouteTimeouts,
    SessionPersistence, TimeoutSetting,
};

use super::backend_ref::{self, BackendDraft};
use super::filter::{self, FilterAnswer};
use super::mirror::{self, MirrorDraft};
use super::session;
use super::spec::{RuleMatches, RuleSpec};
use super::status::{RouteFaults, RuleFaults};

/// The parts of a rule that do not depend on the listener, while it is compiled.
#[derive(Debug)]
pub(super) struct RuleDraft {
    pub(super) index: usize,
    pub(super) name: Option<String>,
    /// The matches that are valid.
    pub(super) matches: Vec<MatchConditions>,
    pub(super) filters: RouteFilters,
    pub(super) timeouts: RouteTimeouts,
    pub(super) session: Option<Arc<SessionPersistence>>,
    /// What the rule itself says of what policies say too, which takes precedence over them.
    pub(super) own: TrafficSettings,
    pub(super) mirrors: Vec<MirrorDraft>,
    pub(super) action: ActionDraft,
    /// The DirectResponse that the rule refers to.
    pub(super) response: Option<ObjectRef>,
    /// The Backends and Services that the rule refers to, for its requests and for copies of them.
    pub(super) backends: Vec<ObjectRef>,
}

impl RuleDraft {
    /// Makes the rule refuse every request, because its route is not valid.
    pub(super) fn refuse(&mut self, route: &ObjectRef, message: &str) {
        self.action = ActionDraft::Refuse(misconfiguration(route, message));
    }

    /// Sets the status of the redirect, if the rule answers with one.
    pub(super) fn set_redirect_status(&mut self, status: StatusCode) {
        if let ActionDraft::Redirect(redirect) = &mut self.action {
            redirect.status = status;
        }
    }
}

/// What answers a request.
#[derive(Debug)]
pub(super) enum ActionDraft {
    Forward(Vec<BackendDraft>),
    Redirect(RedirectResponse),
    Respond(FixedResponse),
    Refuse(Misconfiguration),
}

/// All faults of a rule, including those of its matches.
struct RuleProblems {
    wrong: RuleFaults,
    matches: Vec<FieldFault>,
}

/// The rule that is compiled.
struct RuleCompiler<'a> {
    context: &'a RouteContext<'a>,
    route: &'a ObjectRef,
    index: usize,
    field: String,
}

pub(super) fn compile(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    rules: &[RuleSpec<'_>],
    faults: &mut RouteFaults,
) -> Vec<RuleDraft> {
    let rule = |(index, spec)| {
        let field = format!("spec.rules[{index}]");
        let compiler = RuleCompiler {
            context,
            route,
            index,
            field,
        };
        compiler.rule(spec, faults)
    };
    rules.iter().enumerate().map(rule).collect()
}

impl RuleCompiler<'_> {
    fn rule(&self, spec: &RuleSpec<'_>, faults: &mut RouteFaults) -> RuleDraft {
        let RuleSpec {
            name,
            matches:
                RuleMatches {
                    usable: matches,
                    faults: match_faults,
                    prefixes,
                },
            filters,
            backends: _,
            timeouts: time_limits,
            retry,
            session,
        } = spec;
        let field = &self.field;
        let mut wrong = RuleFaults::default();
        let session = session.as_ref().and_then(|spec| {
            let field = format!("{field}.sessionPersistence");
            session::compile(spec, &field, &mut wrong.unsupported)
        });
        let retry = retry
            .as_ref()
            .map(|spec| retry::of_rule(spec, &format!("{field}.retry"), &mut wrong.unsupported));
        let compiled = filter::compile(filters, field, *prefixes, &mut wrong);
        let mut own = TrafficSettings {
            retry: self.own(retry),
            cors: self.own(compiled.cors),
            ..TrafficSettings::default()
        };
        self.add_named_policies(&compiled.policies, &mut own, &mut wrong);
        let (context, route) = (self.context, self.route);
        let mut rule_faults = (&mut wrong, &mut faults.unresolved);
        let mirrors = mirror::compile(context, route, filters, field, &mut rule_faults);
        let backends = backend_ref::compile(context, route, spec, field, &mut rule_faults);
        let resolved_backends = backends
            .iter()
            .filter_map(|draft| draft.backend.clone().ok());
        let all_mirrors = backends.iter().flat_map(|draft| &draft.mirrors);
        let all_mirrors = mirrors.iter().chain(all_mirrors);
        let mirror_backends = all_mirrors.map(|draft| draft.backend.clone());
        let resolved_backends = resolved_backends.chain(mirror_backends).collect();
        let (action, response) = self.action(compiled.answer, backends, &mut wrong);
        let timeouts = timeouts(
            *time_limits,
            &format!("{field}.timeouts"),
            &mut wrong.unsupported,
        );
        faults.warnings.append(&mut wrong.warnings);
        let bad = RuleProblems {
            wrong,
            matches: match_faults.clone(),
        };
        RuleDraft {
            index: self.index,
            name: name.map(str::to_owned),
            matches: matches.clone(),
            filters: compiled.filters,
            timeouts,
            session,
            own,
            mirrors,
            action: self.settle(*name, action, bad, faults),
            response,
            backends: resolved_backends,
        }
    }

    /// Adds the settings of the TrafficPolicies that filters name. Those of an earlier filter come first, and the fields of
    /// the rule itself before all.
    fn add_named_policies(
        &self,
        named: &[(usize, String)],
        own: &mut TrafficSettings,
        wrong: &mut RuleFaults,
    ) {
        for (at, name) in named {
            let policy = ObjectRef::new(Kind::TrafficPolicy, &self.route.namespace, name);
            let message = match self.context.policies.by_filter(&policy) {
                Some(Ok(settings)) => {
                    let place = format!("{} rules[{}]", self.route, self.index);
                    own.merge(&settings.clone().attached_to(&place));
                    continue;
                }
                Some(Err(broken)) => format!("{policy}: {}", broken.message),
                None => missing::message(self.context.resources, &policy),
            };
            let field = format!("{}.filters[{at}].extensionRef", self.field);
            wrong.replaced.push(FieldFault::reference(field, message));
        }
    }

    /// A setting that the rule itself has, or has not.
    fn own<T>(&self, value: Option<T>) -> PolicySetting<T> {
        let set = |value| PolicySetting::Set(self.route.clone(), Arc::new(value));
        value.map_or(PolicySetting::Unset, set)
    }

    /// Replaces the action by a refusal, if the rule or a policy on it is not valid.
    fn settle(
        &self,
        name: Option<&str>,
        action: ActionDraft,
        bad: RuleProblems,
        faults: &mut RouteFaults,
    ) -> ActionDraft {
        let RuleProblems { mut wrong, matches } = bad;
        let refuse = join(
            wrong
                .unsupported
                .iter()
                .chain(&wrong.replaced)
                .chain(&matches),
        );
        let mut settled = action;
        if !refuse.is_empty() {
            settled = ActionDraft::Refuse(misconfiguration(self.route, &refuse));
        } else if let Some(broken) = self.context.policies.broken_rule(self.route, name) {
            let message = format!("{}: {}", broken.object, broken.message);
            let fault = FieldFault::reference(&self.field, message);
            wrong.replaced.push(fault);
            settled = ActionDraft::Refuse(broken.clone());
        } else if let ActionDraft::Forward(backends) = &settled
            && backends.iter().all(|backend| backend.weight == 0)
        {
            let what = match self.route.kind {
                Kind::TlsRoute => "connections of this rule are closed",
                _ => "requests of this rule are answered with 500",
            };
            let message = format!("no backend has a weight above 0: {what}");
            let field = format!("{}.backendRefs", self.field);
            faults.warnings.push(FieldFault::new(field, message));
            settled = ActionDraft::Refuse(misconfiguration(self.route, "the rule has no backend"));
        }
        let replaced = wrong.unsupported.iter().chain(&wrong.replaced);
        faults
            .replaced
            .extend(replaced.map(|fault| (self.index, fault.clone())));
        faults
            .dropped
            .extend(matches.into_iter().map(|fault| (self.index, fault)));
        faults.unsupported.append(&mut wrong.unsupported);
        settled
    }

    /// The action, and the DirectResponse that it refers to.
    fn action(
        &self,
        answer: Option<(usize, FilterAnswer)>,
        backends: Vec<BackendDraft>,
        wrong: &mut RuleFaults,
    ) -> (ActionDraft, Option<ObjectRef>) {
        match answer {
            None => (ActionDraft::Forward(backends), None),
            Some((at, FilterAnswer::Redirect(redirect))) => {
                if !backends.is_empty() {
                    let message = "RequestRedirect must not be used together with backendRefs";
                    let field = format!("{}.filters[{at}].requestRedirect", self.field);
                    wrong.unsupported.push(FieldFault::new(field, message));
                }
                (ActionDraft::Redirect(redirect), None)
            }
            Some((at, FilterAnswer::Respond(name))) => {
                let field = format!("{}.filters[{at}].extensionRef", self.field);
                if !backends.is_empty() {
                    let message = "DirectResponse cannot be applied to route with existing action: backendRefs";
                    wrong.replaced.push(FieldFault::new(&field, message));
                }
                let response = ObjectRef::new(Kind::DirectResponse, &self.route.namespace, &name);
                (self.respond(&response, field, wrong), Some(response))
            }
        }
    }

    fn respond(&self, response: &ObjectRef, field: String, wrong: &mut RuleFaults) -> ActionDraft {
        let message = match self
            .context
            .responses
            .get(response)
            .map(|response| &response.answer)
        {
            Some(Ok(answer)) => return ActionDraft::Respond(answer.clone()),
            Some(Err(broken)) => format!("{response}: {}", broken.message),
            None => {
                let message = missing::message(self.context.resources, response);
                wrong.replaced.push(FieldFault::new(field, message));
                let message = format!("{response} not found");
                return ActionDraft::Refuse(misconfiguration(self.route, &message));
            }
        };
        let fault = FieldFault::reference(field, message.clone());
        wrong.replaced.push(fault);
        ActionDraft::Refuse(misconfiguration(self.route, &message))
    }
}

fn timeouts(
    spec: Option<&RuleTimeouts>,
    field: &str,
    faults: &mut Vec<FieldFault>,
) -> RouteTimeouts {
    let Some(RuleTimeouts {
        backend_request,
        request,
    }) = spec
    else {
        return RouteTimeouts::default();
    };
    let mut parse = |name: &str, text: Option<&str>| match text.map(duration::parse) {
        None => TimeoutSetting::Default,
        Some(Ok(time)) if time.is_zero() => TimeoutSetting::Never,
        Some(Ok(time)) => TimeoutSetting::After(time),
        Some(Err(error)) => {
            faults.push(FieldFault::new(
                format!("{field}.{name}"),
                error.to_string(),
            ));
            TimeoutSetting::Default
        }
    };
    let timeouts = RouteTimeouts {
        request: parse("request", request.as_deref()),
        backend_request: parse("backendRequest", backend_request.as_deref()),
        stream_idle: TimeoutSetting::Default,
    };
    if let (TimeoutSetting::After(request), TimeoutSetting::After(backend)) =
        (timeouts.request, timeouts.backend_request)
        && backend > request
    {
        faults.push(FieldFault::new(
            format!("{field}.backendRequest"),
            "longer than request",
        ));
    }
    timeouts
}
