//! The operators of PomoFlow (PF-22), each as a pure function of Z-sets and traces.
//!
//! | operator | law | incremental form |
//! |---|---|---|
//! | [`map`], [`filter`], [`negate`], [`inspect`] | linear: Q(a + b) = Q(a) + Q(b) | itself |
//! | [`index_with`], [`consolidate`] | linear | itself |
//! | [`plus`], [`minus`] | linear in both inputs together | itself |
//! | [`join_stream`] | bilinear: (a + b) ⋈ c = a ⋈ c + b ⋈ c | [`join_trace`] |
//! | [`aggregate`] | none in general | [`aggregate_incremental`] |
//! | [`distinct`] | not linear, but idempotent | [`distinct_incremental`]; in subcircuits [`distinct_trace`] |
//! | [`Delay`], [`trace_append`] | linear | itself |
//!
//! For a query Q and a stream of changes s, the incremental form of Q is D ∘ Q ∘ I: integrate, compute, differentiate
//! (DBSP, definition 3.1). A linear or delaying operator is its own incremental form (theorem 3.3).

mod aggregate;
mod consolidate;
mod delay;
mod distinct;
mod distinct_incremental;
mod distinct_trace;
mod index_with;
mod join_stream;
mod join_trace;
mod linear;
mod trace_append;

pub use aggregate::{aggregate, aggregate_incremental};
pub use consolidate::consolidate;
pub use delay::Delay;
pub use distinct::distinct;
pub use distinct_incremental::distinct_incremental;
pub use distinct_trace::{DistinctTrace, distinct_trace};
pub use index_with::index_with;
pub use join_stream::join_stream;
pub use join_trace::{JoinTrace, join_trace};
pub use linear::{filter, inspect, map, minus, negate, plus};
pub use trace_append::{trace_append, untimed_trace_append};
