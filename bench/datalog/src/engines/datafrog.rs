//! datafrog: joins of sorted vectors, written by hand for each program.

use datafrog::{Iteration, Relation};

use crate::engine::{Bulk, Engine, Timer, pairs, table};
use crate::workload::Workload;

/// datafrog, one thread.
pub struct Datafrog;

impl Engine for Datafrog {
    fn name(&self) -> &'static str {
        "datafrog"
    }

    fn bulk(&self, workload: Workload) -> Option<Bulk> {
        match workload {
            Workload::Chain | Workload::Blocks | Workload::Uniform => Some(closure(workload)),
            Workload::Generations => Some(generations(workload)),
            Workload::Pointers => Some(pointers(workload)),
            _ => None,
        }
    }
}

fn closure(workload: Workload) -> Bulk {
    let edges = pairs(table(&workload.data(), "Edge"));
    let timer = Timer::start();
    let edge: Relation<(u32, u32)> = edges.iter().copied().collect();
    let mut iteration = Iteration::new();
    // By its end: (y, x) for a path from x to y.
    let path = iteration.variable::<(u32, u32)>("path");
    path.extend(edges.iter().map(|&(x, y)| (y, x)));
    while iteration.changed() {
        path.from_join(&path, &edge, |_, &x, &z| (z, x));
    }
    let rows = path.complete().len();
    timer.bulk(rows)
}

fn generations(workload: Workload) -> Bulk {
    let edges = pairs(table(&workload.data(), "Parent"));
    let timer = Timer::start();
    let parent: Relation<(u32, u32)> = edges.iter().copied().collect();
    let mut iteration = Iteration::new();
    let same = iteration.variable::<(u32, u32)>("same");
    let half = iteration.variable::<(u32, u32)>("half");
    let siblings: Relation<(u32, u32)> = Relation::from_join(&parent, &parent, |_, &x, &y| (x, y));
    same.extend(siblings.iter().copied().filter(|(x, y)| x != y));
    while iteration.changed() {
        // (b, x) for a pair (a, b) and a child x of a.
        half.from_join(&same, &parent, |_, &b, &x| (b, x));
        same.from_join(&half, &parent, |_, &x, &y| (x, y));
    }
    let rows = same.complete().len();
    timer.bulk(rows)
}

fn pointers(workload: Workload) -> Bulk {
    let data = workload.data();
    let [addr, assign, load, store] =
        ["Addr", "Assign", "Load", "Store"].map(|name| pairs(table(&data, name)));
    let timer = Timer::start();
    let turned = |pairs: &[(u32, u32)]| pairs.iter().map(|&(x, y)| (y, x)).collect::<Relation<_>>();
    let (assign, load, store) = (turned(&assign), turned(&load), store.into_iter().collect::<Relation<_>>());
    let mut iteration = Iteration::new();
    let points = iteration.variable::<(u32, u32)>("points");
    let loaded = iteration.variable::<(u32, u32)>("loaded");
    let stored = iteration.variable::<(u32, u32)>("stored");
    points.extend(addr);
    while iteration.changed() {
        points.from_join(&points, &assign, |_, &o, &x| (x, o));
        loaded.from_join(&points, &load, |_, &v, &x| (v, x));
        points.from_join(&loaded, &points, |_, &x, &o| (x, o));
        stored.from_join(&points, &store, |_, &v, &y| (y, v));
        points.from_join(&stored, &points, |_, &v, &o| (v, o));
    }
    let rows = points.complete().len();
    timer.bulk(rows)
}
