//! Changes of a maintained result, one row at a time, each measured on its own.

use std::fmt::{self, Display, Formatter};

use cpu_time::ThreadTime;

use crate::data::{self, Row, Table};
use crate::engine::{Engine, Maintained, Updates, memory, table};
use crate::random::Random;
use crate::workload::Workload;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Edges of `rnd50k` go one by one, and each comes back.
    Edges,
    /// Edges that were never there come to `rnd50k`, and go again.
    FreshEdges,
    /// Assignments of `pointers` go, and come back.
    Assignments,
    /// Lines of orders go and come back, over so many lines.
    Lines(u32),
}

impl Scenario {
    /// All of them, in the order of the report.
    pub const ALL: [Scenario; 6] = [
        Scenario::Edges,
        Scenario::FreshEdges,
        Scenario::Assignments,
        Scenario::Lines(10_000),
        Scenario::Lines(100_000),
        Scenario::Lines(1_000_000),
    ];

    /// The one with a name.
    pub fn named(name: &str) -> Option<Scenario> {
        Scenario::ALL.into_iter().find(|scenario| scenario.to_string() == name)
    }

    fn workload(self) -> Workload {
        match self {
            Scenario::Edges | Scenario::FreshEdges => Workload::Blocks,
            Scenario::Assignments => Workload::Pointers,
            Scenario::Lines(_) => Workload::Sales,
        }
    }

    fn data(self) -> Vec<Table> {
        match self {
            Scenario::Lines(lines) => data::orders(lines),
            _ => self.workload().data(),
        }
    }

    /// The table that changes, and the rows that go and come, or come and go.
    fn rows(self, data: &[Table]) -> (&'static str, Vec<Row>) {
        let mut random = Random::new(11);
        let mut some = |name: &str, count: usize| {
            let rows = table(data, name);
            let many = u32::try_from(rows.len()).expect("a few million rows");
            (0..count).map(|_| rows[random.below(many) as usize].clone()).collect()
        };
        match self {
            Scenario::Edges => ("Edge", some("Edge", 100)),
            Scenario::Assignments => ("Assign", some("Assign", 50)),
            Scenario::Lines(_) => ("Line", some("Line", 1_000)),
            Scenario::FreshEdges => {
                let there = table(data, "Edge");
                let mut fresh = Vec::new();
                while fresh.len() < 100 {
                    let from = random.below(20_000);
                    let edge = vec![from, from + random.between(1, 40)];
                    if edge[1] / 400 == from / 400 && !there.contains(&edge) && !fresh.contains(&edge) {
                        fresh.push(edge);
                    }
                }
                ("Edge", fresh)
            }
        }
    }

    /// Runs it on an engine; none if the engine cannot.
    pub fn run(self, engine: &dyn Engine) -> Option<Updates> {
        let data = self.data();
        let (name, rows) = self.rows(&data);
        let mut updates = Updates { idle: memory("VmRSS"), ..Updates::default() };
        let maintained = engine.maintain(self.workload(), &data, &mut |view| {
            updates.held = memory("VmRSS");
            for row in &rows {
                let weights = if self == Scenario::FreshEdges { [1, -1] } else { [-1, 1] };
                for weight in weights {
                    measure(view, name, row, weight, &mut updates);
                }
            }
        });
        maintained.then_some(updates)
    }
}

fn measure(view: &mut dyn Maintained, name: &'static str, row: &Row, weight: i64, updates: &mut Updates) {
    let (touched, asked) = (view.touched(), view.asked());
    let start = ThreadTime::now();
    let changes = view.change(name, row, weight);
    let taken = start.elapsed().as_secs_f64() * 1e6;
    updates.changes += changes;
    if weight > 0 {
        updates.insertions.push(taken);
        return;
    }
    updates.deletions.push(taken);
    let net = changes.max(1);
    updates.touched.extend(for_each(touched, view.touched(), net));
    updates.asked.extend(for_each(asked, view.asked(), net));
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^52")]
fn for_each(before: Option<u64>, after: Option<u64>, net: usize) -> Option<f64> {
    Some((after? - before?) as f64 / net as f64)
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Scenario::Edges => f.write_str("edges"),
            Scenario::FreshEdges => f.write_str("fresh-edges"),
            Scenario::Assignments => f.write_str("assignments"),
            Scenario::Lines(lines) => write!(f, "lines-{lines}"),
        }
    }
}
