//! Where the certificates of `tls` of a BackendConfigPolicy are: in a Secret, or in files.

use egret_api::kgateway::{BackendConfigTls, SecretName, TlsFiles};

use crate::compile::FileAccess;
use crate::compile::log::FieldFault;
use crate::compile::review::{FaultCause, ReferentFault};
use crate::compile::secret::{SecretContent, certificates, checked, private_key, trust_anchors};
use crate::compile::value::SpecFields;
use crate::resources::{Kind, LocalFile, ObjectRef, Resources};
use crate::snapshot::{Certificate, TlsIdentity};

/// Where a policy may read certificates.
#[derive(Clone, Copy)]
pub(super) struct TlsSources<'a> {
    pub(super) policy: &'a ObjectRef,
    pub(super) resources: &'a Resources,
    pub(super) files: FileAccess,
}

/// A file, by the field that names it.
type NamedFile<'s> = (&'static str, &'s str);

/// What is wrong, and the field that it is told of.
type FileFault = (String, ReferentFault);

impl<'a> TlsSources<'a> {
    /// The certificates and the key, if the policy says where they are; nothing if there are faults.
    pub(super) fn read(
        self,
        spec: &BackendConfigTls,
        fields: &mut SpecFields<'_>,
    ) -> SecretContent {
        let shows_itself = spec.simple_tls != Some(true);
        let of_secret = spec.secret_ref.as_ref();
        let of_secret = of_secret.map(|name| self.secret(name, shows_itself));
        let of_secret = of_secret.map(|read| read.map_err(|fault| ("secretRef".to_owned(), fault)));
        let of_files = || {
            let files = spec.files.as_ref()?;
            Some(self.files(files, shows_itself))
        };
        let content = of_secret
            .or_else(of_files)
            .unwrap_or_else(|| Ok(SecretContent::default()));
        content.unwrap_or_else(|(field, fault)| {
            fields.referent_fault(&field, fault);
            SecretContent::default()
        })
    }

    fn secret(
        self,
        SecretName { name }: &SecretName,
        shows_itself: bool,
    ) -> Result<SecretContent, ReferentFault> {
        let reference = ObjectRef::new(Kind::Secret, &self.policy.namespace, name);
        let Some(secret) = self.resources.secrets.get(&reference) else {
            return Err(ReferentFault::not_found(&reference));
        };
        SecretContent::read(&reference, &secret.value, shows_itself).map_err(|message| {
            ReferentFault::content(&reference, format!("{reference}: {message}"))
        })
    }

    /// Reads files; the error says which field is at fault.
    fn files(self, spec: &TlsFiles, shows_itself: bool) -> Result<SecretContent, FileFault> {
        let in_itself = |field: &str, message: &str| {
            let field = format!("files{field}");
            (field, ReferentFault::from(message.to_owned()))
        };
        let named = named(spec);
        for (field, path) in named.into_iter().flatten() {
            if !path.starts_with('/') {
                let message = format!("{path:?} is no absolute path");
                return Err(in_itself(&format!(".{field}"), &message));
            }
        }
        let [authorities, certificate, key] = named;
        let pair = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) if authorities.is_none() => {
                let message =
                    "at least one of the fields in [tlsCertificate tlsKey rootCA] must be set";
                return Err(in_itself("", message));
            }
            (None, None) => None,
            _ => {
                return Err(in_itself(
                    "",
                    "tlsCertificate and tlsKey must be set together",
                ));
            }
        };
        let mut all = named.iter().flatten();
        let is_judged = match self.files {
            FileAccess::Here => true,
            FileAccess::Partly => !all.any(|file| self.is_absent(*file)),
            FileAccess::Elsewhere => false,
        };
        if !is_judged {
            return Ok(SecretContent::default());
        }
        let authorities = authorities.map(|file| self.authorities(file)).transpose()?;
        let pair = pair.filter(|_| shows_itself);
        let identity = pair.map(|(certificate, key)| self.identity(certificate, key));
        Ok(SecretContent {
            authorities: authorities.unwrap_or_default(),
            identity: identity.transpose()?,
        })
    }

    /// Warnings about files that are not here, and so are not judged.
    pub(super) fn absent(self, spec: &BackendConfigTls) -> Vec<FieldFault> {
        let Some(files) = spec
            .files
            .as_ref()
            .filter(|_| self.files == FileAccess::Partly)
        else {
            return Vec::new();
        };
        let absent = named(files).into_iter().flatten();
        let absent = absent.filter(|file| self.is_absent(*file));
        let warning = |(field, path)| {
            let message = format!("{path} is not here, and has to be where this is served");
            FieldFault::new(format!("spec.tls.files.{field}"), message)
        };
        absent.map(warning).collect()
    }

    fn is_absent(self, file: NamedFile<'_>) -> bool {
        let files = &self.resources.files;
        !files.contains_key(&LocalFile::reference(file.1))
    }

    fn authorities(self, file: NamedFile<'_>) -> Result<Vec<Certificate>, FileFault> {
        trust_anchors(file.1, self.content(file)?).map_err(|message| at(file, message))
    }

    fn identity(
        self,
        certificate: NamedFile<'_>,
        key: NamedFile<'_>,
    ) -> Result<TlsIdentity, FileFault> {
        let chain = certificates(certificate.1, self.content(certificate)?);
        let private = private_key(key.1, self.content(key)?);
        let identity = TlsIdentity {
            source: LocalFile::reference(certificate.1),
            chain: chain.map_err(|message| at(certificate, message))?,
            key: private.map_err(|message| at(key, message))?,
        };
        // One may have been replaced before the other.
        checked(identity, certificate.1, key.1).map_err(|message| {
            let files = [certificate, key].map(|it| LocalFile::reference(it.1));
            let cause = FaultCause::Contents(Box::new(files));
            ("files".to_owned(), ReferentFault { message, cause })
        })
    }

    /// The content of a file.
    fn content(self, file: NamedFile<'_>) -> Result<&'a [u8], FileFault> {
        let found = self.resources.files.get(&LocalFile::reference(file.1));
        match found.map(|found| &found.value.0) {
            Some(Ok(content)) => Ok(content),
            Some(Err(why)) => Err(at(file, format!("{}: {why}", file.1))),
            None => Err(at(file, format!("{} has not been read", file.1))),
        }
    }
}

/// The CA certificates, the certificate and the key, as far as they are named.
fn named(spec: &TlsFiles) -> [Option<NamedFile<'_>>; 3] {
    let TlsFiles {
        root_ca,
        tls_certificate,
        tls_key,
    } = spec;
    let named = [
        ("rootCA", root_ca),
        ("tlsCertificate", tls_certificate),
        ("tlsKey", tls_key),
    ];
    named.map(|(field, path)| Some((field, path.as_deref()?)))
}

/// A fault in the content of a file.
fn at((field, path): NamedFile<'_>, message: String) -> FileFault {
    let fault = ReferentFault::content(&LocalFile::reference(path), message);
    (format!("files.{field}"), fault)
}
