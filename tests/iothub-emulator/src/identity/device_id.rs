//! Device ids that a hub accepts.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::error::HubError;

const MAX_LENGTH: usize = 128;

/// At most 128 ASCII characters: letters, digits and `- : . + % _ # * ? ! ( ) , = @ ; $ '`; case-sensitive
/// (twin model of the Python service SDK).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceId(Arc<str>);

impl DeviceId {
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&byte);
        if !text.is_empty() && text.len() <= MAX_LENGTH && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(HubError::invalid(format!(
                "Invalid device id '{}': it has 1 to {MAX_LENGTH} ASCII letters, digits or \
                 - : . + % _ # * ? ! ( ) , = @ ; $ '",
                text.escape_debug()
            )))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_judged_by_length_and_characters() {
        let longest = "d".repeat(128);
        let too_long = "d".repeat(129);
        let table = [
            ("a", true),
            ("AZaz09-:.+%_#*?!(),=@;$'", true),
            (longest.as_str(), true),
            ("", false),
            (too_long.as_str(), false),
            ("a b", false),
            ("a/b", false),
            ("é", false),
            ("a\n", false),
        ];
        for (text, accepted) in table {
            assert_eq!(DeviceId::parse(text).is_ok(), accepted, "{text}");
        }
    }
}
