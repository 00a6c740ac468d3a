//! `rbac` of a TrafficPolicy: which requests are let through, by expressions.

use serde::Serialize;

use crate::expression::{Expression, RequestView};
pub use egret_api::kgateway::RbacAction;

/// `rbac` of a TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rbac {
    /// What becomes of the requests that match.
    pub action: RbacAction,
    /// A request matches if one of these is true. Without expressions, every request is refused.
    pub expressions: Vec<Expression>,
}

impl Rbac {
    /// Whether a request is let through. An expression that reads what the request does not have does not match, whatever
    /// the action, as in Envoy.
    #[must_use]
    pub fn allows(&self, request: &RequestView<'_>) -> bool {
        let mut expressions = self.expressions.iter();
        let matches = expressions.any(|expression| expression.evaluate(request) == Ok(true));
        match self.action {
            RbacAction::Allow => matches,
            RbacAction::Deny => !matches && !self.expressions.is_empty(),
        }
    }

    /// Whether the decision may depend on what the default access log does not tell.
    #[must_use]
    pub fn reads_unlogged(&self) -> bool {
        let mut expressions = self.expressions.iter();
        expressions.any(|expression| expression.inputs().reads_unlogged())
    }

    /// Whether the decision depends on where the request goes.
    #[must_use]
    pub fn reads_egress(&self) -> bool {
        let mut expressions = self.expressions.iter();
        expressions.any(|expression| expression.inputs().reads_egress())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri, Version};

    use super::*;
    use crate::expression::{AbsentHeaders, EgressDestination, RequestForm, RequestHead};
    use crate::name::{Host, Port};

    fn allows(action: RbacAction, expressions: &[&str]) -> bool {
        let compiled = expressions.iter().map(|text| {
            let compiled = Expression::compile(text, AbsentHeaders::AreErrors);
            compiled.unwrap()
        });
        let rbac = Rbac {
            action,
            expressions: compiled.collect(),
        };
        let host: Host = "a.example".parse().unwrap();
        rbac.allows(&RequestView {
            form: RequestForm::Host,
            scheme: Some("http"),
            host: &host,
            port: None,
            head: Some(RequestHead {
                method: &Method::GET,
                uri: &Uri::from_static("/"),
                version: Version::HTTP_11,
                headers: &HeaderMap::new(),
            }),
            source: "192.0.2.1:1".parse().unwrap(),
            listener: "0.0.0.0:80".parse().unwrap(),
            server_name: None,
            user: None,
            certificate: None,
            claims: None,
            egress: EgressDestination {
                scheme: Some("http"),
                host: &host,
                port: Port::HTTP,
            },
            response: None,
        })
    }

    #[test]
    fn expressions_are_alternatives_and_errors_match_nothing() {
        const ABSENT: &str = "request.headers['x-none'] == 'x'";
        const NOT_ABSENT: &str = "!(request.headers['x-none'] == 'x')";
        for (expressions, allow, deny) in [
            (&["true"][..], true, false),
            (&["false"], false, true),
            (&["false", "true"], true, false),
            (&[ABSENT], false, true),
            (&[NOT_ABSENT], false, true),
            (&[ABSENT, "request.method == 'GET'"], true, false),
            (&[], false, false),
        ] {
            let allowed =
                [RbacAction::Allow, RbacAction::Deny].map(|action| allows(action, expressions));
            assert_eq!(allowed, [allow, deny], "{expressions:?}");
        }
    }
}
