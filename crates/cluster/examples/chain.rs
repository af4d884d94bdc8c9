//! Measures deep recursion: what is reached from one node along a chain of so many nodes (20,000 unless told), then the
//! chain cut in the middle, and mended. Prints the time of each step and the most memory the process ever held.
#![expect(clippy::print_stdout, reason = "a measurement is for reading")]

use std::collections::BTreeMap;
use std::time::Instant;

use motet_algebra::{
    Budget, Changes, Column, ColumnType, Expression, Program, Relation, RelationName, Row, Runtime,
    RuntimeError, Statement,
};
use motet_cluster::Cluster;
use motet_fact::{Kind, Value};

fn relation(columns: &[&str], input: bool) -> Relation {
    let columns = columns.iter().map(|name| (Column::from(*name), ColumnType::Kind(Kind::Int))).collect();
    Relation { columns, input, event: false, output: !input }
}

/// `reach(0).` and `reach(y) :- reach(x), edge(x, y).`
fn program() -> Program {
    let read = |name: &str| Box::new(Expression::Relation { name: name.into(), cid: None });
    let renamed = Expression::Rename { input: read("reach"), pairs: vec![("node".into(), "from".into())] };
    let next = Expression::Rename {
        input: Box::new(Expression::Project {
            input: Box::new(Expression::Join(Box::new(renamed), read("edge"))),
            columns: vec!["to".into()],
        }),
        pairs: vec![("to".into(), "node".into())],
    };
    let start = Expression::Constant { columns: vec!["node".into()], rows: vec![vec![Value::Int(0)]] };
    let assign = |expression| Statement::assign("reach", expression);
    let relations = [("edge", relation(&["from", "to"], true)), ("reach", relation(&["node"], false))];
    Program {
        relations: relations
            .into_iter()
            .map(|(name, relation)| (RelationName::from(name), relation))
            .collect(),
        statements: vec![
            assign(start),
            Statement::Loop { body: vec![assign(next)], exports: vec!["reach".into()] },
        ],
    }
}

fn edge(from: i64) -> Row {
    vec![Value::Int(from), Value::Int(from + 1)]
}

fn timed(cluster: &mut Cluster, what: &str, edges: Vec<(Row, i64)>) -> Result<(), RuntimeError> {
    let start = Instant::now();
    let changes: Changes = BTreeMap::from([("edge".into(), edges)]);
    let outputs = cluster.step(&changes, Budget::default())?;
    let changed = outputs.get("reach").map_or(0, Vec::len);
    println!("{what}: {changed} changes in {:.3} s; {}", start.elapsed().as_secs_f64(), peak());
    Ok(())
}

/// The most memory ever held, where the system says so.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    format!("peak {}", line.map_or("unknown", str::trim))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes: i64 = std::env::args().nth(1).map_or(Ok(20_000), |count| count.parse())?;
    let mut cluster = Cluster::new(program())?;
    timed(&mut cluster, "whole", (0..nodes - 1).map(|from| (edge(from), 1)).collect())?;
    timed(&mut cluster, "cut", vec![(edge(nodes / 2), -1)])?;
    timed(&mut cluster, "mend", vec![(edge(nodes / 2), 1)])?;
    timed(&mut cluster, "cut first", vec![(edge(0), -1)])?;
    Ok(())
}
