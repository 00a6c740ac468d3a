//! Tests of what is read from a hosts file, and when.

use super::*;

fn text(names: &HostsTable) -> String {
    let mut lines: Vec<_> = names
        .iter()
        .map(|(name, addresses)| {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("{}={}", name.as_str(), addresses.join(","))
        })
        .collect();
    lines.sort();
    lines.join(" ")
}

#[test]
fn lines_are_addresses_and_names() {
    for (file, expected) in [
        ("", ""),
        ("192.0.2.1 a.test", "a.test=192.0.2.1"),
        ("192.0.2.1 a.test\r\n", "a.test=192.0.2.1"),
        ("\t192.0.2.1\t \ta.test  ", "a.test=192.0.2.1"),
        ("192.0.2.1 A.Test. b", "a.test=192.0.2.1 b=192.0.2.1"),
        (
            "192.0.2.1 a\n2001:db8::1 a\n192.0.2.2 a",
            "a=192.0.2.1,2001:db8::1,192.0.2.2",
        ),
        // Comments.
        ("# 192.0.2.1 a", ""),
        ("192.0.2.1 a # b", "a=192.0.2.1"),
        ("192.0.2.1 a#b", "a=192.0.2.1"),
        ("192.0.2.1 # a", ""),
        // Zones.
        ("fe80::1%lo0 a\n192.0.2.1 b", "b=192.0.2.1"),
        // Malformed.
        ("192.0.2.1", ""),
        ("a.test 192.0.2.1", ""),
        ("192.0.2 a\n192.0.2.256 b\n[::1] c\n::1 d", "d=::1"),
        ("192.0.2.1 a..b x_\u{e9} b", "b=192.0.2.1"),
        ("192.0.2.1 192.0.2.2 a", "a=192.0.2.1"),
    ] {
        assert_eq!(text(&parse(file)), expected, "{file:?}");
    }
}

#[test]
fn it_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    let file = HostsFile::open(Some(path.clone()));
    assert_eq!(text(&file.names()), "");
    let write = |line: &str, second| {
        fs::write(&path, line).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let opened = fs::File::options().write(true).open(&path).unwrap();
        opened.set_modified(modified).unwrap();
        file.reload_if_changed();
        text(&file.names())
    };
    assert_eq!(write("192.0.2.1 a", 1), "a=192.0.2.1");
    let before = file.names();
    file.reload_if_changed();
    assert!(Arc::ptr_eq(&before, &file.names()));
    assert_eq!(write("192.0.2.2 a", 2), "a=192.0.2.2");
    assert_eq!(write("192.0.2.2 long", 2), "long=192.0.2.2");
    assert_eq!(write("192.0.2.\u{fffd} a", 3), "");
    assert_eq!(write("192.0.2.1 a", 4), "a=192.0.2.1");
    fs::remove_file(&path).unwrap();
    file.reload_if_changed();
    assert_eq!(text(&file.names()), "");
}

#[test]
fn no_file_has_no_names() {
    let file = HostsFile::open(None);
    file.reload_if_changed();
    assert!(file.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn its_changes_are_followed_until_nobody_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    let file = HostsFile::open(Some(path.clone()));
    file.follow(&Handle::current());
    for (line, expected) in [
        ("192.0.2.1 a", "a=192.0.2.1"),
        ("192.0.2.1 longer", "longer=192.0.2.1"),
    ] {
        fs::write(&path, line).unwrap();
        tokio::time::sleep(2 * CHECK_INTERVAL).await;
        assert_eq!(text(&file.names()), expected);
    }
    drop(file);
    tokio::time::sleep(2 * CHECK_INTERVAL).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
