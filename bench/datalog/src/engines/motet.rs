//! Motet: the program arrives as text, is planned for the facts there are, and is kept right from then on.

use std::collections::BTreeMap;
use std::time::Duration;

use cpu_time::ProcessTime;
use motet_algebra::{Budget, Changes, Counted, Program, RelationName, Runtime, optimise};
use motet_cluster::Cluster;
use motet_fact::Value;
use motet_flow::engine::row::Batch;
use motet_logic::{Catalog, Source};
use motet_native::Native;

use crate::data::{Row, Table};
use crate::engine::{Bulk, Engine, Maintained, Timer};
use crate::workload::Workload;

/// The product's own engine. Its facts are numbers of the dictionary by the time it begins, as those of the others are
/// numbers of their own.
pub struct OnNative;

/// The same plans on differential dataflow. Its facts are values.
pub struct OnCluster;

impl Engine for OnNative {
    fn name(&self) -> &'static str {
        "Motet"
    }

    fn bulk(&self, workload: Workload) -> Option<Bulk> {
        let data = workload.data();
        let (mut native, planning) = native(workload, &data);
        let facts = facts(&native, &data);
        let timer = Timer::start_after(planning);
        advance(&mut native, facts);
        Some(timer.bulk(rows(&native, workload)))
    }

    fn maintain(
        &self,
        workload: Workload,
        data: &[Table],
        scenario: &mut dyn FnMut(&mut dyn Maintained),
    ) -> bool {
        let (mut native, _) = native(workload, data);
        let facts = facts(&native, data);
        advance(&mut native, facts);
        scenario(&mut Kept(native));
        true
    }
}

struct Kept(Native);

impl Maintained for Kept {
    fn change(&mut self, table: &'static str, row: &Row, weight: i64) -> usize {
        let Kept(native) = self;
        let (one, none) = (batch(native, table, std::slice::from_ref(row)), native.batch(table));
        advance(native, vec![if weight > 0 { (table, one, none) } else { (table, none, one) }])
    }

    fn touched(&self) -> Option<u64> {
        Some(self.0.touched())
    }

    fn asked(&self) -> Option<u64> {
        Some(self.0.asked())
    }
}

impl Engine for OnCluster {
    fn name(&self) -> &'static str {
        "Motet on differential dataflow"
    }

    fn bulk(&self, workload: Workload) -> Option<Bulk> {
        let inputs = changes(&workload.data());
        let start = ProcessTime::now();
        let mut cluster = Cluster::new(planned(workload, &inputs)).expect("a compiled program can be run");
        let timer = Timer::start_after(start.elapsed());
        let outputs = cluster.step(&inputs, Budget::UNLIMITED).expect("there is no budget to run out");
        Some(timer.bulk(outputs.values().map(Vec::len).sum()))
    }

    fn maintain(
        &self,
        workload: Workload,
        data: &[Table],
        scenario: &mut dyn FnMut(&mut dyn Maintained),
    ) -> bool {
        let inputs = changes(data);
        let mut cluster = Cluster::new(planned(workload, &inputs)).expect("a compiled program can be run");
        cluster.step(&inputs, Budget::UNLIMITED).expect("there is no budget to run out");
        drop(inputs);
        scenario(&mut cluster);
        true
    }
}

impl Maintained for Cluster {
    fn change(&mut self, table: &'static str, row: &Row, weight: i64) -> usize {
        let inputs = BTreeMap::from([(RelationName::from(table), vec![(values(row), weight)])]);
        let outputs = self.step(&inputs, Budget::UNLIMITED).expect("there is no budget to run out");
        outputs.values().map(Vec::len).sum()
    }
}

/// The program of a workload as the optimiser rewrites it for these facts.
fn planned(workload: Workload, inputs: &Changes) -> Program {
    let source = Source { name: workload.to_string(), text: workload.program().to_owned() };
    let compiled = motet_logic::compile(&source, &Catalog::default(), &BTreeMap::new());
    let program = compiled.unwrap_or_else(|problems| panic!("{problems}")).demanded;
    let statistics = Counted::of(&program, inputs);
    optimise(&program, &statistics)
}

fn native(workload: Workload, data: &[Table]) -> (Native, Duration) {
    // The optimiser counts rows of values.
    let inputs = changes(data);
    let start = ProcessTime::now();
    let native = Native::new(planned(workload, &inputs)).expect("a compiled program can be run");
    (native, start.elapsed())
}

type Facts = Vec<(&'static str, Batch, Batch)>;

fn facts(native: &Native, data: &[Table]) -> Facts {
    data.iter().map(|(table, rows)| (*table, batch(native, table, rows), native.batch(table))).collect()
}

fn batch(native: &Native, table: &str, rows: &[Row]) -> Batch {
    let mut batch = native.batch(table);
    for row in rows {
        let ids: Vec<u32> = values(row).iter().map(|value| native.intern(value)).collect();
        batch.push(&ids);
    }
    batch
}

fn advance(native: &mut Native, changes: Facts) -> usize {
    native.advance(changes, Budget::UNLIMITED).expect("there is no budget to run out")
}

fn rows(native: &Native, workload: Workload) -> usize {
    workload.outputs().iter().map(|output| native.count(output)).sum()
}

fn changes(data: &[Table]) -> Changes {
    let rows = |rows: &[Row]| rows.iter().map(|row| (values(row), 1)).collect();
    data.iter().map(|(table, all)| (RelationName::from(*table), rows(all))).collect()
}

fn values(row: &Row) -> Vec<Value> {
    row.iter().map(|number| Value::Int(i64::from(*number))).collect()
}
