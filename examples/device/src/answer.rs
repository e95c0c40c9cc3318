//! What the device says about an asset.

use serde_json::{Value, json};

use crate::link::blob_of;

/// An answer, in blobs rather than links: the operator compares the part before `?`, and the rest would be a secret in a
/// place that more people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What the device runs.
    pub current: Option<String>,
    /// What this is about.
    pub acknowledged: String,
    /// Whether it is stored and checked.
    pub received: bool,
}

impl Answer {
    /// As the reported property; a `null` takes an older `current` out.
    pub fn to_json(&self) -> Value {
        let status = if self.received { "received" } else { "failed" };
        json!({"current": self.current, "acknowledged": self.acknowledged, "status": status})
    }

    /// What the twin has of an earlier answer, if it is one.
    pub fn parse(reported: &Value) -> Option<Self> {
        let blob = |name: &str| reported[name].as_str().map(|uri| blob_of(uri).to_owned());
        let received = match reported["status"].as_str()? {
            "received" => true,
            "failed" => false,
            _ => return None,
        };
        Some(Self { current: blob("current"), acknowledged: blob("acknowledged")?, received })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Answer;

    #[test]
    fn an_answer_is_read_back_as_it_was_written() {
        for (current, received) in [(Some("https://a/b"), true), (None, false)] {
            let answer =
                Answer { current: current.map(Into::into), acknowledged: "https://a/c".into(), received };
            assert_eq!(Answer::parse(&answer.to_json()), Some(answer));
        }
        let with_query = json!({"acknowledged": "https://a/c?sig=x", "status": "received"});
        assert_eq!(Answer::parse(&with_query).unwrap().acknowledged, "https://a/c");
        for other in [json!(null), json!({"uri": "u"}), json!({"acknowledged": "u", "status": "maybe"})] {
            assert_eq!(Answer::parse(&other), None, "{other}");
        }
    }
}
