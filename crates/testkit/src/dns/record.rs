//! A builder for HTTPS records (RFC 9460).

use std::net::IpAddr;

use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, Mandatory, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, HTTPS};

use super::encode::parse_name;

/// An HTTPS record. A new record has no parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsRecord {
    priority: u16,
    target: String,
    params: Vec<(SvcParamKey, SvcParamValue)>,
}

impl HttpsRecord {
    /// Makes a record. Priority 0 is the alias form, and the target `.` means the owner name itself.
    #[must_use]
    pub fn new(priority: u16, target: &str) -> Self {
        Self {
            priority,
            target: target.to_owned(),
            params: Vec::new(),
        }
    }

    /// Adds `alpn`: the protocols besides the default one.
    #[must_use]
    pub fn alpn<'a>(self, protocols: impl IntoIterator<Item = &'a str>) -> Self {
        let protocols = protocols.into_iter().map(str::to_owned).collect();
        self.with(SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(protocols)))
    }

    /// Adds `no-default-alpn`, which removes the default protocol.
    #[must_use]
    pub fn no_default_alpn(self) -> Self {
        self.with(SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn)
    }

    /// Adds `port`.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with(SvcParamKey::Port, SvcParamValue::Port(port))
    }

    /// Adds `ipv4hint` and `ipv6hint` with these addresses, parsed from text.
    ///
    /// # Panics
    /// If one is not an address.
    #[must_use]
    pub fn hints<'a>(self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for text in addresses {
            match text.parse() {
                Ok(IpAddr::V4(address)) => v4.push(A(address)),
                Ok(IpAddr::V6(address)) => v6.push(AAAA(address)),
                Err(_) => panic!("{text} is no address"),
            }
        }
        let v4 = (!v4.is_empty()).then_some(SvcParamValue::Ipv4Hint(IpHint(v4)));
        let v6 = (!v6.is_empty()).then_some(SvcParamValue::Ipv6Hint(IpHint(v6)));
        let hinted = match v4 {
            Some(v4) => self.with(SvcParamKey::Ipv4Hint, v4),
            None => self,
        };
        match v6 {
            Some(v6) => hinted.with(SvcParamKey::Ipv6Hint, v6),
            None => hinted,
        }
    }

    /// Adds `mandatory`: the keys, by number, that a client has to understand.
    #[must_use]
    pub fn mandatory(self, keys: impl IntoIterator<Item = u16>) -> Self {
        let keys = keys.into_iter().map(SvcParamKey::from).collect();
        self.with(
            SvcParamKey::Mandatory,
            SvcParamValue::Mandatory(Mandatory(keys)),
        )
    }

    pub(super) fn data(&self) -> RData {
        let target = parse_name(&self.target);
        RData::HTTPS(HTTPS(SVCB::new(self.priority, target, self.params.clone())))
    }

    /// Adds a parameter, keeping the parameters in the order of their keys (RFC 9460, section 2.2).
    fn with(mut self, key: SvcParamKey, value: SvcParamValue) -> Self {
        self.params.push((key, value));
        self.params.sort_by_key(|(key, _)| *key);
        self
    }
}
