//! If-Match, in every form that clients send.

use http::HeaderMap;
use http::header::IF_MATCH;

use crate::error::HubError;

/// What a request asks of the etag of the thing that it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// No header, or one that is no etag: an unquoted tag is ignored (azure-iot-sdk-node#606), and a PUT with
    /// it is a creation (azure-iot-sdk-python#983).
    None,
    /// `*`, and `"*"` as Node and Python send it: whatever is there.
    Any,
    /// A quoted etag.
    Etag(String),
}

impl Precondition {
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(text) = headers.get(IF_MATCH).and_then(|value| value.to_str().ok()) else {
            return Self::None;
        };
        match text.trim() {
            "*" | "\"*\"" => Self::Any,
            text => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(etag) => Self::Etag(etag.to_owned()),
                None => Self::None,
            },
        }
    }

    /// 412 if another etag was asked for than `etag`, the one of `id`.
    pub fn check(&self, etag: &str, id: &str) -> Result<(), HubError> {
        match self {
            Self::Etag(wanted) if wanted != etag => Err(HubError::precondition_failed(id)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_header_is_understood() {
        let etag = |text: &str| Precondition::Etag(text.to_owned());
        let table = [
            (None, Precondition::None),
            (Some("*"), Precondition::Any),
            (Some("\"*\""), Precondition::Any),
            (Some("\"AAAAAAAAAAE=\""), etag("AAAAAAAAAAE=")),
            (Some("AAAAAAAAAAE="), Precondition::None),
            (Some("\"AAAA"), Precondition::None),
            (Some("\"\""), etag("")),
        ];
        for (header, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(IF_MATCH, header.parse().unwrap());
            }
            assert_eq!(Precondition::of(&headers), expected, "{header:?}");
        }
        assert!(etag("a").check("a", "d").is_ok());
        assert_eq!(etag("a").check("b", "d").unwrap_err().code.status(), 412);
        assert!(Precondition::Any.check("b", "d").is_ok());
    }
}
