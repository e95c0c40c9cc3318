//! The messages of one day, which is a day in UTC ("Troubleshoot Azure IoT Hub error codes", 403002).

use crate::clock::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Quota {
    /// Days since 1970-01-01.
    day: u64,
    messages: u64,
}

impl Quota {
    pub fn used(&self, now: Timestamp) -> u64 {
        if self.day == now.unix_days() { self.messages } else { 0 }
    }

    pub fn add(&mut self, messages: u64, now: Timestamp) {
        self.messages = self.used(now).saturating_add(messages);
        self.day = now.unix_days();
    }
}
