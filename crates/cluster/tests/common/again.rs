//! A runtime that is saved before some of its epochs, and goes on as what is restored from the blocks.

use motet_algebra::checkpoint::Blocks;
use motet_algebra::{Budget, Changes, RelationName, Runtime, RuntimeError, Undefined};

/// Restores a runtime.
type Restore<R> = Box<dyn Fn(&mut Blocks<'_>) -> Option<R>>;

pub(crate) struct Again<R> {
    runtime: R,
    restore: Restore<R>,
    /// Decides before which epochs.
    state: u64,
}

impl<R: Runtime> Again<R> {
    pub(crate) fn new(
        runtime: R,
        seed: u64,
        restore: impl Fn(&mut Blocks<'_>) -> Option<R> + 'static,
    ) -> Self {
        Again { runtime, restore: Box::new(restore), state: seed }
    }

    fn go_on(&mut self) {
        let mut blocks = Vec::new();
        if !self.runtime.save(&mut |block| blocks.push(block)) {
            assert!(blocks.is_empty());
            return;
        }
        let mut left = blocks.iter().cloned();
        let restored = (self.restore)(&mut || left.next()).expect("what was saved is restored");
        assert!(left.next().is_none(), "all of it is read");
        let known =
            |runtime: &R| (runtime.undefined(), runtime.restless(), runtime.due(), runtime.contents());
        assert_eq!(known(&restored), known(&self.runtime));
        let mut same = Vec::new();
        restored.save(&mut |block| same.push(block));
        assert!(same == blocks, "what was restored is saved as it was");
        self.runtime = restored;
    }
}

impl<R: Runtime> Runtime for Again<R> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if self.state >> 33 & 1 == 0 {
            self.go_on();
        }
        self.runtime.step(inputs, budget)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.runtime.undefined()
    }

    fn restless(&self) -> Vec<RelationName> {
        self.runtime.restless()
    }

    fn due(&self) -> Changes {
        self.runtime.due()
    }
}
