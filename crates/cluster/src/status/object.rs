//! Brings the status of one object up to date: writes until the live status is as it should be.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::core::DynamicObject;

use super::api::StatusApi;
use super::condition::ConditionStamp;
use super::desired::{DesiredStatus, WriteContext};
use super::fault::WriteFault;

/// How often an object is written or read again before it is left for the next pass.
const MAX_ROUNDS: usize = 8;

/// What became of the status of an object.
#[derive(Debug)]
pub(super) enum ObjectOutcome {
    /// It was as it should be.
    Unchanged,
    /// It was written. This is the object as it is now.
    Written(Box<DynamicObject>),
    /// The object is not the one any more that the status is about; a new report will come.
    Superseded,
    /// The API server does not have it.
    Missing,
    /// It could not be written.
    Failed(WriteFault),
}

/// An object with the status that it should have.
pub(super) struct StatusJob {
    pub(super) api: StatusApi,
    /// The object that the status is about.
    pub(super) reported: Arc<DynamicObject>,
    /// The object as it was seen last, by a read or a write.
    pub(super) seen: Arc<DynamicObject>,
    pub(super) desired: DesiredStatus,
    /// The fields that the installed CRD does not have. Those that are found to be missing are added.
    pub(super) undeclared: BTreeSet<String>,
}

impl StatusJob {
    pub(super) async fn run(
        &mut self,
        controller: &str,
        manager: &str,
        now: &str,
    ) -> ObjectOutcome {
        let about = &self.reported.metadata;
        let mut live = DynamicObject::clone(&self.seen);
        let mut is_written = false;
        let mut refusal = None;
        // A reader may leave out who owns which field.
        let mut has_owners =
            live.metadata.managed_fields.is_some() || !self.desired.depends_on_owners();
        for _ in 0..MAX_ROUNDS {
            let now_is = &live.metadata;
            if now_is.uid != about.uid || now_is.generation != about.generation {
                return ObjectOutcome::Superseded;
            }
            let context = WriteContext {
                controller,
                manager,
                stamp: ConditionStamp {
                    generation: live.metadata.generation.unwrap_or_default(),
                    now,
                },
                undeclared: &self.undeclared,
            };
            let Some(write) = self.desired.next_write(&live, context) else {
                return match is_written {
                    true => ObjectOutcome::Written(Box::new(live)),
                    false => ObjectOutcome::Unchanged,
                };
            };
            let answer = match has_owners {
                true => self.api.write(write, &live).await,
                false => Err(WriteFault::Stale),
            };
            let fault = match answer {
                Ok(written) => {
                    is_written = true;
                    live = written;
                    continue;
                }
                Err(fault) => fault,
            };
            match fault {
                WriteFault::Gone => return ObjectOutcome::Missing,
                WriteFault::Stale => match self.api.read().await {
                    Ok(again) => {
                        live = again;
                        if has_owners {
                            refusal = Some("another writer changes it again and again");
                        }
                        has_owners = true;
                    }
                    Err(WriteFault::Gone) => return ObjectOutcome::Missing,
                    Err(fault) => return ObjectOutcome::Failed(fault),
                },
                WriteFault::Undeclared(fields) if !fields.is_subset(&self.undeclared) => {
                    self.undeclared.extend(fields);
                }
                fault => return ObjectOutcome::Failed(fault),
            }
        }
        let why = refusal.unwrap_or("the API server does not store it as it is written");
        ObjectOutcome::Failed(WriteFault::Refused(why.to_owned()))
    }
}
