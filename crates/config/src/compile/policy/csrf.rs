//! Compiles `csrf` of a TrafficPolicy to [`CsrfPolicy`].

use egret_api::kgateway::{OriginMatch, TrafficCsrf, TrafficPolicySpec};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::pattern::RegexPattern;
use crate::policy::csrf::{CsrfPolicy, OriginMatcher, OriginText};

/// Maximum number of additional origins.
const MAX_ORIGINS: usize = 16;

impl ReadPolicy for CsrfPolicy {
    type Spec = TrafficCsrf;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficCsrf> {
        spec.csrf.as_ref()
    }

    fn read(
        spec: &TrafficCsrf,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficCsrf {
            percentage_enabled,
            percentage_shadowed,
            additional_origins,
        } = spec;
        if percentage_enabled.is_some() && percentage_shadowed.is_some() {
            fields.struct_fault(
                "at most one of the fields in [percentageEnabled percentageShadowed] may be set",
            );
        }
        let enabled = fields.number("percentageEnabled", *percentage_enabled, &(0..=100));
        let shadowed = fields.number("percentageShadowed", *percentage_shadowed, &(0..=100));
        let origins = additional_origins.as_deref().unwrap_or_default();
        if origins.len() > MAX_ORIGINS {
            fields.fault(
                "additionalOrigins",
                format!("at most {MAX_ORIGINS} are allowed"),
            );
        }
        let mut fields = fields.nested("additionalOrigins");
        let additional = origins.iter().enumerate();
        let additional =
            additional.filter_map(|(index, origin)| matcher(origin, &mut fields.element(index)));
        FieldReading::Set(Self {
            judged: shadowed.or(enabled).unwrap_or(100),
            is_shadow: shadowed.is_some(),
            additional: additional.collect(),
        })
    }
}

fn matcher(spec: &OriginMatch, fields: &mut SpecFields<'_>) -> Option<OriginMatcher> {
    let OriginMatch {
        exact,
        prefix,
        suffix,
        contains,
        safe_regex,
        ignore_case,
    } = spec;
    let ignore_case = *ignore_case == Some(true);
    let cased = |text: &String| match ignore_case {
        true => text.to_ascii_lowercase(),
        false => text.clone(),
    };
    let texts = [
        exact.as_ref().map(|text| OriginText::Exact(cased(text))),
        prefix.as_ref().map(|text| OriginText::Prefix(cased(text))),
        suffix.as_ref().map(|text| OriginText::Suffix(cased(text))),
        contains
            .as_ref()
            .map(|text| OriginText::Contains(cased(text))),
    ];
    let regex = safe_regex.as_ref().map(|text| RegexPattern::new(text));
    let mut given = texts.into_iter().flatten();
    match (given.next(), given.next(), regex) {
        (Some(text), None, None) => Some(OriginMatcher { text, ignore_case }),
        (None, None, Some(Ok(_))) if ignore_case => {
            let message = "has no effect on safeRegex: begin the expression with (?i)";
            fields.fault("ignoreCase", message);
            None
        }
        (None, None, Some(Ok(pattern))) => Some(OriginMatcher {
            text: OriginText::Regex(pattern),
            ignore_case,
        }),
        (None, None, Some(Err(message))) => {
            fields.fault("safeRegex", message);
            None
        }
        _ => {
            fields.struct_fault(
                "exactly one of the fields in [exact prefix suffix contains safeRegex] must be set",
            );
            None
        }
    }
}
