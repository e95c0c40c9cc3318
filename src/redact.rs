//! Takes secrets out of text that others wrote: error texts of services, and what devices report.

/// What stands before a secret in the texts of Azure's services: a SAS signature in a link or a token, and the keys of
/// connection strings.
const MARKS: [&str; 4] = ["sig=", "accountkey=", "sharedaccesskey=", "sharedaccesssignature "];
/// The same where the text was percent-encoded once more.
const ENCODED_MARKS: [&str; 3] = ["sig%3d", "accountkey%3d", "sharedaccesskey%3d"];

/// `text` with every SAS signature, account key and policy key replaced by `[redacted]`, and cut to `limit` bytes at a
/// character's boundary.
pub fn redact(text: &str, limit: usize) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len().min(limit));
    let mut at = 0;
    while let Some((start, mark)) = next_mark(&lower, at) {
        let value = start + mark.len();
        out.push_str(&text[at..value]);
        out.push_str("[redacted]");
        at = value + secret_length(&text[value..]);
    }
    out.push_str(&text[at..]);
    cut(out, limit)
}

fn next_mark(lower: &str, from: usize) -> Option<(usize, &'static str)> {
    MARKS
        .iter()
        .chain(&ENCODED_MARKS)
        .filter_map(|mark| lower[from..].find(mark).map(|found| (from + found, *mark)))
        .min_by_key(|(start, _)| *start)
}

/// A secret ends where a query string, a connection string or a sentence goes on.
fn secret_length(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || matches!(c, '&' | ';' | '"' | '\'' | '<' | '>' | ','))
        .unwrap_or(text.len())
}

/// `text` cut to at most `limit` bytes at a character's boundary, with an ellipsis where something was lost.
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn takes_out_what_is_secret_and_leaves_the_rest() {
        for (text, want) in [
            ("https://a/b?se=1&sig=abc%3D&sp=r rest", "https://a/b?se=1&sig=[redacted]&sp=r rest"),
            ("AccountName=a;AccountKey=Zm9v==;X=1", "AccountName=a;AccountKey=[redacted];X=1"),
            (
                "SharedAccessKeyName=n;SharedAccessKey=Zm9v",
                "SharedAccessKeyName=n;SharedAccessKey=[redacted]",
            ),
            ("SharedAccessSignature sr=h&sig=x", "SharedAccessSignature [redacted]&sig=[redacted]"),
            ("u=https%3A%2F%2Fa%3FSIG%3Dabc&x", "u=https%3A%2F%2Fa%3FSIG%3D[redacted]&x"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(redact(text, 1000), want);
        }
    }

    #[test]
    fn cuts_at_a_character() {
        assert_eq!(redact("ööööö", 7), "öö…");
        assert_eq!(redact("ööö", 6), "ööö");
    }
}
