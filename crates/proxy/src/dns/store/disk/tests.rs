//! Tests that the file is replaced as a whole, or left as it was.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::clock;

fn files(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_takes_the_place_of_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    let store = CacheStore::open(inner.clone(), clock::wall()).unwrap();
    assert_eq!(store.load(clock::wall()), StoredNames::default());
    for text in ["one\n", "two\n"] {
        store.save(text).unwrap();
        assert_eq!(fs::read_to_string(store.path()).unwrap(), text);
        assert_eq!(files(&inner), [FILE]);
    }
    let mode = fs::metadata(store.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = file.path().join("state");
    let error = CacheStore::open(folder.clone(), clock::wall()).unwrap_err();
    assert!(
        error.to_string().contains(folder.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn what_cannot_be_written_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = CacheStore::open(folder.path().to_owned(), clock::wall()).unwrap();
    // A folder is in the way of the new file.
    fs::create_dir_all(store.path().join("x")).unwrap();
    store.save("one\n").unwrap_err();
    assert_eq!(files(folder.path()), [FILE]);
    // It is not a file that could be read either.
    assert_eq!(store.load(clock::wall()), StoredNames::default());
}

#[test]
fn what_a_killed_process_left_is_removed_and_what_another_one_writes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join(format!("{TEMPORARY}1"));
    fs::write(&temporary, "").unwrap();
    let later = clock::wall() + ABANDONED + Duration::from_secs(60);
    for (wall, count) in [(clock::wall(), 1), (later, 0)] {
        CacheStore::open(folder.path().to_owned(), wall).unwrap();
        assert_eq!(files(folder.path()).len(), count);
    }
}
