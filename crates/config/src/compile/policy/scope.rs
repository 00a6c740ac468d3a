//! The places where policies apply.

use crate::resources::ObjectRef;
use crate::snapshot::Listener;

/// A listener, and the objects that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(in crate::compile) struct ListenerScope<'a> {
    /// The Gateway that serves it.
    pub(in crate::compile) gateway: &'a ObjectRef,
    /// The object that has it: the Gateway, or a ListenerSet.
    pub(in crate::compile) owner: &'a ObjectRef,
    pub(in crate::compile) name: &'a str,
}

/// A rule of a route, under a listener.
#[derive(Clone, Copy, Debug)]
pub(in crate::compile) struct PolicyScope<'a> {
    pub(in crate::compile) listener: ListenerScope<'a>,
    pub(in crate::compile) route: &'a ObjectRef,
    pub(in crate::compile) rule: Option<&'a str>,
}

/// An object, and a section of it if that is meant.
type ScopeTarget<'a> = (&'a ObjectRef, Option<&'a str>);

impl<'a> ListenerScope<'a> {
    /// What the policies target that apply to the listener, widest first. A policy on a Gateway applies to the listeners of
    /// its ListenerSets too, so that nobody escapes it by adding one; a policy on one of its listeners does not, whatever the
    /// names are.
    pub(super) fn targets(self) -> impl Iterator<Item = ScopeTarget<'a>> {
        let Self {
            gateway,
            owner,
            name,
        } = self;
        let set = (owner != gateway).then_some((owner, None));
        let whole = [(gateway, None)].into_iter().chain(set);
        whole.chain([(owner, Some(name))])
    }
}

impl<'a> PolicyScope<'a> {
    /// What the policies target that apply to the rule, widest first.
    pub(super) fn targets(self) -> impl Iterator<Item = ScopeTarget<'a>> {
        let Self {
            listener,
            route,
            rule,
        } = self;
        let rule = rule.map(|rule| (route, Some(rule)));
        listener.targets().chain([(route, None)]).chain(rule)
    }
}

impl<'a> From<&'a Listener> for ListenerScope<'a> {
    fn from(listener: &'a Listener) -> Self {
        let (gateway, owner, name) = listener.identity();
        Self {
            gateway,
            owner,
            name,
        }
    }
}
