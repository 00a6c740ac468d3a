//! Compiles `dns` of a BackendConfigPolicy.

use egret_api::kgateway::BackendDnsSpec;

use crate::compile::log::FieldFault;
use crate::compile::value::{ONE_MILLISECOND, SpecFields};
use crate::snapshot::{BackendDns, LookupFamily};

pub(super) fn read(spec: &BackendDnsSpec, faults: &mut Vec<FieldFault>) -> BackendDns {
    let BackendDnsSpec {
        refresh_rate,
        respect_ttl,
        lookup_family,
        jitter: _,
    } = spec;
    let mut fields = SpecFields::new("spec.dns", faults);
    let refresh_rate = fields.time("refreshRate", refresh_rate.as_deref(), ONE_MILLISECOND);
    let family = lookup_family.as_deref().and_then(|name| match name {
        "Auto" | "All" => Some(LookupFamily::Auto),
        "V4Only" => Some(LookupFamily::V4Only),
        "V6Only" => Some(LookupFamily::V6Only),
        "V4Preferred" => Some(LookupFamily::V4Preferred),
        "V6Preferred" => Some(LookupFamily::V6Preferred),
        _ => {
            let message = "Auto, V4Only, V6Only, V4Preferred, V6Preferred and All are supported";
            fields.fault("lookupFamily", message);
            None
        }
    });
    BackendDns {
        // Where TTLs are respected the rate is for answers without one, which there are none of.
        refresh_rate: refresh_rate.filter(|_| *respect_ttl != Some(true)),
        family,
    }
}
