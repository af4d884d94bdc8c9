//! Updates on their way into an index, and how many there are (Q17).
//!
//! An index is given the updates of a time when no more can come, sorted and each once. Until then a *batcher* holds
//! them: in chains that are merged as they grow, so that what cancels or adds up takes little room. How much room that
//! is nobody can tell from what went in, so this batcher counts what is in its chains, each time that as much again
//! has come: what it tells the meter is never more than about twice what it holds.

use std::marker::PhantomData;

use differential_dataflow::batcher::merge::{Extractor, MergeLadder, Sealer};
use differential_dataflow::batcher::{Batcher, Extract};
use timely::container::{ContainerBuilder, PushInto};
use timely::progress::Timestamp;
use timely::progress::frontier::{Antichain, AntichainRef};

use crate::task::Task;

/// So few updates are not counted again.
const FEW: u64 = 1 << 12;

/// A batcher that tells a meter how much it holds. What it hands over is held by an index from then on.
pub(crate) struct MeteredBatcher<Chu, M: Extractor, S> {
    /// Makes sorted chunks of what comes.
    chunker: Chu,
    /// The chains of chunks.
    ladder: MergeLadder<M>,
    /// The least times of what is left.
    left: Antichain<M::Time>,
    gauge: Gauge,
    sealer: PhantomData<S>,
}

impl<Chu: Default, M: Extractor, S> MeteredBatcher<Chu, M, S> {
    /// A batcher that holds nothing, of updates of so many rows each.
    pub(crate) fn new(task: Task, rows: u64) -> Self {
        MeteredBatcher {
            chunker: Chu::default(),
            ladder: MergeLadder::new(None, 0),
            left: Antichain::new(),
            gauge: Gauge { task, rows, counted: 0, since: 0 },
            sealer: PhantomData,
        }
    }

    fn take_in(&mut self, chunk: M::Chunk) {
        self.gauge.add(length::<M>([&chunk]));
        self.ladder.insert_chain(vec![chunk]);
        if self.gauge.is_old() {
            self.gauge.take_out(0, length::<M>(self.ladder.chains().flatten()));
        }
    }
}

impl<C, Chu, M, S> Batcher<C> for MeteredBatcher<Chu, M, S>
where
    M: Extractor<Time: Timestamp>,
    Chu: ContainerBuilder<Container = M::Chunk> + for<'a> PushInto<&'a mut C>,
    S: Sealer<M::Chunk>,
{
    fn insert(&mut self, container: &mut C) {
        self.chunker.push_into(container);
        while let Some(chunk) = self.chunker.extract().map(std::mem::take) {
            self.take_in(chunk);
        }
    }
}

impl<Chu, M, S> Extract for MeteredBatcher<Chu, M, S>
where
    M: Extractor<Time: Timestamp>,
    Chu: ContainerBuilder<Container = M::Chunk>,
    S: Sealer<M::Chunk>,
{
    type Time = M::Time;
    type Output = S::Output;

    fn extract<'a>(
        &'a mut self,
        upper: AntichainRef<'_, M::Time>,
    ) -> (Option<S::Output>, AntichainRef<'a, M::Time>) {
        while let Some(chunk) = self.chunker.finish().map(std::mem::take) {
            self.take_in(chunk);
        }
        let all = self.ladder.merge_all();
        let (mut ready, mut rest) = (Vec::new(), Vec::new());
        self.left.clear();
        M::default().extract(all, upper, &mut self.left, &mut ready, &mut rest, &mut Vec::new());
        self.gauge.take_out(length::<M>(&ready), length::<M>(&rest));
        if !rest.is_empty() {
            self.ladder.insert_chain(rest);
        }
        (S::seal(&mut ready), self.left.borrow())
    }
}

/// How many updates there are in some chunks.
fn length<'a, M: Extractor<Chunk: 'a>>(chunks: impl IntoIterator<Item = &'a M::Chunk>) -> u64 {
    chunks.into_iter().map(|chunk| u64::try_from(M::len(chunk)).unwrap_or(u64::MAX)).sum()
}

/// What a batcher has told the meter that it holds.
struct Gauge {
    task: Task,
    /// The rows of an update: its key, and its value if it has one.
    rows: u64,
    /// Updates when they were counted last.
    counted: u64,
    /// Updates that came since.
    since: u64,
}

impl Gauge {
    fn add(&mut self, updates: u64) {
        self.since += updates;
        self.task.hold(updates, self.rows);
    }

    /// Whether as much has come as there was.
    fn is_old(&self) -> bool {
        self.since > self.counted.max(FEW)
    }

    /// So many updates are in an index from now on, and so many are left; what else was told is gone.
    fn take_out(&mut self, indexed: u64, left: u64) {
        let gone = (self.counted + self.since).saturating_sub(indexed + left);
        (self.counted, self.since) = (left, 0);
        self.task.release(gone, self.rows);
    }
}
