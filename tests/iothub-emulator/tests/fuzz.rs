//! The logic of the fuzz targets, on examples damaged at random. The seed is fixed: a failure comes again.

// Helpers outside the test functions fail the test that calls them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;
use iothub_emulator::fuzz;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, PingReq, Publish, Subscribe, Unsubscribe};
use serde_json::{Value, json};
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

    /// A document of what patches are made of, and what they must not have. On the top it is an object as a rule.
    fn json(&mut self, depth: usize) -> Value {
        const KEYS: [&str; 8] = ["a", "b", "c", "k", "l", "n", "t", "é"];
        const WRONG_KEYS: [&str; 4] = ["$version", "a.b", " ", "\u{0}"];
        match self.below(if depth == 0 { 30 } else { 12 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(1000)),
            3 => json!(-1.5e300),
            4 => json!(4_503_599_627_370_495_u64 + u64::try_from(self.below(20) / 19).unwrap()),
            5 => json!("x".repeat(self.below(40) * self.below(110))),
            6 => (0..self.below(3)).map(|_| self.json(depth + 1)).collect(),
            _ if depth > 11 => json!({}),
            _ => {
                let members = (0..self.below(4)).map(|_| {
                    let keys: &[&str] = if self.below(40) == 0 { &WRONG_KEYS } else { &KEYS };
                    (keys[self.below(keys.len())].to_owned(), self.json(depth + 1))
                });
                Value::Object(members.collect())
            }
        }
    }
}

/// Runs a target on inputs that are made for it. Some must get past the first look, and some must not, or they are not of
/// the kind that finds anything: `reached` says how many of a hundred do, at least and at most.
fn run(
    target: fn(&[u8]) -> Result<bool, String>,
    mut make: impl FnMut(&mut Random) -> Vec<u8>,
    reached: RangeInclusive<usize>,
) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut taken = 0;
    for _ in 0..ROUNDS {
        let input = make(&mut random);
        match catch_unwind(AssertUnwindSafe(|| target(&input))) {
            Ok(Ok(reached)) => taken += usize::from(reached),
            held => panic!("{held:?} for {:?}", String::from_utf8_lossy(&input)),
        }
    }
    assert!(reached.contains(&(taken * 100 / ROUNDS)), "{taken} of {ROUNDS}");
}

/// As [`run`], on the examples themselves and damaged ones.
fn run_damaged(
    target: fn(&[u8]) -> Result<bool, String>,
    examples: &[Vec<u8>],
    reached: RangeInclusive<usize>,
) {
    for example in examples {
        assert!(target(example).is_ok(), "{:?}", String::from_utf8_lossy(example));
    }
    run(target, |random| random.damaged(examples), reached);
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
    run_damaged(fuzz::query, &examples, 5..=60);
}

#[test]
fn continuations() {
    let query = Sha256::digest("SELECT * FROM devices");
    let query = URL_SAFE_NO_PAD.encode(&query[..12]);
    run_damaged(fuzz::continuation, &texts(&["", "e30", "====", "%00"]), 0..=0);
    // Changed inside, where a client that does not take it for opaque would do it: of the right form, with any place to go
    // on from, or not even that.
    let ids = texts(&["d1", "d2/module", "\u{0}é", "\"2\""]);
    let made = |random: &mut Random| {
        let after = random.damaged(&ids);
        let token =
            json!({"query": query, "after": String::from_utf8_lossy(&after), "given": random.below(3)});
        let token = token.to_string().into_bytes();
        let token = if random.below(2) == 0 { token } else { random.damaged(&[token]) };
        URL_SAFE_NO_PAD.encode(token).into_bytes()
    };
    run(fuzz::continuation, made, 40..=80);
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
    run_damaged(fuzz::twin_patch, &examples, 1..=30);
    // Few damaged ones are JSON still, so whole ones are made up as well.
    let made = |random: &mut Random| {
        let (tags, desired) = (random.json(0), random.json(0));
        json!({"tags": tags, "properties": {"desired": desired}}).to_string().into_bytes()
    };
    run(fuzz::twin_patch, made, 5..=60);
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
    let mut subscribe = Subscribe::new("$iothub/twin/res/#", QoS::AtLeastOnce);
    let mut unsubscribe = Unsubscribe::new("$iothub/twin/res/#");
    let mut acknowledged = Publish::new("$iothub/twin/GET/?$rid=1", QoS::AtLeastOnce, " ");
    (subscribe.pkid, unsubscribe.pkid, acknowledged.pkid) = (1, 2, 3);
    // Request ids that no topic of an answer could have.
    let get = |rid: &str| Publish::new(format!("$iothub/twin/GET/?$rid={rid}"), QoS::AtMostOnce, " ");
    let (wild, long) = (get("a+b#"), get(&"1".repeat(65_510)));
    let examples = [
        packet(&|bytes| assert!(connect.write(bytes).is_ok())),
        packet(&|bytes| assert!(wild.write(bytes).is_ok())),
        packet(&|bytes| assert!(long.write(bytes).is_ok())),
        packet(&|bytes| assert!(unsubscribe.write(bytes).is_ok() && acknowledged.write(bytes).is_ok())),
        packet(&|bytes| assert!(report.write(bytes).is_ok())),
        packet(&|bytes| assert!(telemetry.write(bytes).is_ok())),
        packet(&|bytes| assert!(subscribe.write(bytes).is_ok())),
        packet(&|bytes| assert!(PingReq.write(bytes).is_ok() && report.write(bytes).is_ok())),
    ];
    run_damaged(fuzz::mqtt, &examples, 5..=90);
}

#[test]
fn tokens() {
    let other = "SharedAccessSignature sig=AAAA&se=1&sr=localhost%2Fdevices%2Fdev1&skn=service";
    let later = fuzz::TOKEN.replace("se=1795394325", "se=1795394326");
    run_damaged(fuzz::token, &texts(&[fuzz::TOKEN, other, &later]), 5..=90);
}

#[test]
fn paths() {
    let examples = [
        "/devices",
        "/devices/query",
        "/twins/%24a%2Bb%3D/modules/%24edgeHub",
        "/jobs/v2/j-1/cancel",
        "/twins/%41%2541",
        "/devices/d1/applyConfigurationContent",
        "/configurations/testQueries",
        "/statistics/service",
        "/devices/d1%2Fm",
    ];
    run_damaged(fuzz::path, &texts(&examples), 5..=90);
}
