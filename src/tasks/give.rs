//! What a sweep does with one device: judge, try the link, write, and look again where somebody was faster.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{context::hub_fault, sweep::Sweep};
use crate::{
    fleet::{Goal, attempts::Permission},
    hub::{error::HubError, limiter::Urgency},
    redact::redact,
    retry_class::RetryClass,
    rollout::assignment::{Assignment, assign},
    storage::link::{BlobUri, Link},
    time::plus,
};

/// How often a twin that keeps changing is judged again.
const MOST_JUDGEMENTS: u32 = 5;

/// A twin's etag, and what stands under the desired property.
pub(super) type Seen = (String, Option<Value>);

impl Sweep<'_> {
    /// Serves a device. `seen` is a row of a query, which may be old; without one the twin is read. A link of the rollout `freed` is no
    /// reason to leave it alone.
    pub(super) async fn serve(&self, device: &str, seen: Option<Seen>, freed: Option<&str>) {
        if let Err(error) = self.try_to_serve(device, seen, freed).await {
            match error {
                HubError::Cancelled => (),
                HubError::NotFound => self.note(|tally| tally.round.gone += 1),
                // What cannot be asked for by its id cannot be written either.
                HubError::BadRequest { message } => self.note_refusal(device, &message),
                error if error.retry_class() == RetryClass::Terminal => self.give_up(hub_fault(&error)),
                error => self.note_failure(device, &error),
            }
        }
    }

    async fn try_to_serve(
        &self,
        device: &str,
        seen: Option<Seen>,
        freed: Option<&str>,
    ) -> Result<(), HubError> {
        let (mut twin, mut is_fresh) = match seen {
            Some(seen) => (seen, false),
            None => (self.read(device).await?, true),
        };
        let rule = self.rule();
        for _ in 0..MOST_JUDGEMENTS {
            let now = self.tools.clock.now();
            let owner = |blob: &BlobUri| {
                let owned = self.owner(blob);
                owned.filter(|owned| freed.is_none_or(|freed| owned.name() != freed))
            };
            match assign(twin.1.as_ref(), &rule, owner, now) {
                Assignment::Keep | Assignment::Wait => return Ok(()),
                Assignment::Conflict(owner) => {
                    self.note(|tally| {
                        tally.round.conflicted += 1;
                        let reason = format!("its twin links to the asset of BlobRollout {}", owner.name());
                        tally.round.sample(device, reason);
                    });
                    self.conflicts.add(owner, device);
                    return Ok(());
                }
                Assignment::Newer(blob) => {
                    self.note(|tally| {
                        tally.round.left += 1;
                        tally.round.newer += 1;
                        tally.round.unknown(blob);
                        tally.round.sample(device, "its twin links to a revision that is not known yet");
                    });
                    return Ok(());
                }
                Assignment::Give { revision, ts, renewed } => {
                    let gift = Gift { revision, ts, renewed };
                    match self.give(device, &twin, &gift, is_fresh, now).await? {
                        Given::Over => return Ok(()),
                        Given::LookAgain => {
                            twin = self.read(device).await?;
                            is_fresh = true;
                        }
                    }
                }
            }
        }
        self.note(|tally| {
            tally.round.left += 1;
            tally.round.sample(device, "its twin keeps changing while it is written");
        });
        Ok(())
    }

    async fn read(&self, device: &str) -> Result<Seen, HubError> {
        let twin = Box::pin(self.hub.twin(device)).await?.ok_or(HubError::NotFound)?;
        let desired = twin.desired.get(&self.key.property).cloned();
        Ok((twin.etag, desired))
    }

    async fn give(
        &self,
        device: &str,
        twin: &Seen,
        gift: &Gift<'_>,
        is_fresh: bool,
        now: Timestamp,
    ) -> Result<Given, HubError> {
        let Some(link) = self.links.mint(&gift.revision.name, now) else {
            return Err(HubError::Malformed("no link can be made for the blob's name".into()));
        };
        // Who asks for a new look at everything wants it now, whatever came of the last attempt.
        let label = format!("{} {:?}", gift.label(&link), self.key.request);
        let permission = self.attempts().permission(device, &label, now);
        match permission {
            Permission::Write => (),
            Permission::Refused => {
                let told = self.attempts().reason(device).map(str::to_owned);
                let untold = "the hub refused to change its twin less than an hour ago";
                self.note_refusal(device, told.as_deref().unwrap_or(untold));
                return Ok(Given::Over);
            }
            // An index that lags names twins that were just written.
            Permission::Contested(_) if !is_fresh => return Ok(Given::LookAgain),
            Permission::Contested(times) => {
                self.note_contest(device, times, twin.1.as_ref());
                return Ok(Given::Over);
            }
        }
        if let Err(fault) = self.probe.works(&link).await {
            self.give_up(fault);
            return Ok(Given::Over);
        }
        let patch = gift.revision.patch(&self.key.property, &link, gift.ts, twin.1.as_ref());
        let urgency = self.urgency(gift.renewed, now);
        let cancel = &self.assignment.cancel;
        let write = || self.hub.patch_twin(device, &patch, &twin.0, urgency, cancel);
        match self.while_fresh(write).await {
            Ok(()) => {
                self.attempts().written(device, &label, now);
                self.tools.metrics.twin_written();
                self.note(|tally| {
                    tally.written += 1;
                    tally.round.written += 1;
                    tally.renewed += u64::from(gift.renewed.is_some());
                    tally.first_expiry = tally.first_expiry.into_iter().chain([link.expiry()]).min();
                });
                Ok(Given::Over)
            }
            Err(HubError::PreconditionFailed) => Ok(Given::LookAgain),
            Err(HubError::BadRequest { message } | HubError::TooLarge(message)) => {
                self.attempts().refused(device, &label, &message, now);
                self.note_refusal(device, &message);
                Ok(Given::Over)
            }
            Err(error) => Err(error),
        }
    }

    fn note_refusal(&self, device: &str, reason: &str) {
        self.note(|tally| {
            tally.round.refused += 1;
            tally.round.sample(device, reason);
        });
    }

    /// Somebody else has written over what the device was just given.
    fn note_contest(&self, device: &str, times: u32, there: Option<&Value>) {
        let uri = there.and_then(|there| there.get("uri")).and_then(Value::as_str).and_then(BlobUri::of);
        let found = match uri {
            Some(uri) => format!("it links to {} now", redact(uri.as_str(), 200)),
            None => "it links nowhere now".to_owned(),
        };
        self.note(|tally| {
            tally.round.left += 1;
            tally.round.contested += 1;
            let property = &self.key.property;
            let reason = format!("somebody else has replaced the property {property} {times} times: {found}");
            tally.round.sample(device, reason);
        });
    }

    /// A link that has less than half of its lead left goes before everything else.
    fn urgency(&self, renewed: Option<Timestamp>, now: Timestamp) -> Urgency {
        let soon = plus(now, self.links.lead() / 2);
        if renewed.is_some_and(|expiry| expiry < soon) { Urgency::Urgent } else { Urgency::Normal }
    }
}

/// What a device is given.
struct Gift<'a> {
    revision: &'a Goal,
    ts: Timestamp,
    renewed: Option<Timestamp>,
}

impl Gift<'_> {
    /// Tells gifts apart. Not by `ts`, which moves past whatever somebody else wrote.
    fn label(&self, link: &Link) -> String {
        format!("{} {:?}", link.expose(), self.revision.fields())
    }
}

/// What came of an attempt.
enum Given {
    /// Whatever it is, it is noted.
    Over,
    /// The twin must be read and judged again.
    LookAgain,
}
