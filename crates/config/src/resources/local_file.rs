//! Files of the machine that serves, which objects name by their paths. Whoever reads objects reads them too, and puts
//! them among the objects, so that a change of one is judged as a change of an object is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use egret_api::kgateway::TlsFiles;

use super::{Kind, LocatedObject, ObjectRef, Resources, SourceLocation};

/// The content of a file, or why it cannot be read. It may be a private key, and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalFile(pub Result<Vec<u8>, String>);

impl LocalFile {
    /// The identity of the file with this path.
    pub(crate) fn reference(path: &str) -> ObjectRef {
        ObjectRef::new(Kind::File, "", path)
    }
}

impl Resources {
    /// The paths of the files that objects name.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<Arc<str>> {
        let policies = self.backend_config_policies.values();
        let named = policies.filter_map(|policy| policy.value.spec.tls.as_ref()?.files.as_ref());
        let paths = named.flat_map(|files| {
            let TlsFiles {
                root_ca,
                tls_certificate,
                tls_key,
            } = files;
            [root_ca, tls_certificate, tls_key].into_iter().flatten()
        });
        paths.map(|path| path.as_str().into()).collect()
    }

    /// Takes a file among the objects, in place of what it was before.
    pub fn put_file(&mut self, path: &str, file: LocalFile) {
        let value = Arc::new(file);
        let source = SourceLocation::default();
        let located = LocatedObject { value, source };
        self.files.insert(LocalFile::reference(path), located);
    }
}

impl fmt::Debug for LocalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(content) => write!(f, "LocalFile({} bytes)", content.len()),
            Err(why) => write!(f, "LocalFile({why})"),
        }
    }
}
