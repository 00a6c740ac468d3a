//! One rule of a route: its parts, what is wrong with them, and what is left to serve.

use std::sync::Arc;

use crate::api::duration;
use crate::api::gateway::RuleTimeouts;
use crate::compile::context::Context;
use crate::compile::log::{Fault, join, misconfiguration};
use crate::compile::retry;
use crate::policy::retry::RetryPolicy;
use crate::resources::{Kind, ObjectRef};
use crate::route::Match;
use crate::snapshot::{Filters, FixedResponse, Misconfiguration, Redirect, Timeout, Timeouts};

use super::backend_ref::{self, BackendDraft};
use super::filter::{self, Answer};
use super::spec::{Matches, RuleSpec};
use super::status::{RouteFaults, RuleFaults};

/// A rule while it is compiled: what does not depend on the listener.
#[derive(Debug)]
pub(super) struct RuleDraft {
    pub(super) index: usize,
    pub(super) name: Option<String>,
    /// Only those that can be used.
    pub(super) matches: Vec<Match>,
    pub(super) filters: Filters,
    pub(super) timeouts: Timeouts,
    /// Its own `retry`, which goes before that of a policy.
    pub(super) retry: Option<Arc<RetryPolicy>>,
    pub(super) action: ActionDraft,
    /// The DirectResponse it refers to.
    pub(super) response: Option<ObjectRef>,
    /// The Backends it refers to.
    pub(super) backends: Vec<ObjectRef>,
}

/// What answers.
#[derive(Debug)]
pub(super) enum ActionDraft {
    Forward(Vec<BackendDraft>),
    Redirect(Redirect),
    Respond(FixedResponse),
    Refuse(Misconfiguration),
}

/// All that is wrong with a rule, matches included.
struct Bad {
    wrong: RuleFaults,
    matches: Vec<Fault>,
}

/// Which rule is compiled.
struct Site<'a> {
    context: &'a Context<'a>,
    route: &'a ObjectRef,
    index: usize,
    field: String,
}

pub(super) fn compile(
    context: &Context<'_>,
    route: &ObjectRef,
    rules: &[RuleSpec<'_>],
    faults: &mut RouteFaults,
) -> Vec<RuleDraft> {
    let rule = |(index, spec)| {
        let field = format!("spec.rules[{index}]");
        let site = Site {
            context,
            route,
            index,
            field,
        };
        site.rule(spec, faults)
    };
    rules.iter().enumerate().map(rule).collect()
}

impl Site<'_> {
    fn rule(&self, spec: &RuleSpec<'_>, faults: &mut RouteFaults) -> RuleDraft {
        let RuleSpec {
            name,
            matches:
                Matches {
                    good: matches,
                    bad: bad_matches,
                    prefixes,
                },
            filters,
            backends,
            timeouts: time_limits,
            retry,
            session_persistence,
        } = spec;
        let field = &self.field;
        let mut wrong = RuleFaults::default();
        if *session_persistence {
            let field = format!("{field}.sessionPersistence");
            wrong.unsupported.push(Fault::unsupported(field));
        }
        let retry = retry.as_ref().map(|spec| {
            let retry = retry::of_rule(spec, &format!("{field}.retry"), &mut wrong.unsupported);
            Arc::new(retry)
        });
        let filters = filter::compile(filters, field, *prefixes, &mut wrong);
        let mut lost = (&mut wrong, &mut faults.unresolved);
        let backends = backend_ref::compile(self.context, self.route, backends, field, &mut lost);
        let named = backends
            .iter()
            .filter_map(|draft| draft.backend.clone().ok());
        let named = named.collect();
        let (action, response) = self.action(filters.answer, backends, &mut wrong);
        let timeouts = timeouts(
            *time_limits,
            &format!("{field}.timeouts"),
            &mut wrong.unsupported,
        );
        let bad = Bad {
            wrong,
            matches: bad_matches.clone(),
        };
        RuleDraft {
            index: self.index,
            name: name.map(str::to_owned),
            matches: matches.clone(),
            filters: filters.filters,
            timeouts,
            retry,
            action: self.settle(*name, action, bad, faults),
            response,
            backends: named,
        }
    }

    /// What answers in the end: nobody, if something is wrong with the rule or with a policy on it.
    fn settle(
        &self,
        name: Option<&str>,
        action: ActionDraft,
        bad: Bad,
        faults: &mut RouteFaults,
    ) -> ActionDraft {
        let Bad { mut wrong, matches } = bad;
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
            wrong.replaced.push(Fault::new(&self.field, message));
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
            faults.warnings.push(Fault::new(field, message));
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

    /// What answers, and the DirectResponse if that is it.
    fn action(
        &self,
        answer: Option<(usize, Answer)>,
        backends: Vec<BackendDraft>,
        wrong: &mut RuleFaults,
    ) -> (ActionDraft, Option<ObjectRef>) {
        match answer {
            None => (ActionDraft::Forward(backends), None),
            Some((at, Answer::Redirect(redirect))) => {
                if !backends.is_empty() {
                    let message = "RequestRedirect must not be used together with backendRefs";
                    let field = format!("{}.filters[{at}].requestRedirect", self.field);
                    wrong.unsupported.push(Fault::new(field, message));
                }
                (ActionDraft::Redirect(redirect), None)
            }
            Some((at, Answer::Respond(name))) => {
                let field = format!("{}.filters[{at}].extensionRef", self.field);
                if !backends.is_empty() {
                    let message = "DirectResponse cannot be applied to route with existing action: backendRefs";
                    wrong.replaced.push(Fault::new(&field, message));
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
            None => format!("{response} not found"),
        };
        wrong.replaced.push(Fault::new(field, message.clone()));
        ActionDraft::Refuse(misconfiguration(self.route, &message))
    }
}

fn timeouts(spec: Option<&RuleTimeouts>, field: &str, faults: &mut Vec<Fault>) -> Timeouts {
    let Some(RuleTimeouts {
        backend_request,
        request,
    }) = spec
    else {
        return Timeouts::default();
    };
    let mut parse = |name: &str, text: Option<&str>| match text.map(duration::parse) {
        None => Timeout::Default,
        Some(Ok(time)) if time.is_zero() => Timeout::Never,
        Some(Ok(time)) => Timeout::After(time),
        Some(Err(error)) => {
            faults.push(Fault::new(format!("{field}.{name}"), error.to_string()));
            Timeout::Default
        }
    };
    let timeouts = Timeouts {
        request: parse("request", request.as_deref()),
        backend_request: parse("backendRequest", backend_request.as_deref()),
    };
    if let (Timeout::After(request), Timeout::After(backend)) =
        (timeouts.request, timeouts.backend_request)
        && backend > request
    {
        faults.push(Fault::new(
            format!("{field}.backendRequest"),
            "longer than request",
        ));
    }
    timeouts
}
