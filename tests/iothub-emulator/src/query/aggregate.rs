//! COUNT, AVG, SUM, MIN, MAX over the rows of a group.

use serde_json::Value as Json;

use super::ast::{Aggregate, Cell};
use crate::registry::Device;
use crate::twins::Found;

/// The running results of one group, one for each column.
pub(super) struct Group {
    accumulators: Vec<Accumulator>,
}

#[derive(Clone, Copy, Default)]
struct Accumulator {
    rows: u64,
    /// Values that were numbers; others are left out.
    numbers: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Group {
    pub fn new(columns: &[(String, Cell)]) -> Self {
        Self { accumulators: vec![Accumulator::default(); columns.len()] }
    }

    pub fn add(&mut self, columns: &[(String, Cell)], device: &Device) {
        for (accumulator, (_, cell)) in self.accumulators.iter_mut().zip(columns) {
            accumulator.rows += 1;
            let Cell::Aggregate(_, Some(field)) = cell else { continue };
            if let Found::Number(number) = field.of(device)
                && let Some(number) = number.as_f64()
            {
                accumulator.add(number);
            }
        }
    }

    /// The group's row; a column without a value is left out.
    pub fn row(&self, columns: &[(String, Cell)], key: Option<&Json>) -> Json {
        let cells = self.accumulators.iter().zip(columns).filter_map(|(accumulator, (column, cell))| {
            let value = match cell {
                Cell::Key => key.cloned(),
                Cell::Aggregate(aggregate, _) => accumulator.result(*aggregate),
            };
            value.map(|value| (column.clone(), value))
        });
        Json::Object(cells.collect())
    }
}

impl Accumulator {
    fn add(&mut self, number: f64) {
        if self.numbers == 0 {
            (self.min, self.max) = (number, number);
        }
        self.numbers += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    fn result(&self, aggregate: Aggregate) -> Option<Json> {
        // A count of devices is far below 2^52, where the two kinds of number part.
        #[allow(clippy::cast_precision_loss)]
        let average = self.sum / self.numbers as f64;
        match aggregate {
            Aggregate::Count => Some(self.rows.into()),
            _ if self.numbers == 0 => None,
            Aggregate::Avg => Some(number(average)),
            Aggregate::Sum => Some(number(self.sum)),
            Aggregate::Min => Some(number(self.min)),
            Aggregate::Max => Some(number(self.max)),
        }
    }
}

/// Whole results are written without a fraction.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        // Whole and in range, as was just seen.
        #[allow(clippy::cast_possible_truncation)]
        let whole = value as i64;
        return whole.into();
    }
    value.into()
}
