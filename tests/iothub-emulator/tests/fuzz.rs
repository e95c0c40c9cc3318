//! The logic of the fuzz targets, on examples damaged at random. The seed is fixed: a failure comes again.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;
use iothub_emulator::fuzz;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, PingReq, Publish, Subscribe};
use sha2::{Digest, Sha256};

const ROUNDS: usize = 4000;

/// xorshift64*: enough to damage examples.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }

    /// One to four of: a byte changed, a piece left out, doubled, or taken from another example.
    fn damaged(&mut self, examples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = examples[self.below(examples.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(12)).min(bytes.len());
            match self.below(4) {
                0 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => {
                    let other = &examples[self.below(examples.len())];
                    let from = self.below(other.len());
                    let to = (from + self.below(24)).min(other.len());
                    bytes.splice(at..end, other[from..to].iter().copied());
                }
            }
        }
        bytes
    }
}

/// Runs a target on the examples and on damaged ones.
fn run(target: fn(&[u8]) -> Result<(), String>, examples: &[Vec<u8>]) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let damaged = (0..ROUNDS).map(|_| random.damaged(examples)).collect::<Vec<_>>();
    for input in examples.iter().chain(&damaged) {
        let held = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(matches!(held, Ok(Ok(()))), "{held:?} for {:?}", String::from_utf8_lossy(input));
    }
}

fn texts(examples: &[&str]) -> Vec<Vec<u8>> {
    examples.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn queries() {
    let examples = texts(&[
        "SELECT * FROM devices",
        "SELECT TOP 2 deviceId, tags.site AS [[s]] FROM devices WHERE NOT (tags.site = 'a' OR tags.site != \"\\u0041\")",
        "select count() as n, avg(properties.desired.blob.n) from devices group by tags.site",
        "SELECT * FROM devices WHERE deviceId IN ['d1', 'd2'] AND tags.site NIN [1, 0x2, null, undefined]",
        "SELECT * FROM devices WHERE STARTSWITH(properties.desired.blob.uri, 'd') AND IS_DEFINED(tags.site.deep)",
        "SELECT * FROM devices WHERE -1.5e3 + 2 * 3 % 4 / 5 < properties.desired.$version AND true <> false",
    ]);
    run(fuzz::query, &examples);
}

#[test]
fn continuations() {
    let query = Sha256::digest("SELECT * FROM devices");
    let query = URL_SAFE_NO_PAD.encode(&query[..12]);
    let token =
        |after: &str| URL_SAFE_NO_PAD.encode(format!(r#"{{"query":"{query}","after":"{after}","given":1}}"#));
    run(fuzz::continuation, &texts(&["", &token("d1"), &token("\u{0}é"), "e30", "====", "%00"]));
}

#[test]
fn twin_patches() {
    let examples = texts(&[
        r#"{"tags": {"t": null}, "properties": {"desired": {"a": {"b": null, "x": {}}, "$version": 4}}}"#,
        r#"{"tags": {"t": {"a": [1, {"b": "c"}]}}, "properties": {"desired": {"a": 5, "n": {"o": -4503599627370496}}}}"#,
        r#"{"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": {"k": 1}}}}}}}}}}}"#,
        r#"{"properties": {"desired": {"é\u0000": "\ud83d\ude00", "e": 1e308, "f": 0.1, "g": true}}}"#,
        r#"{"tags": null, "properties": null}"#,
    ]);
    run(fuzz::twin_patch, &examples);
}

#[test]
fn packets() {
    let packet = |write: &dyn Fn(&mut BytesMut)| {
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        bytes.to_vec()
    };
    let mut connect = Connect::new("d1");
    connect.set_login("localhost/d1/?api-version=2021-04-12", "SharedAccessSignature sr=x");
    let report =
        Publish::new("$iothub/twin/PATCH/properties/reported/?$rid=2&$version=7", QoS::AtMostOnce, "{}");
    let telemetry = Publish::new("devices/d1/messages/events/a=b", QoS::AtMostOnce, "x");
    let subscribe = Subscribe::new("$iothub/twin/res/#", QoS::AtLeastOnce);
    let examples = [
        packet(&|bytes| assert!(connect.write(bytes).is_ok())),
        packet(&|bytes| assert!(report.write(bytes).is_ok())),
        packet(&|bytes| assert!(telemetry.write(bytes).is_ok())),
        packet(&|bytes| assert!(subscribe.write(bytes).is_ok())),
        packet(&|bytes| assert!(PingReq.write(bytes).is_ok() && report.write(bytes).is_ok())),
    ];
    run(fuzz::mqtt, &examples);
}
