//! Compiles `jwt` of a GatewayExtension.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use egret_api::kgateway::{
    ClaimToHeader, JwksRetryPolicy, JwksSpec, JwtExtension, JwtProviderSpec, JwtTokenSource,
    JwtValidationMode, LocalJwks, RemoteJwksSpec,
};
use http::{HeaderName, Uri};

use super::super::service::read_pauses;
use super::ServiceReader;
use crate::compile::header::{HeaderNameError, MessageKind, header_name};
use crate::compile::review::ReferentFault;
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::name::Host;
use crate::policy::jwt_auth::{
    ClaimHeader, JwtAuth, JwtProvider, KeySet, ProviderKeys, RemoteKeys, TokenSource,
};
use crate::resources::{Kind, ObjectRef};

const MAX_PROVIDERS: usize = 32;
/// The entry of a ConfigMap.
const ENTRY: &str = "jwks";
const CACHE_DURATION: Duration = Duration::from_secs(300);
const FAILED_REFETCH: Duration = Duration::from_secs(1);
/// The pause before the server is asked again. The longest is ten times the first, as in Envoy.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

impl ServiceReader<'_> {
    pub(super) fn jwt(&mut self, spec: &JwtExtension, fields: &mut SpecFields<'_>) -> JwtAuth {
        let JwtExtension {
            providers,
            validation_mode,
        } = spec;
        if !(1..=MAX_PROVIDERS).contains(&providers.len()) {
            fields.fault("providers", format!("1 to {MAX_PROVIDERS} are needed"));
        }
        let mut names = BTreeSet::new();
        let mut read = Vec::new();
        for (index, provider) in providers.iter().enumerate() {
            let mut list = fields.nested("providers");
            let mut inner = list.element(index);
            if !names.insert(&provider.name) {
                inner.fault("name", "another provider has this name");
            }
            read.extend(self.provider(provider, &mut inner, index));
        }
        JwtAuth {
            providers: read,
            allows_missing: *validation_mode == Some(JwtValidationMode::AllowMissing),
        }
    }

    /// A provider; `None` if there are faults.
    fn provider(
        &mut self,
        spec: &JwtProviderSpec,
        fields: &mut SpecFields<'_>,
        index: usize,
    ) -> Option<JwtProvider> {
        let JwtProviderSpec {
            name,
            issuer,
            audiences,
            token_source,
            claims_to_headers,
            jwks,
            forward_token,
        } = spec;
        if name.is_empty() {
            fields.fault("name", "a name is needed");
        }
        if audiences.as_ref().is_some_and(Vec::is_empty) {
            // An empty list would let everybody through.
            fields.fault("audiences", "at least one is needed");
        }
        let source = source(token_source.as_ref(), &mut fields.nested("tokenSource"));
        let claims = claims_to_headers.iter().flatten().enumerate();
        let mut claims_read = Vec::new();
        for (index, claim) in claims {
            let mut list = fields.nested("claimsToHeaders");
            claims_read.extend(claim_header(claim, &mut list.element(index)));
        }
        let keys = self.keys(jwks, &mut fields.nested("jwks"), index);
        Some(JwtProvider {
            name: name.clone(),
            issuer: issuer.clone().filter(|issuer| !issuer.is_empty()),
            audiences: audiences.clone().unwrap_or_default(),
            source: source?,
            forwards: forward_token.unwrap_or_default(),
            claims_to_headers: claims_read,
            keys: keys?,
        })
    }

    fn keys(
        &mut self,
        spec: &JwksSpec,
        fields: &mut SpecFields<'_>,
        index: usize,
    ) -> Option<ProviderKeys> {
        match (&spec.local, &spec.remote) {
            (Some(local), None) => self.local_keys(local, &mut fields.nested("local")),
            (None, Some(remote)) => {
                let keys = self.remote_keys(remote, &mut fields.nested("remote"), index)?;
                Some(ProviderKeys::Remote(Arc::new(keys)))
            }
            _ => {
                fields.struct_fault("exactly one of the fields in [local remote] must be set");
                None
            }
        }
    }

    fn local_keys(&self, spec: &LocalJwks, fields: &mut SpecFields<'_>) -> Option<ProviderKeys> {
        let (field, read) = match (&spec.inline, &spec.config_map_ref) {
            (Some(text), None) => {
                let read = KeySet::parse(text);
                ("inline", read.map_err(|error| error.to_string().into()))
            }
            (None, Some(map)) => ("configMapRef", self.keys_of_map(&map.name)),
            _ => {
                let message = "exactly one of the fields in [inline configMapRef] must be set";
                fields.struct_fault(message);
                return None;
            }
        };
        match read {
            Ok(keys) => Some(ProviderKeys::Local(Arc::new(keys))),
            Err(fault) => {
                fields.referent_fault(field, fault);
                None
            }
        }
    }

    fn keys_of_map(&self, name: &str) -> Result<KeySet, ReferentFault> {
        let reference = ObjectRef::new(Kind::ConfigMap, &self.owner.namespace, name);
        let map = self.resources.config_maps.get(&reference);
        let map = map.ok_or_else(|| ReferentFault::absent(self.resources, &reference))?;
        let wrong = |message: String| ReferentFault::content(&reference, message);
        let text = map.value.data.as_ref().and_then(|data| data.get(ENTRY));
        let text = text.ok_or_else(|| wrong(format!("{reference} has no {ENTRY}")))?;
        let keys = KeySet::parse(text);
        keys.map_err(|error| wrong(format!("{ENTRY} of {reference}: {error}")))
    }

    fn remote_keys(
        &mut self,
        spec: &RemoteJwksSpec,
        fields: &mut SpecFields<'_>,
        index: usize,
    ) -> Option<RemoteKeys> {
        let RemoteJwksSpec {
            url,
            backend_ref,
            cache_duration,
            async_fetch,
            retry_policy,
        } = spec;
        let host = url_host(url);
        if let Err(message) = &host {
            fields.fault("url", message.clone());
        }
        let is_tls = url.starts_with("https:");
        let tls_host = host.as_ref().ok().filter(|_| is_tls);
        let field = format!("spec.jwt.providers[{index}].jwks.remote");
        let service = self.service(backend_ref, &field, tls_host);
        let service = service.map_err(|fault| fields.referent_fault("backendRef", fault));
        let cached = fields.time("cacheDuration", cache_duration.as_deref(), ONE_MILLISECOND);
        let fetch = async_fetch.as_ref();
        let refetch = fetch.and_then(|fetch| fetch.failed_refetch_duration.as_deref());
        let mut of_fetch = fields.nested("asyncFetch");
        let refetch = of_fetch.time("failedRefetchDuration", refetch, ONE_MILLISECOND);
        let (retries, back_off) = retry(retry_policy.as_ref(), &mut fields.nested("retryPolicy"));
        Some(RemoteKeys {
            service: service.ok()?,
            url: host.is_ok().then(|| url.clone())?,
            cache_duration: cached.unwrap_or(CACHE_DURATION),
            failed_refetch: refetch.unwrap_or(FAILED_REFETCH),
            retries,
            back_off,
        })
    }
}

/// How often the server is asked again, and the first and the longest pause before.
fn retry(
    spec: Option<&JwksRetryPolicy>,
    fields: &mut SpecFields<'_>,
) -> (u32, (Duration, Duration)) {
    let Some(spec) = spec else {
        return (0, (FIRST_PAUSE, FIRST_PAUSE * 10));
    };
    let retries = fields.number("numRetries", spec.num_retries, &(1..=MAX_NUMBER));
    let pauses = read_pauses(
        spec.back_off.as_ref(),
        FIRST_PAUSE,
        fields.nested("backOff"),
    );
    (retries.unwrap_or(1), pauses)
}

/// The host of a URL of keys.
fn url_host(url: &str) -> Result<Host, String> {
    const WRONG: &str = "not a URL: write https://host/path";
    let uri: Uri = url.parse().map_err(|_| WRONG.to_owned())?;
    let scheme = uri.scheme_str();
    if !matches!(scheme, Some("http" | "https")) {
        return Err(WRONG.to_owned());
    }
    let host = uri.host().ok_or(WRONG)?;
    if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return Err("a URL with credentials is not supported".to_owned());
    }
    host.parse().map_err(|error| format!("{host}: {error}"))
}

fn source(spec: Option<&JwtTokenSource>, fields: &mut SpecFields<'_>) -> Option<TokenSource> {
    let Some(spec) = spec else {
        return Some(TokenSource::Usual);
    };
    match (&spec.header, &spec.query_parameter) {
        (Some(header), None) => {
            let name = name_of(&header.header, "header", &mut fields.nested("header"))?;
            let prefix = header.prefix.clone().unwrap_or_default();
            Some(TokenSource::Header { name, prefix })
        }
        (None, Some(name)) if !name.is_empty() => Some(TokenSource::Query(name.clone())),
        (None, Some(_)) => {
            fields.fault("queryParameter", "a name is needed");
            None
        }
        _ => {
            fields.struct_fault("exactly one of the fields in [header queryParameter] must be set");
            None
        }
    }
}

fn claim_header(spec: &ClaimToHeader, fields: &mut SpecFields<'_>) -> Option<ClaimHeader> {
    if spec.name.is_empty() {
        fields.fault("name", "a name is needed");
    }
    let header = name_of(&spec.header, "header", fields)?;
    if let Err(message) = MessageKind::Request.check_settable(&header) {
        fields.fault("header", message);
    }
    Some(ClaimHeader {
        claim: spec.name.clone(),
        header,
    })
}

fn name_of(text: &str, field: &str, fields: &mut SpecFields<'_>) -> Option<HeaderName> {
    let name = header_name(text).map_err(HeaderNameError::message);
    name.map_err(|message| fields.fault(field, message)).ok()
}
