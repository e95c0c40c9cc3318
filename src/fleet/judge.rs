//! Whether a twin needs a link. Pure, and the last word before every write.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{goal::Goal, owners::Owners};
use crate::storage::{
    grid::Grid,
    link::{BlobUri, Link},
    sas::LinkSigner,
};

/// Whom a sweep serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every device of the target.
    All,
    /// Only devices that hold a link to the goal's blob already: their links are kept alive, nobody gets anything new.
    Holders,
}

/// What a twin is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// What it is to say.
    pub goal: &'a Goal,
    /// Which links are the key's own.
    pub signer: &'a LinkSigner,
    /// Which links are good.
    pub grid: &'a Grid,
    /// Whose links are left alone.
    pub owners: &'a Owners,
    /// Whom we serve.
    pub scope: Scope,
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It says what it is to say, with a link that is good.
    Current,
    /// It must be written. `expiry` is when the goal's link that it holds runs out, if it holds one.
    Needs {
        /// When the link that it holds runs out.
        expiry: Option<Timestamp>,
    },
    /// It holds a link of another live rollout, and is left alone.
    Conflict,
    /// It is not ours to serve now.
    NotServed,
}

/// Judges what stands under the desired property.
pub fn judge(desired: Option<&Value>, rule: &Rule<'_>, now: Timestamp) -> Verdict {
    let uri = desired.and_then(|desired| desired.get("uri")).and_then(Value::as_str);
    let blob = uri.and_then(BlobUri::of);
    if blob.as_ref().is_some_and(|blob| rule.owners.own(blob)) {
        return Verdict::Conflict;
    }
    if blob.as_ref() != Some(&rule.goal.blob) {
        return match rule.scope {
            Scope::All => Verdict::Needs { expiry: None },
            Scope::Holders => Verdict::NotServed,
        };
    }
    let link = uri.and_then(Link::parse);
    let expiry = link.as_ref().map(Link::expiry);
    let good = link.is_some_and(|link| rule.grid.is_good(&link, now) && rule.signer.is_ours(&link));
    let said = |(name, wanted): &(&'static str, Option<Value>)| {
        desired.and_then(|desired| desired.get(name)) == wanted.as_ref()
    };
    if good && rule.goal.fields().iter().all(said) { Verdict::Current } else { Verdict::Needs { expiry } }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::storage::{grid::GridSeed, key::AccountKey};

    const CONTAINER: &str = "https://account.blob.core.windows.net/rollouts";

    #[test]
    fn verdicts() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let digest = "0123456789abcdef".repeat(4);
        let name = format!("ns/recipes/{digest}");
        let signer =
            |byte| LinkSigner::new(AccountKey::new("account", vec![byte; 32]), CONTAINER, "rollouts");
        let grid = |request: Option<&str>| {
            let lifetime = Duration::from_hours(168);
            let seed = GridSeed { uid: "u", lifetime, renew_requested_at: request, key_fingerprint: "k" };
            Grid::new(&seed, lifetime / 3, Duration::from_mins(15))
        };
        let goal = Goal {
            blob: signer(1).blob(&name).unwrap(),
            ts: "2026-11-24T10:00:00Z".parse().unwrap(),
            content_type: "application/json".into(),
            sha256: None,
            size: Some(5),
        };
        let mut owners = Owners::default();
        owners.add("rollouts", "ns/other");
        let link = |byte, request: Option<&str>| {
            signer(byte).sign(&name, grid(request).window(now)).unwrap().expose().to_owned()
        };
        let twin = |uri: &str| json!({"uri": uri, "ts": "2026-11-24T10:00:00.0000000Z", "contentType": "application/json", "size": 5});
        let with = |field: &str, value: Value| {
            let mut twin = twin(&link(1, None));
            twin[field] = value;
            twin
        };
        let without = |field: &str| {
            let mut twin = twin(&link(1, None));
            twin.as_object_mut().unwrap().remove(field);
            twin
        };
        let needs = Verdict::Needs { expiry: None };
        let stale = Verdict::Needs { expiry: Some(grid(None).window(now).expiry) };
        let later = Verdict::Needs { expiry: Some(grid(Some("x")).window(now).expiry) };
        let table = [
            (twin(&link(1, None)), Verdict::Current),
            (with("other", json!(1)), Verdict::Current),
            (twin(&link(2, None)), stale),
            (twin(&link(1, Some("x"))), later),
            (with("ts", json!("2026-11-24T10:00:00Z")), stale),
            (with("contentType", json!("json")), stale),
            (without("contentType"), stale),
            (with("size", json!(6)), stale),
            (without("size"), stale),
            (with("sha256", json!("abc")), stale),
            (twin(goal.blob.as_str()), needs),
            (twin("https://elsewhere/a?se=1"), needs),
            (twin(&link(1, None).replace("recipes", "other")), Verdict::Conflict),
            (twin(&link(1, None).replace("recipes", "dead")), needs),
            (json!({"uri": 5}), needs),
            (json!("text"), needs),
            (json!({}), needs),
        ];
        let (key, dates) = (signer(1), grid(None));
        for (desired, want) in table {
            let rule = Rule { goal: &goal, signer: &key, grid: &dates, owners: &owners, scope: Scope::All };
            assert_eq!(judge(Some(&desired), &rule, now), want, "{desired}");
            // Who only keeps links alive writes where the goal's blob is held, and nowhere else.
            let held = desired["uri"].as_str().is_some_and(|uri| uri.starts_with(goal.blob.as_str()));
            let holders = judge(Some(&desired), &Rule { scope: Scope::Holders, ..rule }, now);
            let want = if held || want == Verdict::Conflict { want } else { Verdict::NotServed };
            assert_eq!(holders, want, "{desired}");
        }
        let rule = Rule { goal: &goal, signer: &key, grid: &dates, owners: &owners, scope: Scope::All };
        assert_eq!(judge(None, &rule, now), needs);
        // The same link, later: its time has come.
        let after = now + Duration::from_hours(168);
        assert_eq!(judge(Some(&twin(&link(1, None))), &rule, after), stale);
    }
}
