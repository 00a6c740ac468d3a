//! Configuration files: finds and reads them.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use egret_config::load::{self, ConfigLoader, LoadedConfig};
use nix::libc::O_NONBLOCK;

mod local;
mod watch;

pub(crate) use local::LocalFiles;
pub(crate) use watch::FileWatcher;

/// The name of stdin as a path.
pub(crate) const STDIN: &str = "-";

/// The texts of all configuration files, by path in a stable order.
#[derive(Debug, Default)]
pub(crate) struct ConfigFiles {
    texts: Vec<(PathBuf, String)>,
    unreadable: Vec<String>,
    passed_over: Vec<PassedOver>,
}

/// Something in a folder that is not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PassedOver {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Why it is not read.
    pub(crate) why: &'static str,
}

/// The files that are to be read, before they are.
#[derive(Debug, Default)]
struct FoundFiles {
    files: Vec<PathBuf>,
    unreadable: Vec<String>,
    passed_over: Vec<PassedOver>,
    /// The folders that are being searched, by device and inode: a link may lead back to one of them.
    open: Vec<(u64, u64)>,
    /// The paths that were found, each of which is read once, also if a folder and a file in it are given.
    paths: BTreeSet<PathBuf>,
}

const BY_ENDING: &str = "not read, because its name does not end in .yaml, .yml or .json";
const BY_KIND: &str = "not read, because it is no regular file";
const BY_LOOP: &str = "not searched, because the link leads back to a folder that it is in";

impl ConfigFiles {
    /// As [`read`](Self::read), for a command that reads once: `-` is stdin, of which nobody can say when it changes.
    pub(crate) fn read_once(paths: &[PathBuf]) -> Self {
        let (stdin, paths): (Vec<_>, Vec<_>) = paths
            .iter()
            .cloned()
            .partition(|path| path == Path::new(STDIN));
        let mut files = Self::read(&paths);
        if !stdin.is_empty() {
            let path = PathBuf::from("stdin");
            match text_of(io::stdin().lock()) {
                Ok(text) => files.texts.push((path, text)),
                Err(error) => files.unreadable.push(told(&path, &error)),
            }
        }
        files
    }

    /// Reads the given files, and in given folders, recursively, all files that end in `.yaml`, `.yml` or `.json`, in letters of
    /// any case, and are not hidden. Links are followed. Anything but a regular file could block, and is not opened.
    pub(crate) fn read(paths: &[PathBuf]) -> Self {
        let FoundFiles {
            files,
            mut unreadable,
            passed_over,
            ..
        } = FoundFiles::find(paths);
        let mut texts = Vec::with_capacity(files.len());
        for path in files {
            match read_regular(&path) {
                Ok(text) => texts.push((path, text)),
                Err(error) => unreadable.push(told(&path, &error)),
            }
        }
        Self {
            texts,
            unreadable,
            passed_over,
        }
    }

    /// Whether the same would be read from other files.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        self.texts == other.texts && self.unreadable == other.unreadable
    }

    /// What is in the folders and is not read. A policy may be in one of them.
    pub(crate) fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Parses the files. The second value has one line for each file that could not be read.
    pub(crate) fn load(&self) -> (LoadedConfig, &[String]) {
        self.load_by(&mut ConfigLoader::default())
    }

    /// Parses the files with a loader that may know much of them already.
    pub(crate) fn load_by(&self, loader: &mut ConfigLoader) -> (LoadedConfig, &[String]) {
        let names: Vec<_> = self
            .texts
            .iter()
            .map(|(path, text)| (path.display().to_string(), text))
            .collect();
        let files = names
            .iter()
            .map(|(name, text)| load::ConfigFile { name, text });
        (loader.load(files), &self.unreadable)
    }
}

impl FoundFiles {
    fn find(paths: &[PathBuf]) -> Self {
        let mut found = Self::default();
        for path in paths {
            found.add(path);
        }
        found
    }

    /// Adds a path that was given.
    fn add(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.add_folder(path, &metadata),
            Ok(metadata) if metadata.is_file() => self.add_file(path),
            Ok(_) => self.unreadable.push(told(path, &not_regular())),
            Err(_) if path == Path::new(STDIN) => self.unreadable.push(no_stdin()),
            Err(error) => self.unreadable.push(told(path, &error)),
        }
    }

    fn add_file(&mut self, path: &Path) {
        let here = path.strip_prefix(".").unwrap_or(path);
        if self.paths.insert(here.to_owned()) {
            self.files.push(path.to_owned());
        }
    }

    fn add_folder(&mut self, folder: &Path, metadata: &Metadata) {
        let identity = (metadata.dev(), metadata.ino());
        if self.open.contains(&identity) {
            return self.pass_over(folder, BY_LOOP);
        }
        self.open.push(identity);
        match entries(folder) {
            Ok(entries) => entries.iter().for_each(|path| self.add_entry(path)),
            Err(error) => self.unreadable.push(told(folder, &error)),
        }
        self.open.pop();
    }

    /// Adds what is in a folder.
    fn add_entry(&mut self, path: &Path) {
        let is_wanted = is_configuration(path);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.add_folder(path, &metadata),
            Ok(metadata) if !metadata.is_file() => self.pass_over(path, BY_KIND),
            Ok(_) if is_wanted => self.add_file(path),
            Ok(_) => self.pass_over(path, BY_ENDING),
            Err(error) if is_wanted => self.unreadable.push(told(path, &error)),
            Err(_) => self.pass_over(path, BY_ENDING),
        }
    }

    fn pass_over(&mut self, path: &Path, why: &'static str) {
        let path = path.to_owned();
        self.passed_over.push(PassedOver { path, why });
    }
}

/// What is in a folder and not hidden, in order.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = folder.read_dir()?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| !is_hidden(path));
    paths.sort();
    Ok(paths)
}

fn read_regular(path: &Path) -> io::Result<String> {
    text_of(open_regular(path)?)
}

fn text_of(mut source: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no text in UTF-8"))
}

/// Opens a regular file. What was found as one may be another thing by now, which must not block either.
fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::other("it is no regular file")
}

/// What a command says that reads files again when they change.
fn no_stdin() -> String {
    format!(
        "{STDIN}: stdin is read by commands that read once, such as check; files are served that can be read again"
    )
}

/// One line about a path that cannot be read.
fn told(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            format!("{shown}: the link leads nowhere: {}", target.display())
        }
        _ => format!("{shown}: {error}"),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_configuration(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(files: &ConfigFiles, root: &Path) -> Vec<String> {
        files
            .texts
            .iter()
            .map(|(path, _)| path.strip_prefix(root).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn what_is_no_text_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, b"\xff\xfea").unwrap();
        let error = read_regular(&file).unwrap_err();
        assert_eq!(error.to_string(), "it is no text in UTF-8");
    }

    #[test]
    fn folders_are_searched_and_hidden_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::create_dir_all(root.join("..data")).unwrap();
        for name in [
            "b.yml",
            "a.yaml",
            "c.json",
            "note.txt",
            "policy.yaml.bak",
            "D.YAML",
            "E.Yml",
            "F.JSON",
            ".d.yaml",
            "sub/deep/e.yaml",
            "..data/f.yaml",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        let files = ConfigFiles::read(&[root.to_owned()]);
        assert_eq!(
            names(&files, root),
            [
                "D.YAML",
                "E.Yml",
                "F.JSON",
                "a.yaml",
                "b.yml",
                "c.json",
                "sub/deep/e.yaml"
            ]
        );
        let passed_over: Vec<_> = files.passed_over().iter().map(|one| &one.path).collect();
        assert_eq!(
            passed_over,
            [&root.join("note.txt"), &root.join("policy.yaml.bak")]
        );
        assert_eq!(
            names(&ConfigFiles::read(&[root.join("note.txt")]), root),
            ["note.txt"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let files = ConfigFiles::read(&[folder.path().join("missing.yaml")]);
        assert!(files.load().1[0].contains("missing.yaml: "), "{files:?}");
    }

    #[test]
    fn a_file_that_is_given_twice_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a.yaml"), "one").unwrap();
        fs::write(root.join("b.yaml"), "two").unwrap();
        let given = [root.join("b.yaml"), root.join("./"), root.join("a.yaml")];
        let files = ConfigFiles::read(&given);
        assert_eq!(names(&files, root), ["b.yaml", "a.yaml"]);
        let relative = FoundFiles::find(&["./Cargo.toml".into(), "Cargo.toml".into()]);
        assert_eq!(relative.files, [Path::new("./Cargo.toml")]);
    }

    #[test]
    fn stdin_is_not_served() {
        let files = ConfigFiles::read(&[STDIN.into()]);
        assert!(files.load().1[0].starts_with("-: stdin is read by commands that read once"));
    }

    #[test]
    fn what_is_no_regular_file_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a.yaml"), "one").unwrap();
        let fifo = root.join("b.yaml");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let files = ConfigFiles::read(&[root.to_owned()]);
        assert_eq!(names(&files, root), ["a.yaml"]);
        let passed_over = PassedOver {
            path: fifo.clone(),
            why: BY_KIND,
        };
        assert_eq!(files.passed_over(), [passed_over]);
        assert!(files.load().1.is_empty());
        // One that was asked for by name is an error, and so is a file that is replaced by one while it is read.
        let named = ConfigFiles::read(std::slice::from_ref(&fifo));
        assert!(named.load().1[0].ends_with("b.yaml: it is no regular file"));
        assert!(read_regular(&fifo).is_err());
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("elsewhere/sub")).unwrap();
        fs::create_dir(root.join("config")).unwrap();
        fs::write(root.join("elsewhere/one"), "one").unwrap();
        fs::write(root.join("elsewhere/sub/two.yaml"), "two").unwrap();
        let link = |to: &str, at: &str| {
            std::os::unix::fs::symlink(to, root.join("config").join(at)).unwrap();
        };
        link("../elsewhere/one", "a.yaml");
        link("../elsewhere/sub", "b");
        link(".", "c");
        link("../elsewhere/none", "d.yaml");
        let files = ConfigFiles::read(&[root.join("config")]);
        assert_eq!(names(&files, root), ["config/a.yaml", "config/b/two.yaml"]);
        assert_eq!(files.passed_over()[0].why, BY_LOOP);
        let (_, unreadable) = files.load();
        assert_eq!(unreadable.len(), 1);
        assert!(unreadable[0].ends_with("d.yaml: the link leads nowhere: ../elsewhere/none"));
    }
}
