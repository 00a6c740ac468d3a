//! Reads HTTPS records (RFC 9460), which say how an origin is reached over TLS.

use std::net::IpAddr;

use egret_config::name::Port;
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::response::{RecordQuery, seconds};
use crate::dns::query::{HttpsRecord, HttpsRecords, MAX_ADDRESSES, MAX_HTTPS_RECORDS};

/// A query for HTTPS records.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpsRecordQuery;

/// The protocol that every HTTPS origin supports unless its record excludes it (RFC 9460 9).
const DEFAULT_ALPN: &[u8] = b"http/1.1";

impl RecordQuery for HttpsRecordQuery {
    type Records = HttpsRecords;

    fn record_type(self) -> RecordType {
        RecordType::HTTPS
    }

    fn read(
        self,
        name: &Name,
        owner: &Name,
        records: &[&Record],
        ttl: u32,
    ) -> Option<HttpsRecords> {
        let records = records.iter().filter_map(|record| match &record.data {
            RData::HTTPS(https) => Some(&https.0),
            _ => None,
        });
        let mut records: Vec<&SVCB> = records.collect();
        // A record in alias mode overrules all others (RFC 9460 2.4.1). Aliases are not followed here.
        if records.iter().any(|record| record.svc_priority == 0) {
            return None;
        }
        records.sort_by_key(|record| record.svc_priority);
        let usable = records.into_iter().filter_map(|record| {
            // The root as TargetName stands for the owner (RFC 9460 2.5.2).
            let target = &record.target_name;
            let other_target = !(target.is_root() || target == owner || target == name);
            usable_record(record, other_target)
        });
        let records: Vec<_> = usable.take(MAX_HTTPS_RECORDS).collect();
        (!records.is_empty()).then(|| HttpsRecords {
            records,
            ttl: seconds(ttl),
        })
    }
}

/// The record, if it can be used to reach the origin.
fn usable_record(record: &SVCB, other_target: bool) -> Option<HttpsRecord> {
    let mut alpn = None;
    let mut default_alpn = true;
    let mut port = None;
    let mut hints: Vec<IpAddr> = Vec::new();
    for (_, value) in &record.svc_params {
        match value {
            SvcParamValue::Mandatory(keys) => {
                if !keys
                    .0
                    .iter()
                    .all(|key| is_supported(*key) && has(record, *key))
                {
                    return None;
                }
            }
            SvcParamValue::Alpn(ids) => {
                let ids = ids.0.iter().map(|id| Box::from(id.as_bytes()));
                alpn = Some(ids.collect::<Vec<Box<[u8]>>>());
            }
            SvcParamValue::NoDefaultAlpn => default_alpn = false,
            SvcParamValue::Port(number) => port = Some(Port::new(*number)?),
            SvcParamValue::Ipv4Hint(v4) => hints.extend(v4.0.iter().map(|a| IpAddr::V4(a.0))),
            SvcParamValue::Ipv6Hint(v6) => hints.extend(v6.0.iter().map(|a| IpAddr::V6(a.0))),
            SvcParamValue::EchConfigList(_) | SvcParamValue::Unknown(_) => {}
        }
    }
    hints.truncate(MAX_ADDRESSES);
    if other_target && hints.is_empty() {
        return None;
    }
    Some(HttpsRecord {
        alpn: protocols(alpn, default_alpn)?,
        port,
        hints,
        other_target,
    })
}

/// The protocols, the default one among them unless it is excluded. A record that excludes it must name another
/// (RFC 9460 7.1.1).
fn protocols(alpn: Option<Vec<Box<[u8]>>>, default: bool) -> Option<Vec<Box<[u8]>>> {
    let mut protocols = match alpn {
        Some(alpn) => alpn,
        None if default => Vec::new(),
        None => return None,
    };
    if default && !protocols.iter().any(|id| **id == *DEFAULT_ALPN) {
        protocols.push(DEFAULT_ALPN.into());
    }
    Some(protocols)
}

/// Whether the key is supported here, and so may be mandatory (RFC 9460 8).
const fn is_supported(key: SvcParamKey) -> bool {
    matches!(
        key,
        SvcParamKey::Alpn
            | SvcParamKey::NoDefaultAlpn
            | SvcParamKey::Port
            | SvcParamKey::Ipv4Hint
            | SvcParamKey::Ipv6Hint
    )
}

fn has(record: &SVCB, key: SvcParamKey) -> bool {
    record.svc_params.iter().any(|(present, _)| *present == key)
}

#[cfg(test)]
mod tests;
