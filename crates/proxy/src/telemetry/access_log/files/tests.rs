//! Which writer a log has, and for how long.

use std::fs;

use super::*;

fn files() -> Arc<LogFiles> {
    LogFiles::start(Box::new(io::sink()), None).unwrap()
}

#[test]
fn a_file_has_one_writer_as_long_as_somebody_writes_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let path = LogPath::File(file.to_str().unwrap().into());
    let files = files();
    let (one, two) = (files.writer(&path), files.writer(&path));
    assert!(Arc::ptr_eq(&one, &two));
    files.reopen();
    files.end();
    assert!(fs::exists(file).unwrap());
    let weak = Arc::downgrade(&one);
    drop((one, two));
    assert!(weak.upgrade().is_none());
    assert_eq!(files.all().len(), 1);
}

#[test]
fn the_default_log_is_stdout_or_a_file() {
    let one = files();
    assert!(Arc::ptr_eq(
        one.default_writer(),
        &one.writer(&LogPath::Stdout)
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let apart = LogFiles::start(Box::new(io::sink()), Some(path.clone())).unwrap();
    assert!(!Arc::ptr_eq(
        apart.default_writer(),
        &apart.writer(&LogPath::Stdout)
    ));
    assert_eq!(apart.all().len(), 2);
    apart.reopen();
    apart.end();
    assert!(path.exists());
}
