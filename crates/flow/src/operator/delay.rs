//! Delay and delay trace (z⁻¹): the previous tick's input.
//!
//! **Law.** Linear and its own incremental form. What is delayed may be a Z-set or a trace; the first tick gives the
//! empty one. A copy of a trace shares its batches, so delaying one is cheap.
//!
//! Reference: PomoFlow §2.9.9, §2.9.10; DBSP, definition 2.4 (requirement PF-22).

/// What came in one tick ago.
#[derive(Clone, Debug, Default)]
pub struct Delay<D> {
    previous: D,
}

impl<D> Delay<D> {
    /// Takes this tick's input and gives the previous one's.
    pub fn tick(&mut self, input: D) -> D {
        std::mem::replace(&mut self.previous, input)
    }
}
