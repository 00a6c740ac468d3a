//! Compiles `rateLimit.global` of a TrafficPolicy to [`GlobalRateLimits`], with the service of the GatewayExtension that it
//! refers to.

use egret_api::kgateway::{
    GlobalRateLimitSpec, RateLimitEntrySpec, RateLimitEntryType, TrafficPolicySpec,
};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::header::{HeaderNameError, header_name};
use crate::compile::value::SpecFields;
use crate::policy::global_limit::{
    DescriptorEntry, EntryValue, GlobalRateLimit, GlobalRateLimits, RateLimitService,
};

impl ReadPolicy for GlobalRateLimits {
    type Spec = GlobalRateLimitSpec;

    fn of(spec: &TrafficPolicySpec) -> Option<&GlobalRateLimitSpec> {
        spec.rate_limit.as_ref()?.global.as_ref()
    }

    fn read(
        spec: &GlobalRateLimitSpec,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let GlobalRateLimitSpec {
            descriptors,
            extension_ref,
        } = spec;
        if descriptors.is_empty() {
            fields.fault("descriptors", "at least one is needed");
        }
        let mut read = Vec::new();
        for (index, descriptor) in descriptors.iter().enumerate() {
            let mut list = fields.nested("descriptors");
            let mut inner = list.element(index);
            if descriptor.entries.is_empty() {
                inner.fault("entries", "at least one is needed");
            }
            let mut entries = Vec::new();
            for (index, entry) in descriptor.entries.iter().enumerate() {
                let mut list = inner.nested("entries");
                entries.extend(read_entry(entry, &mut list.element(index)));
            }
            read.push(entries);
        }
        match reader.extension::<RateLimitService>(extension_ref, fields) {
            Some(service) => FieldReading::Set(Self(vec![GlobalRateLimit {
                policy: reader.policy.clone(),
                service: service.clone(),
                descriptors: read,
            }])),
            None => FieldReading::Disabled,
        }
    }
}

/// An entry; `None` if there are faults.
fn read_entry(spec: &RateLimitEntrySpec, fields: &mut SpecFields<'_>) -> Option<DescriptorEntry> {
    let entry = |key: &str, value| {
        let key = key.to_owned();
        Some(DescriptorEntry { key, value })
    };
    match (spec.entry_type, &spec.generic, spec.header.as_deref()) {
        (RateLimitEntryType::Generic, Some(generic), None) => {
            if generic.key.is_empty() || generic.value.is_empty() {
                fields.fault("generic", "a key and a value are needed");
                return None;
            }
            entry(&generic.key, EntryValue::Fixed(generic.value.clone()))
        }
        (RateLimitEntryType::Header, None, Some(name)) => match header_value(name) {
            Ok(value) => entry(name, value),
            Err(message) => {
                fields.fault("header", message);
                None
            }
        },
        (RateLimitEntryType::RemoteAddress, None, None) => {
            entry("remote_address", EntryValue::RemoteAddress)
        }
        (RateLimitEntryType::Path, None, None) => entry("path", EntryValue::Path),
        _ => {
            fields.struct_fault("exactly one entry type must be specified");
            None
        }
    }
}

/// What a name of a header means, or of a pseudo-header (RFC 9113 8.3.1).
fn header_value(name: &str) -> Result<EntryValue, &'static str> {
    Ok(match name {
        ":authority" | "host" | "Host" => EntryValue::Authority,
        ":method" => EntryValue::Method,
        ":path" => EntryValue::Path,
        ":scheme" => EntryValue::Scheme,
        name => EntryValue::Header(header_name(name).map_err(HeaderNameError::message)?),
    })
}
