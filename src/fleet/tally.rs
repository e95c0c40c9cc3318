//! What a sweep has done. Bounded at any fleet size.

use super::failures::FailureSample;

/// Most refusals that are named.
pub const SAMPLES: usize = 20;

/// What a sweep has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Twins written.
    pub written: u64,
    /// Devices left alone because they hold a link of another rollout.
    pub conflicted: u64,
    /// Devices that were deleted meanwhile.
    pub gone: u64,
    /// Devices whose twin the hub refuses to change.
    pub refused: u64,
    /// Devices left for the next sweep, because a call failed or their twin kept changing.
    pub left: u64,
    /// Some of the refused, with the hub's words.
    pub refusals: Vec<FailureSample>,
}

impl Tally {
    /// This and `other` together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.written += other.written;
        self.conflicted = self.conflicted.max(other.conflicted);
        self.gone += other.gone;
        self.refused += other.refused;
        self.left += other.left;
        self.refusals.extend(other.refusals);
        self.refusals.truncate(SAMPLES);
        self
    }

    /// One refusal more.
    pub fn refuse(&mut self, device: &str, reason: String) {
        self.refused += 1;
        if self.refusals.len() < SAMPLES {
            self.refusals.push(FailureSample { device_id: device.to_owned(), reason });
        }
    }
}
