//! The query language, of twins and of the outcomes of jobs: parse, evaluate, page by page.

mod aggregate;
mod ast;
mod continuation;
mod cursor;
mod evaluate;
mod expression;
mod lexer;
mod parser;
mod row;

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use serde_json::{Value as Json, json};

use crate::error::HubError;
use crate::jobs::Jobs;
use crate::registry::{Device, Field, Registry, TwinDocument};
use crate::settings::QuerySettings;
use aggregate::Group;
pub(crate) use ast::Source;
use ast::{Cell, Expr, Query, Select};
use continuation::Continuation;
pub(crate) use row::Row;

/// What queries are asked of.
#[derive(Clone, Copy)]
pub(crate) struct Data<'a> {
    pub devices: &'a Registry,
    pub modules: &'a Registry,
    pub jobs: &'a Jobs,
}

/// A condition on twins.
pub(crate) struct Condition {
    pub source: Source,
    /// None is true of all.
    filter: Option<Expr>,
}

impl Condition {
    /// Of all devices.
    pub const ALL: Self = Self { source: Source::Devices, filter: None };

    /// What would follow WHERE in a query on devices.
    pub fn on_devices(text: &str, settings: &QuerySettings) -> Result<Self, HubError> {
        let filter = parser::condition(text, Source::Devices, settings)?;
        Ok(Self { source: Source::Devices, filter: Some(filter) })
    }

    /// `FROM devices.modules WHERE …`.
    pub fn on_modules(text: &str, settings: &QuerySettings) -> Result<Self, HubError> {
        let filter = parser::modules_condition(text, settings)?;
        Ok(Self { source: Source::Modules, filter: Some(filter) })
    }

    pub fn is_met_by(&self, device: &Device) -> bool {
        is_true(self.filter.as_ref(), Row::Twin(device))
    }
}

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
    data: Data<'_>,
    settings: &QuerySettings,
) -> Result<Page, HubError> {
    let query = parser::parse(text, settings)?;
    let start = token.map(|token| Continuation::decode(token, text)).transpose()?;
    let given = start.as_ref().map_or(0, |start| start.given);
    let after = start.map(|start| start.after);
    let left = query.top.map_or(u64::MAX, |top| top.saturating_sub(given));
    let limit = max_rows.min(settings.page_rows).min(usize::try_from(left).unwrap_or(usize::MAX));

    let twins = match query.source {
        Source::Devices => Some(data.devices),
        Source::Modules => Some(data.modules),
        Source::Jobs => None,
    };
    let (rows, last) = match (&query.select, twins) {
        (Select::Groups { columns, by }, Some(twins)) => {
            grouped(&query, columns, by.as_ref(), after, limit, twins)
        }
        (_, Some(twins)) => selected(&query, after.as_deref(), limit, twins),
        (_, None) => outcomes(&query, after.as_deref(), limit, data.jobs),
    };
    let given = given + u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let more = query.top.is_none_or(|top| given < top);
    let continuation = last.filter(|_| more).map(|last| Continuation::new(text, last, given).encode());
    let item_type = match (&query.select, query.source) {
        (_, Source::Jobs) => "DeviceJob",
        (Select::Whole, _) => "Twin",
        _ => "Raw",
    };
    Ok(Page { rows, item_type, continuation })
}

/// Judges a query without asking it.
pub(crate) fn check(text: &str, settings: &QuerySettings) -> Result<(), HubError> {
    parser::parse(text, settings).map(|_| ())
}

/// How many rows a query has, on all its pages.
pub(crate) fn count_rows(text: &str, data: Data<'_>, settings: &QuerySettings) -> Result<u64, HubError> {
    let whole = QuerySettings { page_rows: usize::MAX, ..settings.clone() };
    let page = run(text, None, usize::MAX, data, &whole)?;
    Ok(u64::try_from(page.rows.len()).unwrap_or(u64::MAX))
}

/// A page that is being filled.
struct Filling {
    rows: Vec<Json>,
    limit: usize,
    last: Option<String>,
    more: bool,
}

impl Filling {
    fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), limit, last: None, more: false }
    }

    /// Adds a row that matched; breaks when there is one too many.
    fn add(&mut self, key: impl FnOnce() -> String, row: impl FnOnce() -> Json) -> ControlFlow<()> {
        if self.rows.len() == self.limit {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.rows.push(row());
        self.last = Some(key());
        ControlFlow::Continue(())
    }

    /// The rows, and the key of the last one if there are more.
    fn done(self) -> (Vec<Json>, Option<String>) {
        (self.rows, self.last.filter(|_| self.more))
    }
}

/// One row for each device or module.
fn selected(
    query: &Query,
    after: Option<&str>,
    limit: usize,
    registry: &Registry,
) -> (Vec<Json>, Option<String>) {
    let mut page = Filling::new(limit);
    registry.scan(after, |device| {
        if !is_true(query.filter.as_ref(), Row::Twin(device)) {
            return ControlFlow::Continue(());
        }
        page.add(|| device.identity.id.to_string(), || row(&query.select, device))
    });
    page.done()
}

/// One row for each device that a job is about.
fn outcomes(query: &Query, after: Option<&str>, limit: usize, jobs: &Jobs) -> (Vec<Json>, Option<String>) {
    let mut page = Filling::new(limit);
    jobs.scan(after, |outcome| {
        if !is_true(query.filter.as_ref(), Row::Job(outcome)) {
            return ControlFlow::Continue(());
        }
        page.add(|| outcome.key(), || outcome.document())
    });
    page.done()
}

fn row(select: &Select, device: &Device) -> Json {
    match select {
        Select::Rows(columns) => {
            let cells = columns
                .iter()
                .filter_map(|(column, field)| Some((column.clone(), field.of(device).to_json()?)));
            Json::Object(cells.collect())
        }
        Select::Whole | Select::Groups { .. } => json!(TwinDocument(device)),
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
        if is_true(query.filter.as_ref(), Row::Twin(device)) {
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

fn is_true(filter: Option<&Expr>, row: Row<'_>) -> bool {
    filter.is_none_or(|filter| evaluate::truth(filter, row) == Some(true))
}

#[cfg(test)]
mod tests;
