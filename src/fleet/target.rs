//! Which devices: a condition of the query language, or a list of ids. Pure.

/// Longest condition that a user may write, in characters: a query is at most 8,192 long (IoT Hub docs, "Queries for IoT Hub device
/// and module twins"), and the rest of ours needs its room.
pub const LONGEST_CONDITION: usize = 3000;
/// Most ids.
const IDS: usize = 1000;
/// What a condition on ids begins with.
const IN: &str = "deviceId IN [";
/// A condition that is always true: every device has an id.
const ALL: &str = "IS_DEFINED(deviceId)";
/// What a device id may be made of beside letters and digits (IoT Hub docs, "Understand the identity registry").
const ID_SIGNS: &str = "-:.+%_#*?!(),=@$'";

/// The devices of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Those for which a condition holds, in parentheses where it needs them.
    Query(String),
    /// Those with these ids, sorted, each once.
    Ids(Vec<String>),
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// None or both.
    #[error("must have exactly one of query and deviceIds")]
    NotOne,
    /// A query that is too long.
    #[error("query is {0} characters, and at most {LONGEST_CONDITION} leave room for ours")]
    TooLong(usize),
    /// A query that we cannot take as it is.
    #[error(
        "query must be a condition, such as tags.site = 'plant-a', or SELECT * FROM devices [WHERE condition]: {0}"
    )]
    Query(&'static str),
    /// Too few or too many ids.
    #[error("deviceIds must name 1 to {IDS} devices, not {0}: pick more by query")]
    Number(usize),
    /// An id that no device can have.
    #[error("deviceIds[{0}] is no device id: 1 to 128 letters, digits and {ID_SIGNS}")]
    Id(usize),
}

impl Target {
    /// Reads what a user wrote.
    pub fn parse(query: Option<&str>, device_ids: Option<&[String]>) -> Result<Self, TargetError> {
        match (query, device_ids) {
            (Some(query), None) => condition(query).map(Self::Query),
            (None, Some(ids)) => ids_in(ids).map(Self::Ids),
            _ => Err(TargetError::NotOne),
        }
    }

    /// Every device of the hub.
    pub fn all() -> Self {
        Self::Query(ALL.into())
    }

    /// The conditions that pick the devices, each for a query of its own that leaves it `room` characters. No device is picked by two of
    /// them.
    pub fn conditions(&self, room: usize) -> Vec<String> {
        match self {
            Self::Query(condition) => vec![condition.clone()],
            Self::Ids(ids) => in_chunks(ids, room),
        }
    }

    /// How many devices it can pick at most, where that is known without asking the hub.
    pub fn most(&self) -> Option<u64> {
        match self {
            Self::Query(_) => None,
            Self::Ids(ids) => Some(ids.len() as u64),
        }
    }
}

/// Conditions that name all of `ids`, each at most `room` characters long, or one id.
pub fn in_chunks(ids: &[String], room: usize) -> Vec<String> {
    let mut conditions = Vec::new();
    let mut list = String::new();
    for id in ids {
        let id = super::query::text(id);
        if !list.is_empty() && IN.len() + list.len() + id.len() + 2 > room {
            conditions.push(format!("{IN}{}]", std::mem::take(&mut list)));
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&id);
    }
    if !list.is_empty() {
        conditions.push(format!("{IN}{list}]"));
    }
    conditions
}

fn condition(query: &str) -> Result<String, TargetError> {
    if query.len() > LONGEST_CONDITION {
        return Err(TargetError::TooLong(query.len()));
    }
    let text = query.trim();
    let text = match text.split_whitespace().next() {
        Some(first) if first.eq_ignore_ascii_case("SELECT") => where_of(text)?,
        Some(_) => Some(text),
        None => return Err(TargetError::Query("it is empty")),
    };
    let Some(text) = text else { return Ok(ALL.into()) };
    closed(text)?;
    Ok(format!("({text})"))
}

/// The condition of a whole query, or nothing where it has none. Its columns are replaced by those that we need, so they may be any,
/// as long as it asks for devices and for all of them.
fn where_of(text: &str) -> Result<Option<&str>, TargetError> {
    let (_select, mut rest) = word(text);
    let mut columns = Vec::new();
    loop {
        let (next, after) = word(rest);
        rest = after;
        if next.eq_ignore_ascii_case("FROM") {
            break;
        }
        if next.is_empty() {
            return Err(TargetError::Query("it must begin with SELECT * FROM devices"));
        }
        columns.push(next);
    }
    let top = columns.first().is_none_or(|first| first.eq_ignore_ascii_case("TOP"));
    if top || columns.iter().any(|column| column.contains('(')) {
        return Err(TargetError::Query("it must select * or columns, without TOP and functions"));
    }
    let (collection, rest) = word(rest);
    if !collection.eq_ignore_ascii_case("devices") {
        return Err(TargetError::Query("it must be FROM devices"));
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let keyword = rest.get(.."WHERE".len()).filter(|word| word.eq_ignore_ascii_case("WHERE"));
    let condition = keyword.map(|keyword| &rest[keyword.len()..]);
    let condition = condition.filter(|text| text.starts_with(|c: char| c.is_whitespace() || c == '('));
    let condition = condition.map(str::trim).filter(|text| !text.is_empty());
    condition.map(Some).ok_or(TargetError::Query("after devices comes WHERE and a condition, or nothing"))
}

/// The first word, and what follows after the space behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (first, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (first, rest.trim_start())
}

/// A condition must be whole in itself: nothing in it may close the parenthesis that we put around it.
fn closed(text: &str) -> Result<(), TargetError> {
    let (mut depth, mut quote) = (0_i32, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, ';') => return Err(TargetError::Query("it must be one condition, without a semicolon")),
            _ => (),
        }
        if depth < 0 {
            return Err(TargetError::Query("it closes a parenthesis that it did not open"));
        }
    }
    match (depth, quote) {
        (0, None) => Ok(()),
        (_, Some(_)) => Err(TargetError::Query("a text in it is not closed")),
        _ => Err(TargetError::Query("a parenthesis in it is not closed")),
    }
}

fn ids_in(ids: &[String]) -> Result<Vec<String>, TargetError> {
    if ids.is_empty() || ids.len() > IDS {
        return Err(TargetError::Number(ids.len()));
    }
    let legal = |id: &str| {
        (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || ID_SIGNS.contains(c))
    };
    if let Some(wrong) = ids.iter().position(|id| !legal(id)) {
        return Err(TargetError::Id(wrong));
    }
    let mut sorted = ids.to_vec();
    // Named twice, a device would be counted twice.
    sorted.sort();
    sorted.dedup();
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(query: &str) -> Result<Vec<String>, TargetError> {
        Target::parse(Some(query), None).map(|target| target.conditions(LONGEST_CONDITION))
    }

    #[test]
    fn queries() {
        for (query, want) in [
            ("tags.site = 'plant-a'", Ok("(tags.site = 'plant-a')")),
            (" a = 1 OR b = 2\n ", Ok("(a = 1 OR b = 2)")),
            ("tags.x = 'it\\'s (fine)'", Ok("(tags.x = 'it\\'s (fine)')")),
            ("selected = 1", Ok("(selected = 1)")),
            ("SELECT * FROM devices", Ok("IS_DEFINED(deviceId)")),
            ("select  *\nfrom devices\twhere a = 1", Ok("(a = 1)")),
            ("SELECT deviceId, tags AS t FROM devices WHERE a = 1", Ok("(a = 1)")),
            ("SELECT * FROM devices WHERE(a = 1)", Ok("((a = 1))")),
            ("SELECT * FROM devices WHEREVER a = 1", Err("WHERE and a condition")),
            ("SELECT * FROM", Err("FROM devices")),
            ("SELECT FROM devices", Err("must select *")),
            ("SELECT", Err("must begin with")),
            ("SELECT * FROM devices WHERE", Err("WHERE and a condition")),
            ("SELECT * FROM devices WHERE (a = 1", Err("not closed")),
            ("SELECT * FROM devices.modules", Err("FROM devices")),
            ("SELECT * FROM devices.jobs", Err("FROM devices")),
            ("SELECT COUNT() FROM devices", Err("must select *")),
            ("SELECT TOP 5 * FROM devices", Err("must select *")),
            ("SELECT * FROM devices GROUP BY x", Err("WHERE and a condition")),
            ("a = 1) OR (b = 2", Err("did not open")),
            ("a = ')' OR (b = 2)", Ok("(a = ')' OR (b = 2))")),
            ("a = 'x", Err("text in it is not closed")),
            ("a = 1; DROP", Err("semicolon")),
            ("", Err("empty")),
            ("   ", Err("empty")),
        ] {
            match (conditions(query), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, [want], "{query}"),
                (Err(got), Err(want)) => assert!(got.to_string().contains(want), "{query}: {got}"),
                (got, want) => panic!("{query}: {got:?} for {want:?}"),
            }
        }
        assert!(matches!(conditions(&"x".repeat(5000)), Err(TargetError::TooLong(5000))));
    }

    #[test]
    fn ids() {
        let of = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            Target::parse(None, Some(&ids)).map(|target| target.conditions(LONGEST_CONDITION))
        };
        assert_eq!(of(&["b", "a", "b"]).unwrap(), ["deviceId IN ['a','b']"]);
        assert_eq!(of(&["it's"]).unwrap(), [r"deviceId IN ['it\'s']"]);
        assert_eq!(of(&["a", "b c"]), Err(TargetError::Id(1)));
        assert_eq!(of(&[]), Err(TargetError::Number(0)));
        let many: Vec<String> = (0..1000).map(|n| format!("{n:0>128}")).collect();
        let target = Target::parse(None, Some(&many)).unwrap();
        for (room, parts) in [(3000, 46), (7000, 19), (10, 1000)] {
            let conditions = target.conditions(room);
            assert_eq!(conditions.len(), parts, "{room}");
            assert!(conditions.iter().all(|condition| condition.len() <= room.max(150)), "{room}");
            let named: usize = conditions.iter().map(|condition| condition.matches(",'").count() + 1).sum();
            assert_eq!(named, 1000);
        }
        assert_eq!(target.most(), Some(1000));
        let too_many = vec!["a".to_owned(); 1001];
        assert_eq!(Target::parse(None, Some(&too_many)), Err(TargetError::Number(1001)));
        assert_eq!(Target::parse(None, None), Err(TargetError::NotOne));
        assert_eq!(Target::parse(Some("a = 1"), Some(&many)), Err(TargetError::NotOne));
    }
}
