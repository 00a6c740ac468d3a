//! GatewayExtensions: what policies ask about requests. Each is compiled once, and the policies that refer to it take it as it
//! is.

use std::collections::BTreeMap;

use super::CompiledPolicies;
use super::reader::PolicyReader;
use super::service::{ServiceReader, Upstreams};
use crate::compile::grant;
use crate::compile::log::{FieldFault, ReportLog, join};
use crate::compile::missing;
use crate::compile::review::{FaultCause, ReferentFault};
use crate::compile::value::SpecFields;
use crate::policy::ext_auth::ExtAuth;
use crate::policy::ext_proc::ExtProc;
use crate::policy::global_limit::RateLimitService;
use crate::policy::jwt_auth::JwtAuth;
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::{Kind, ObjectRef, Resources};

mod ext_auth;
mod ext_proc;
mod jwt;
mod rate_limit;

use egret_api::kgateway::{ExtensionRef, ExtensionType, GatewayExtensionSpec};
pub(super) use ext_auth::read_body;
pub(super) use ext_proc::read_mode;

/// Every GatewayExtension.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    members: BTreeMap<ObjectRef, Result<ExtensionMember, String>>,
}

/// The member of a GatewayExtension that is set.
#[derive(Debug)]
pub(super) enum ExtensionMember {
    ExtAuth(Box<ExtAuth>),
    ExtProc(Box<ExtProc>),
    Jwt(JwtAuth),
    RateLimit(RateLimitService),
}

pub(super) fn compile(
    resources: &Resources,
    upstreams: Upstreams<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut extensions = Extensions::default();
    let mut found = BTreeMap::new();
    for (extension, object) in &resources.gateway_extensions {
        let mut reader = ServiceReader::new(extension, resources, upstreams, policies);
        let mut faults = Vec::new();
        let member = reader.member(&object.value.spec, &mut faults);
        log.problems(extension, &object.source, &faults);
        let accepted = match &member {
            Some(_) if faults.is_empty() => {
                let message = "GatewayExtension accepted";
                StatusCondition::new("Accepted", true, "Accepted", message)
            }
            _ => StatusCondition::new("Accepted", false, "Invalid", join(&faults)),
        };
        let conditions = vec![accepted];
        let status = ObjectStatus::Plain(PlainStatus { conditions });
        log.object(extension, &object.source, status);
        found.append(&mut reader.found);
        let member = member
            .filter(|_| faults.is_empty())
            .ok_or_else(|| join(&faults));
        extensions.members.insert(extension.clone(), member);
    }
    policies.extensions = extensions;
    policies.services.append(&mut found);
}

impl ServiceReader<'_> {
    /// The member that is set; there is a fault if it is none.
    fn member(
        &mut self,
        spec: &GatewayExtensionSpec,
        faults: &mut Vec<FieldFault>,
    ) -> Option<ExtensionMember> {
        let unsupported = spec.unsupported();
        faults.extend(unsupported.map(|name| FieldFault::unsupported(format!("spec.{name}"))));
        let named = spec.extension_type.map(|named| match named {
            ExtensionType::Jwt => ("jwt", spec.jwt.is_some()),
            ExtensionType::ExtAuth => ("extAuth", spec.ext_auth.is_some()),
            ExtensionType::ExtProc => ("extProc", spec.ext_proc.is_some()),
            ExtensionType::RateLimit => ("rateLimit", spec.rate_limit.is_some()),
            ExtensionType::OAuth2 => ("oauth2", spec.oauth2.is_some()),
        });
        if let Some((member, false)) = named {
            let message = "must be set, because it is the type";
            faults.push(FieldFault::new(format!("spec.{member}"), message));
        }
        let mut members = Vec::new();
        if let Some(auth) = &spec.ext_auth {
            let mut fields = SpecFields::new("spec.extAuth", faults);
            let auth = self.ext_auth(auth, &mut fields);
            members.extend(auth.map(Box::new).map(ExtensionMember::ExtAuth));
        }
        if let Some(proc) = &spec.ext_proc {
            let mut fields = SpecFields::new("spec.extProc", faults);
            let proc = self.ext_proc(proc, &mut fields);
            members.extend(proc.map(Box::new).map(ExtensionMember::ExtProc));
        }
        if let Some(jwt) = &spec.jwt {
            let mut fields = SpecFields::new("spec.jwt", faults);
            members.push(ExtensionMember::Jwt(self.jwt(jwt, &mut fields)));
        }
        if let Some(limit) = &spec.rate_limit {
            let mut fields = SpecFields::new("spec.rateLimit", faults);
            let service = self.rate_limit(limit, &mut fields);
            members.extend(service.map(ExtensionMember::RateLimit));
        }
        if members.len() != 1 && faults.is_empty() {
            let message =
                "exactly one of the fields in [extAuth extProc jwt oauth2 rateLimit] must be set";
            faults.push(FieldFault::new("spec", message));
        }
        members.pop()
    }
}

impl ExtensionMember {
    const fn name(&self) -> &'static str {
        match self {
            Self::ExtAuth(_) => ExtAuth::MEMBER,
            Self::ExtProc(_) => ExtProc::MEMBER,
            Self::Jwt(_) => JwtAuth::MEMBER,
            Self::RateLimit(_) => RateLimitService::MEMBER,
        }
    }
}

/// What a member of a GatewayExtension is compiled to.
pub(super) trait OfExtension: Sized {
    /// The name of the member.
    const MEMBER: &str;

    /// It, if the extension has that member.
    fn of(member: &ExtensionMember) -> Option<&Self>;
}

impl OfExtension for ExtAuth {
    const MEMBER: &str = "extAuth";

    fn of(member: &ExtensionMember) -> Option<&Self> {
        match member {
            ExtensionMember::ExtAuth(auth) => Some(auth),
            _ => None,
        }
    }
}

impl OfExtension for ExtProc {
    const MEMBER: &str = "extProc";

    fn of(member: &ExtensionMember) -> Option<&Self> {
        match member {
            ExtensionMember::ExtProc(proc) => Some(proc),
            _ => None,
        }
    }
}

impl OfExtension for JwtAuth {
    const MEMBER: &str = "jwt";

    fn of(member: &ExtensionMember) -> Option<&Self> {
        match member {
            ExtensionMember::Jwt(jwt) => Some(jwt),
            _ => None,
        }
    }
}

impl OfExtension for RateLimitService {
    const MEMBER: &str = "rateLimit";

    fn of(member: &ExtensionMember) -> Option<&Self> {
        match member {
            ExtensionMember::RateLimit(service) => Some(service),
            _ => None,
        }
    }
}

impl<'a> PolicyReader<'a> {
    /// The member that `extensionRef` leads to, which can be disabled in its place. `None` if it is, or if there are faults.
    pub(super) fn extension_unless_disabled<T: OfExtension>(
        self,
        reference: Option<&ExtensionRef>,
        is_disabled: bool,
        fields: &mut SpecFields<'_>,
    ) -> Option<&'a T> {
        match (reference, is_disabled) {
            (None, true) => None,
            (Some(reference), false) => self.extension(reference, fields),
            _ => {
                let message = "exactly one of the fields in [extensionRef disable] must be set";
                fields.struct_fault(message);
                None
            }
        }
    }

    /// The member that `extensionRef` leads to; `None` if there are faults.
    pub(super) fn extension<T: OfExtension>(
        self,
        reference: &ExtensionRef,
        fields: &mut SpecFields<'_>,
    ) -> Option<&'a T> {
        let found = self.find_extension(reference);
        let found = found.map_err(|fault| fields.referent_fault("extensionRef", fault));
        found.ok()
    }

    /// Finds a GatewayExtension with this member, which the policy may refer to. The namespace is the policy's by default.
    fn find_extension<T: OfExtension>(
        self,
        reference: &ExtensionRef,
    ) -> Result<&'a T, ReferentFault> {
        let namespace = reference.namespace.as_deref();
        let namespace = namespace.unwrap_or(&self.policy.namespace);
        let extension = ObjectRef::new(Kind::GatewayExtension, namespace, &reference.name);
        // What is wrong with the other object is its own fault.
        let of_reference = |message| ReferentFault {
            message,
            cause: FaultCause::Reference,
        };
        if !grant::allows(self.resources, self.policy, &extension) {
            let message = format!("no ReferenceGrant allows {extension}");
            return Err(of_reference(message));
        }
        match self.extensions.members.get(&extension) {
            None => Err(of_reference(missing::message(self.resources, &extension))),
            Some(Err(message)) => Err(of_reference(format!("{extension}: {message}"))),
            Some(Ok(found)) => T::of(found).ok_or_else(|| {
                let (other, wanted) = (found.name(), T::MEMBER);
                of_reference(format!("{extension} has {other}, and not {wanted}"))
            }),
        }
    }
}
