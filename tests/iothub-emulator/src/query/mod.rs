//! The query language of twins, `FROM devices`: parse, evaluate, page by page.

mod aggregate;
mod ast;
mod continuation;
mod cursor;
mod evaluate;
mod expression;
mod lexer;
mod parser;

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use serde_json::Value as Json;

use crate::error::HubError;
use crate::registry::{Device, Field, Registry, twin_document};
use aggregate::Group;
use ast::{Cell, Query, Select};
use continuation::Continuation;

/// Most rows of a page, whatever is asked for ("IoT Hub query language", Query results pagination).
pub(crate) const PAGE_ROWS: usize = 100;

/// One answer to `POST /devices/query`.
pub(crate) struct Page {
    pub rows: Vec<Json>,
    /// `x-ms-item-type`, in the case that the C# client asks for.
    pub item_type: &'static str,
    /// `x-ms-continuation`; none on the last page.
    pub continuation: Option<String>,
}

/// Answers a query with at most `max_rows` rows, from where `token` says.
pub(crate) fn run(
    text: &str,
    token: Option<&str>,
    max_rows: usize,
    registry: &Registry,
) -> Result<Page, HubError> {
    let query = parser::parse(text)?;
    let start = token.map(|token| Continuation::decode(token, text)).transpose()?;
    let given = start.as_ref().map_or(0, |start| start.given);
    let after = start.map(|start| start.after);
    let left = query.top.map_or(u64::MAX, |top| top.saturating_sub(given));
    let limit = max_rows.min(PAGE_ROWS).min(usize::try_from(left).unwrap_or(usize::MAX));

    let (rows, last) = match &query.select {
        Select::Groups { columns, by } => grouped(&query, columns, by.as_ref(), after, limit, registry),
        Select::Twins | Select::Rows(_) => selected(&query, after.as_deref(), limit, registry),
    };
    let given = given + u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let more = query.top.is_none_or(|top| given < top);
    let continuation = last.filter(|_| more).map(|last| Continuation::new(text, last, given).encode());
    let item_type = if matches!(query.select, Select::Twins) { "Twin" } else { "Raw" };
    Ok(Page { rows, item_type, continuation })
}

/// One row for each device, and the id of the last one if there are more.
fn selected(
    query: &Query,
    after: Option<&str>,
    limit: usize,
    registry: &Registry,
) -> (Vec<Json>, Option<String>) {
    let mut rows = Vec::new();
    let mut last = None;
    let mut more = false;
    registry.scan(after, |device| {
        if !matches(query, device) {
            return ControlFlow::Continue(());
        }
        if rows.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        rows.push(row(&query.select, device));
        last = Some(device.identity.id.to_string());
        ControlFlow::Continue(())
    });
    (rows, last.filter(|_| more))
}

fn row(select: &Select, device: &Device) -> Json {
    match select {
        Select::Rows(columns) => {
            let cells = columns
                .iter()
                .filter_map(|(column, field)| Some((column.clone(), field.of(device).to_json()?)));
            Json::Object(cells.collect())
        }
        Select::Twins | Select::Groups { .. } => twin_document(device),
    }
}

/// One row for each value of the group's field, in a fixed order, and the key of the last one if there are
/// more.
fn grouped(
    query: &Query,
    columns: &[(String, Cell)],
    by: Option<&Field>,
    after: Option<String>,
    limit: usize,
    registry: &Registry,
) -> (Vec<Json>, Option<String>) {
    // Keys are the values as JSON; undefined, which has none, is the empty text and comes first.
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    if by.is_none() {
        groups.insert(String::new(), Group::new(columns));
    }
    registry.scan(None, |device| {
        if matches(query, device) {
            let key = by.and_then(|field| field.of(device).to_json()).map(|key| key.to_string());
            groups.entry(key.unwrap_or_default()).or_insert_with(|| Group::new(columns)).add(columns, device);
        }
        ControlFlow::Continue(())
    });
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = groups.range((from, Bound::Unbounded)).peekable();
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let more = rest.peek().is_some();
    let last = page.last().filter(|_| more).map(|(key, _)| (*key).clone());
    let rows =
        page.into_iter().map(|(key, group)| group.row(columns, serde_json::from_str(key).ok().as_ref()));
    (rows.collect(), last)
}

fn matches(query: &Query, device: &Device) -> bool {
    query.filter.as_ref().is_none_or(|filter| evaluate::truth(filter, device) == Some(true))
}

#[cfg(test)]
mod tests;
