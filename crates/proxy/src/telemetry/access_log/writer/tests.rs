//! Writers whose reader stalls, whose disk is full, and whose file is moved away.

use std::fs;
use std::io::Write;
use std::sync::mpsc::Sender;

use super::*;

struct StalledReader(Receiver<()>, Sender<Vec<u8>>);

impl Write for StalledReader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        let _ = self.1.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn batch(text: &str) -> LogBatch {
    LogBatch {
        bytes: text.as_bytes().to_vec(),
        lines: 1,
    }
}

fn start(out: LogOutput, totals: &Arc<LogTotals>) -> LogWriter {
    LogWriter::start("the log".to_owned(), out, totals).unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own queue")]
fn a_reader_that_stalls_costs_lines_and_nothing_else() {
    let (go, stall) = std::sync::mpsc::channel();
    let (written, batches) = std::sync::mpsc::channel();
    let totals = Arc::<LogTotals>::default();
    let out = LogOutput::Stream(Box::new(StalledReader(stall, written)));
    let writer = start(out, &totals);
    let total = QUEUE + 10;
    for _ in 0..total {
        writer.hand_over(batch("line\n"));
    }
    // One batch may have been taken by the thread already.
    let dropped = usize::try_from(totals.dropped()).unwrap();
    assert!((9..=10).contains(&dropped), "{dropped}");
    let trouble = writer.trouble(clock::now()).unwrap();
    assert_eq!(trouble, "the log: its reader does not keep up");
    drop(go);
    writer.end();
    assert_eq!(writer.trouble(clock::now()), None);
    assert_eq!(batches.iter().count(), total - dropped);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own queue")]
fn all_logs_together_hold_so_many_bytes() {
    let (go, stall) = std::sync::mpsc::channel::<()>();
    let (written, _batches) = std::sync::mpsc::channel();
    let totals = Arc::<LogTotals>::default();
    let out = LogOutput::Stream(Box::new(StalledReader(stall, written)));
    let stalled = start(out, &totals);
    let other = start(LogOutput::Stream(Box::new(io::sink())), &totals);
    let large = "x".repeat(MAX_QUEUED);
    stalled.hand_over(batch(&large));
    other.hand_over(batch("line\n"));
    assert_eq!(totals.dropped(), 1);
    assert_eq!(
        other.trouble(clock::now()).unwrap(),
        "the log: too much waits to be written"
    );
    drop(go);
    stalled.end();
    other.hand_over(batch("line\n"));
    other.end();
    assert_eq!((totals.dropped(), other.trouble(clock::now())), (1, None));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own queue")]
fn a_write_that_takes_long_is_told_before_a_line_is_lost() {
    let (go, stall) = std::sync::mpsc::channel();
    let (written, batches) = std::sync::mpsc::channel();
    let out = LogOutput::Stream(Box::new(StalledReader(stall, written)));
    let totals = Arc::<LogTotals>::default();
    let writer = start(out, &totals);
    writer.hand_over(batch("line\n"));
    // The thread begins at some time.
    egret_testkit::wait_until("a write", || locked(&writer.state.busy_since).is_some());
    let begun = locked(&writer.state.busy_since).unwrap();
    assert_eq!(writer.trouble(begun + Duration::from_millis(4999)), None);
    let trouble = writer.trouble(begun + Duration::from_secs(7));
    let expected = "the log: nothing could be written for 7 s; what comes is lost if that goes on";
    assert_eq!(trouble.as_deref(), Some(expected));
    go.send(()).unwrap();
    assert_eq!(batches.recv().unwrap(), b"line\n");
    writer.end();
    let later = clock::now() + Duration::from_secs(60);
    assert_eq!((totals.dropped(), writer.trouble(later)), (0, None));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own queue")]
fn the_end_waits_for_a_writer_that_was_let_go() {
    let (go, stall) = std::sync::mpsc::channel();
    let (written, batches) = std::sync::mpsc::channel();
    let totals = Arc::<LogTotals>::default();
    let out = LogOutput::Stream(Box::new(StalledReader(stall, written)));
    let writer = start(out, &totals);
    for _ in 0..3 {
        writer.hand_over(batch("line\n"));
    }
    drop(writer);
    let reader = std::thread::spawn(move || drop(go));
    totals.end();
    reader.join().unwrap();
    assert_eq!(batches.try_iter().count(), 3);
}

#[test]
fn a_full_disk_costs_lines_and_is_told() {
    let totals = Arc::<LogTotals>::default();
    let writer = start(LogOutput::file("/dev/full"), &totals);
    writer.hand_over(batch("one\n"));
    writer.hand_over(batch("two\n"));
    writer.end();
    assert_eq!(totals.dropped(), 2);
    let trouble = writer.trouble(clock::now()).unwrap();
    assert!(trouble.contains("No space left"), "{trouble}");
}

#[test]
fn a_file_that_cannot_be_opened_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/access.log");
    let mut out = LogOutput::file(&path);
    assert!(out.write(b"lost\n").is_err());
    fs::create_dir(folder.path().join("logs")).unwrap();
    out.write(b"written\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "written\n");
}

#[test]
fn a_file_is_appended_to_and_opened_anew_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let moved = folder.path().join("access.log.1");
    fs::write(&path, "before\n").unwrap();
    let writer = start(LogOutput::file(&path), &Arc::default());
    writer.hand_over(batch("one\n"));
    writer.end();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\none\n");
    let mut out = LogOutput::file(&path);
    out.write(b"two\n").unwrap();
    fs::rename(&path, &moved).unwrap();
    out.write(b"three\n").unwrap();
    out.reopen();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    out.write(b"four\n").unwrap();
    assert_eq!(
        fs::read_to_string(&moved).unwrap(),
        "before\none\ntwo\nthree\n"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
}

#[test]
fn a_writer_that_is_asked_opens_its_file_anew_without_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let writer = start(LogOutput::file(&path), &Arc::default());
    writer.reopen();
    writer.end();
    assert!(path.exists());
}
