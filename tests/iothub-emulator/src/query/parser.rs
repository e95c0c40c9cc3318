//! Reads a whole query: `SELECT [TOP n] … FROM devices [WHERE …] [GROUP BY …]` ("IoT Hub query language").

use super::ast::{Aggregate, Cell, Query, Select};
use super::cursor::Cursor;
use super::expression::expression;
use super::lexer::Token;
use crate::error::HubError;
use crate::registry::Field;

/// Longest query ("Queries for IoT Hub device and module twins").
const MAX_CHARACTERS: usize = 8192;

enum Item {
    Field(Field),
    Aggregate(Aggregate, Option<Field>),
}

pub(super) fn parse(text: &str) -> Result<Query, HubError> {
    if text.chars().count() > MAX_CHARACTERS {
        return Err(HubError::invalid(format!("The query is longer than {MAX_CHARACTERS} characters")));
    }
    let mut cursor = Cursor::new(text)?;
    cursor.expect_word("SELECT")?;
    let top = if cursor.accept_word("TOP") { Some(count(&mut cursor)?) } else { None };
    let items = if cursor.accept_symbol("*") { None } else { Some(items(&mut cursor)?) };
    cursor.expect_word("FROM")?;
    from(&mut cursor)?;
    let filter = if cursor.accept_word("WHERE") { Some(expression(&mut cursor)?) } else { None };
    let by = if cursor.accept_word("GROUP") {
        cursor.expect_word("BY")?;
        Some(Field::resolve(&cursor.path()?).0)
    } else {
        None
    };
    if cursor.peek() != &Token::End {
        return Err(cursor.error("Unexpected input"));
    }
    Ok(Query { top, select: select(items, by)?, filter })
}

fn count(cursor: &mut Cursor) -> Result<u64, HubError> {
    match cursor.peek() {
        Token::Number(number) if number.fract() == 0.0 && (1.0..=1e15).contains(number) => {
            // In range and whole, as was just seen.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let number = *number as u64;
            cursor.advance();
            Ok(number)
        }
        _ => Err(cursor.expected("a positive whole number")),
    }
}

fn items(cursor: &mut Cursor) -> Result<Vec<(String, Item)>, HubError> {
    let mut items = Vec::new();
    loop {
        let (column, item) = if let Some(function) = cursor.accept_call() {
            (format!("${}", items.len() + 1), aggregate(cursor, &function)?)
        } else {
            let (field, column) = Field::resolve(&cursor.path()?);
            (column, Item::Field(field))
        };
        let column = if cursor.accept_word("AS") { cursor.name()? } else { column };
        items.push((column, item));
        if !cursor.accept_symbol(",") {
            return Ok(items);
        }
    }
}

fn aggregate(cursor: &mut Cursor, function: &str) -> Result<Item, HubError> {
    let aggregate = match function.to_ascii_lowercase().as_str() {
        "count" => Aggregate::Count,
        "avg" => Aggregate::Avg,
        "sum" => Aggregate::Sum,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        _ => {
            let text = format!("'{}' is no aggregate (COUNT, AVG, SUM, MIN, MAX):", function.escape_debug());
            return Err(cursor.error(&text));
        }
    };
    let field = match aggregate {
        Aggregate::Count => None,
        _ => Some(Field::resolve(&cursor.path()?).0),
    };
    cursor.expect_symbol(")")?;
    Ok(Item::Aggregate(aggregate, field))
}

fn from(cursor: &mut Cursor) -> Result<(), HubError> {
    if !cursor.peeks_word("devices") {
        return Err(cursor.expected("devices"));
    }
    cursor.advance();
    if cursor.peeks_symbol(".") {
        return Err(cursor.error("This emulator answers queries FROM devices only: unexpected input"));
    }
    Ok(())
}

/// Sorts out what kind of query this is: plain fields and aggregates do not mix, but for the field of GROUP
/// BY.
fn select(items: Option<Vec<(String, Item)>>, by: Option<Field>) -> Result<Select, HubError> {
    let Some(items) = items else {
        return match by {
            None => Ok(Select::Twins),
            Some(_) => Err(HubError::invalid("SELECT * cannot be combined with GROUP BY")),
        };
    };
    let aggregates = items.iter().any(|(_, item)| matches!(item, Item::Aggregate(..)));
    if by.is_none() && !aggregates {
        let fields = items.into_iter().filter_map(|(column, item)| match item {
            Item::Field(field) => Some((column, field)),
            Item::Aggregate(..) => None,
        });
        return Ok(Select::Rows(fields.collect()));
    }
    let columns = items.into_iter().map(|(column, item)| match item {
        Item::Aggregate(aggregate, field) => Ok((column, Cell::Aggregate(aggregate, field))),
        Item::Field(field) if by.as_ref() == Some(&field) => Ok((column, Cell::Key)),
        Item::Field(_) => Err(HubError::invalid(format!(
            "Column '{column}' must be an aggregate or the field of GROUP BY, as it stands beside an aggregate"
        ))),
    });
    Ok(Select::Groups { columns: columns.collect::<Result<_, _>>()?, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_queries_are_refused_with_their_position() {
        let deep = format!("SELECT * FROM devices WHERE {}1{}", "(".repeat(200), ")".repeat(200));
        let long = format!("SELECT * FROM devices WHERE deviceId = '{}'", "x".repeat(8192));
        let sums = format!("SELECT * FROM devices WHERE 1{} = 1", "+1".repeat(200));
        let nots = format!("SELECT * FROM devices WHERE {} TRUE", "NOT ".repeat(200));
        let table = [
            ("", "Line 1:1 Expected SELECT"),
            ("SELECT", "Line 1:7 Expected a name"),
            ("SELECT * devices", "Line 1:10 Expected FROM"),
            ("SELECT * FROM things", "Line 1:15 Expected devices"),
            ("SELECT * FROM devices.jobs", "FROM devices only"),
            ("SELECT * FROM devices WHERE", "Line 1:28 Expected a value"),
            ("SELECT * FROM devices WHERE a = 1 b", "Line 1:35 Unexpected input"),
            // The grammar has no ORDER BY, JOIN, HAVING ("IoT Hub query language").
            ("SELECT * FROM devices ORDER BY deviceId", "Line 1:23 Unexpected input"),
            ("SELECT * FROM devices WHERE deviceId IN ('a')", "Line 1:41 Expected '['"),
            ("SELECT * FROM devices WHERE tags.group = 1", "Line 1:34 Reserved word"),
            ("SELECT deviceId, COUNT() AS n FROM devices", "must be an aggregate"),
            ("SELECT deviceId, COUNT() AS n FROM devices GROUP BY status", "must be an aggregate"),
            ("SELECT * FROM devices GROUP BY status", "cannot be combined"),
            ("SELECT COUNT(deviceId) FROM devices", "Line 1:14 Expected ')'"),
            ("SELECT LOWER(deviceId) FROM devices", "no aggregate"),
            ("SELECT TOP 0 * FROM devices", "Line 1:12 Expected a positive"),
            ("SELECT TOP 1.5 * FROM devices", "Line 1:12 Expected a positive"),
            // Functions that twins do not have (azure-docs#105649, #110329).
            ("SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'a')", "'STARTS_WITH' is no function"),
            ("SELECT * FROM devices WHERE CONTAINS(deviceId, 'a')", "'CONTAINS' is no function"),
            ("SELECT * FROM devices WHERE IS_DEFINED('a')", "Line 1:40 Expected a name"),
            ("SELECT * FROM devices WHERE a = = 1", "Line 1:33 Expected a value"),
            (deep.as_str(), "nested too deeply"),
            (sums.as_str(), "nested too deeply"),
            (nots.as_str(), "nested too deeply"),
            (long.as_str(), "longer than 8192 characters"),
        ];
        for (text, expected) in table {
            let error = parse(text).err().unwrap();
            assert!(error.text.contains(expected), "{text}: {}", error.text);
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_text_of_a_condition() {
        let error = parse("SELECT * FROM devices WHERE deviceId 'https://h/c/p?sig=secret'").err().unwrap();
        assert!(!error.text.contains("secret"), "{}", error.text);
    }
}
