//! Differential dataflow with static types and rows of 32-bit numbers: one worker in this thread, weights of 32 bits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::iterate::Iterate;
use timely::dataflow::operators::probe::Handle;
use timely::order::TotalOrder;
use timely::progress::Timestamp;
use timely::worker::Worker;

use crate::data::{Row, Table};
use crate::engine::{Bulk, Engine, Maintained, Timer, table};
use crate::workload::Workload;

/// Differential dataflow as its users write it.
pub struct Differential;

impl Engine for Differential {
    fn name(&self) -> &'static str {
        "differential dataflow"
    }

    fn bulk(&self, workload: Workload) -> Option<Bulk> {
        let data = workload.data();
        let mut measured = None;
        run(workload, &mut |flow| {
            let timer = Timer::start();
            flow.load(&data);
            let rows = flow.settle();
            measured = Some(timer.bulk(rows));
        })
        .then_some(measured)?
    }

    fn maintain(
        &self,
        workload: Workload,
        data: &[Table],
        scenario: &mut dyn FnMut(&mut dyn Maintained),
    ) -> bool {
        run(workload, &mut |flow| {
            flow.load(data);
            flow.settle();
            scenario(flow);
        })
    }
}

type Pair = (u32, u32);
type Epoch = u32;
type Pairs<'s, T> = VecCollection<'s, T, Pair, i32>;

/// A dataflow at work.
struct Flow<'w> {
    worker: &'w mut Worker,
    inputs: BTreeMap<&'static str, InputSession<Epoch, Pair, i32>>,
    probe: Handle<Epoch>,
    changed: Rc<RefCell<usize>>,
    epoch: Epoch,
}

impl Flow<'_> {
    fn load(&mut self, data: &[Table]) {
        for (name, input) in &mut self.inputs {
            table(data, name).iter().for_each(|row| input.update((row[0], row[1]), 1));
        }
    }

    /// Runs the epoch, and gives how many changes came out.
    fn settle(&mut self) -> usize {
        self.epoch += 1;
        for input in self.inputs.values_mut() {
            input.advance_to(self.epoch);
            input.flush();
        }
        while self.probe.less_than(&self.epoch) {
            self.worker.step();
        }
        self.changed.take()
    }
}

impl Maintained for Flow<'_> {
    fn change(&mut self, table: &'static str, row: &Row, weight: i64) -> usize {
        let input = self.inputs.get_mut(table).expect("the workload has this input");
        input.update((row[0], row[1]), if weight > 0 { 1 } else { -1 });
        self.settle()
    }
}

/// Builds the dataflow of a workload and hands it over; false if nobody wrote it down.
fn run(workload: Workload, then: &mut (dyn FnMut(&mut Flow<'_>) + '_)) -> bool {
    let names: &[&'static str] = match workload {
        Workload::Chain | Workload::Blocks => &["Edge"],
        Workload::Generations => &["Parent"],
        Workload::Pointers => &["Addr", "Assign", "Load", "Store"],
        _ => return false,
    };
    // The scenario borrows from its caller, and a worker's closure must not: what it does is done here, step by step.
    let mut worker = worker();
    let (probe, changed) = (Handle::new(), Rc::<RefCell<usize>>::default());
    let counted = Rc::clone(&changed);
    let inputs = worker.dataflow::<Epoch, _, _>(|scope| {
        let mut inputs = BTreeMap::new();
        let mut collections = BTreeMap::new();
        for name in names {
            let (input, collection) = scope.new_collection();
            inputs.insert(*name, input);
            collections.insert(*name, collection);
        }
        let result = match workload {
            Workload::Generations => generations(collections.remove("Parent").expect("it is an input")),
            Workload::Pointers => pointers(&collections),
            _ => closure(collections.remove("Edge").expect("it is an input")),
        };
        result.inspect_batch(move |_, changes| *counted.borrow_mut() += changes.len()).probe_with(&probe);
        inputs
    });
    then(&mut Flow { worker: &mut worker, inputs, probe, changed, epoch: 0 });
    true
}

fn worker() -> Worker {
    use timely::WorkerConfig;
    use timely::communication::Allocator;
    use timely::communication::allocator::thread::Thread;
    Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None)
}

fn closure<T: Timestamp + Lattice + TotalOrder>(edges: Pairs<'_, T>) -> Pairs<'_, T> {
    let paths = edges.clone();
    paths.iterate(|scope, paths| {
        let edges = edges.enter(scope);
        paths
            .map(|(x, y)| (y, x))
            .join_map(edges.clone(), |_, &x, &z| (x, z))
            .concat(edges)
            .distinct_core::<i32>()
    })
}

fn generations<T: Timestamp + Lattice + TotalOrder>(parents: Pairs<'_, T>) -> Pairs<'_, T> {
    let siblings = parents
        .clone()
        .join_map(parents.clone(), |_, &x, &y| (x, y))
        .filter(|(x, y)| x != y)
        .distinct_core::<i32>();
    siblings.clone().iterate(|scope, same| {
        let (parents, siblings) = (parents.enter(scope), siblings.enter(scope));
        same.join_map(parents.clone(), |_, &b, &x| (b, x))
            .join_map(parents, |_, &x, &y| (x, y))
            .concat(siblings)
            .distinct_core::<i32>()
    })
}

fn pointers<'s, T: Timestamp + Lattice + TotalOrder>(
    inputs: &BTreeMap<&'static str, Pairs<'s, T>>,
) -> Pairs<'s, T> {
    let [addr, assign, load, store] = ["Addr", "Assign", "Load", "Store"].map(|name| inputs[name].clone());
    addr.clone().iterate(|scope, points| {
        let [addr, assign, load, store] = [addr, assign, load, store].map(|input| input.enter(scope));
        let assigned = assign.map(|(x, y)| (y, x)).join_map(points.clone(), |_, &x, &o| (x, o));
        let loaded = load
            .map(|(x, y)| (y, x))
            .join_map(points.clone(), |_, &x, &v| (v, x))
            .join_map(points.clone(), |_, &x, &o| (x, o));
        let stored = store.join_map(points.clone(), |_, &y, &v| (y, v)).join_map(points, |_, &v, &o| (v, o));
        addr.concat(assigned).concat(loaded).concat(stored).distinct_core::<i32>()
    })
}
