use egret_config::policy::service::CalledService;
use egret_config::policy::service::CollectorProtocol;
use egret_config::resources::{Kind, ObjectRef};
use tokio::task::yield_now;

use super::*;
use crate::clock;

/// A log of OpenTelemetry at this service.
pub(crate) fn log(name: &str) -> Arc<OpenTelemetryLog> {
    let owner = ObjectRef::new(Kind::ListenerPolicy, "infra", name);
    let service = CalledService {
        id: ServiceId::new(&owner, "spec"),
        authority: "collector:4317".to_owned(),
        timeout: Duration::from_secs(1),
        retries: 0,
        back_off: (Duration::ZERO, Duration::ZERO),
    };
    Arc::new(OpenTelemetryLog {
        collector: Collector {
            protocol: CollectorProtocol::Grpc,
            service,
            metadata: Vec::new(),
        },
        body: None,
        attributes: Vec::new(),
        resource: Vec::new(),
        builtin_name: None,
    })
}

fn outbox() -> (Outbox, Arc<OutboxTotals>) {
    let totals = Arc::<OutboxTotals>::default();
    (Outbox::new(Arc::clone(&totals)), totals)
}

#[tokio::test(start_paused = true)]
async fn entries_wait_a_second_or_until_there_are_many() {
    let (outbox, _) = outbox();
    let to = OutboxAddress::OpenTelemetry(log("a"));
    outbox.post(&to, b"one".to_vec());
    // An equal address is the same, as after a reload.
    outbox.post(&OutboxAddress::OpenTelemetry(log("a")), b"two".to_vec());
    let begin = clock::now();
    let mailbox = outbox.begun().await;
    outbox.is_due(&mailbox).await;
    assert_eq!(clock::now() - begin, FLUSH_INTERVAL);
    assert_eq!(mailbox.take(), [b"one", b"two"]);
    for _ in 0..2 {
        outbox.post(&to, vec![0; FULL / 2]);
    }
    outbox.is_due(&mailbox).await;
    assert_eq!(clock::now() - begin, FLUSH_INTERVAL);
    assert_eq!(mailbox.take().len(), 2);
    assert!(outbox.leave(&mailbox));
    assert!(outbox.boxes.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn metrics_take_the_place_of_older_ones_and_are_sent_at_once() {
    let (outbox, totals) = outbox();
    let to = OutboxAddress::Metrics(Arc::new(log("a").collector.clone()));
    outbox.replace(&to, vec![b"old".to_vec(), b"older".to_vec()]);
    assert_eq!(totals.otlp_dropped(), 0);
    outbox.replace(&to, vec![b"new".to_vec()]);
    assert_eq!(totals.otlp_dropped(), 2);
    assert_eq!(totals.told_troubles().len(), 1);
    let begin = clock::now();
    let mailbox = outbox.begun().await;
    outbox.is_due(&mailbox).await;
    assert_eq!(clock::now(), begin);
    let sent = mailbox.take();
    assert_eq!(sent, [b"new"]);
    outbox.settle(&to, ParcelSize::of(&sent), None);
    assert_eq!(totals.told_troubles(), [""; 0]);
    assert_eq!(totals.waiting.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn each_service_has_a_box_that_is_given_out_once() {
    let (outbox, _) = outbox();
    let addresses = ["a", "b"].map(|name| OutboxAddress::OpenTelemetry(log(name)));
    for to in &addresses {
        outbox.post(to, vec![1]);
    }
    let given = [outbox.begun().await, outbox.begun().await];
    assert_eq!([given[0].to.clone(), given[1].to.clone()], addresses);
    let more = timeout(Duration::from_secs(9), outbox.begun()).await;
    assert!(more.is_err());
    // One with entries is not left.
    assert!(!outbox.leave(&given[0]));
}

#[test]
fn what_is_taken_at_once_is_bounded_but_is_never_nothing() {
    let mailbox = Mailbox::new(OutboxAddress::OpenTelemetry(log("a")));
    for size in [2 * MAX_PARCEL, MAX_PARCEL, 1, 1] {
        mailbox.push(vec![0; size], false);
    }
    let taken: Vec<_> = std::iter::repeat_with(|| mailbox.take().len())
        .take(4)
        .collect();
    assert_eq!(taken, [1, 1, 2, 0]);
    assert_eq!(mailbox.bytes.get(), 0);
}

#[test]
fn what_is_lost_is_counted_and_told_until_something_arrives() {
    let (outbox, totals) = outbox();
    let to = OutboxAddress::OpenTelemetry(log("a"));
    outbox.post(&to, vec![0; MAX_WAITING]);
    outbox.post(&to, vec![0]);
    assert_eq!((totals.otlp_dropped(), totals.als_dropped()), (1, 0));
    let [trouble] = totals.told_troubles().try_into().unwrap();
    assert!(
        trouble.ends_with("it does not keep up with what it is told"),
        "{trouble}"
    );
    let entries = outbox.boxes.borrow()[0].take();
    outbox.settle(&to, ParcelSize::of(&entries), Some("gone"));
    assert_eq!(totals.otlp_dropped(), 2);
    assert_eq!(totals.waiting.load(Relaxed), 0);
    assert!(totals.told_troubles()[0].ends_with(": gone"));
    outbox.post(&to, vec![0]);
    let entries = outbox.boxes.borrow()[0].take();
    outbox.settle(&to, ParcelSize::of(&entries), None);
    assert_eq!(totals.told_troubles(), [""; 0]);
    outbox.settle(&to, ParcelSize::of(&[]), Some("gone"));
    totals.keep_only(|_| false);
    assert_eq!(totals.told_troubles(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_everything_and_for_nothing_more() {
    let (outbox, _) = outbox();
    let to = OutboxAddress::OpenTelemetry(log("a"));
    outbox.post(&to, vec![1]);
    let begin = clock::now();
    let mailbox = outbox.begun().await;
    let attended = async {
        outbox.is_due(&mailbox).await;
        assert_eq!(mailbox.take().len(), 1);
        yield_now().await;
        outbox.is_due(&mailbox).await;
        assert!(outbox.leave(&mailbox));
    };
    tokio::join!(outbox.finish(), attended);
    assert!(clock::now() - begin < FLUSH_INTERVAL);
}
