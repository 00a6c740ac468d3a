//! Files that objects name by their paths, such as certificates.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egret_config::resources::{LocalFile, Resources};

use super::open_regular;

/// The most bytes that are read of a file.
const MAX_BYTES: u64 = 1 << 20;

/// The files that objects name, as they were read last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalFiles(BTreeMap<Arc<str>, LocalFile>);

impl LocalFiles {
    /// Reads the files that objects name, and takes them among the objects.
    pub(crate) fn added_to(resources: &mut Resources) -> Self {
        let files = Self::read(resources.paths());
        files.put_into(resources);
        files
    }

    /// As [`Self::added_to`], without those that are not there: they may be where this is served.
    pub(crate) fn found_for(resources: &mut Resources) {
        let paths = resources.paths().into_iter();
        Self::read(paths.filter(|path| Path::new(&**path).exists())).put_into(resources);
    }

    fn put_into(&self, resources: &mut Resources) {
        for (path, file) in &self.0 {
            resources.put_file(path, file.clone());
        }
    }

    /// Whether the same files have another content by now.
    pub(crate) fn have_changed(&self) -> bool {
        Self::read(self.0.keys().cloned()) != *self
    }

    /// The paths of the files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.0.keys().map(|path| PathBuf::from(&**path)).collect()
    }

    fn read(paths: impl IntoIterator<Item = Arc<str>>) -> Self {
        let file = |path: Arc<str>| {
            let content = content(Path::new(&*path));
            let content = content.map_err(|error| error.to_string());
            (path, LocalFile(content))
        };
        Self(paths.into_iter().map(file).collect())
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut file = open_regular(path)?.take(MAX_BYTES + 1);
    file.read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(content)
    } else {
        let message = format!("it has more than {MAX_BYTES} bytes");
        Err(io::Error::other(message))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use egret_config::load::{ConfigFile, load};

    use super::*;

    #[test]
    fn named_files_are_read_whatever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("ca"), "one").unwrap();
        fs::write(path("large"), vec![b'a'; (1 << 20) + 1]).unwrap();
        let text = format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: BackendConfigPolicy\n\
             metadata: {{name: p, namespace: a}}\nspec:\n  tls: {{files: {{rootCA: {}, tlsCertificate: {}, tlsKey: {}}}}}\n",
            path("ca"),
            path("large"),
            path("none")
        );
        let name = "t.yaml";
        let mut resources = load([ConfigFile { name, text: &text }]).resources;
        let files = LocalFiles::added_to(&mut resources);
        assert_eq!(
            files.paths(),
            ["ca", "large", "none"].map(|it| PathBuf::from(path(it)))
        );
        let read = resources.files.values().map(|file| file.value.0.clone());
        let read: Vec<Result<Vec<u8>, String>> = read.collect();
        assert_eq!(read[0], Ok(b"one".to_vec()));
        assert_eq!(read[1], Err("it has more than 1048576 bytes".to_owned()));
        assert!(read[2].as_ref().unwrap_err().contains("No such file"));
        assert!(!files.have_changed());
        fs::write(path("none"), "there").unwrap();
        assert!(files.have_changed());
    }
}
