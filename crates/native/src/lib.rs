//! PomoRA plans on PomoFlow's engine: the product (Q13).
//!
//! A [`Native`] keeps a program running. What happens to it:
//!
//! 1. `lower` makes rules of expressions: a tree of joins, selections and negations becomes one conjunction of goals, a
//!    union several rules of one relation. Names are gone then, values are numbers of a
//!    [`Dictionary`](motet_algebra::Dictionary), and what must be a relation of its own (what is grouped, what is
//!    negated and no plain relation) is one.
//! 2. The engine ([`motet_flow::engine`]) keeps the rules up, over rows of numbers.
//! 3. `meaning` is what the engine asks when a rule computes: terms, conditions, aggregates. Only there are numbers
//!    decoded.
//!
//! [`Native::step_allowed`] also lets relations have so many rows and no more, which a model may ask for (H20). An
//! [`OwnNative`] shares its dictionary with nobody, and so may go from thread to thread.
//!
//! What has no value (Q3) is a relation too: of the rows that an operator drops for it. So it is counted as rows are.
//!
//! | module | noun |
//! |---|---|
//! | `body` | conjunctions while they are made |
//! | `lower` | a program as rules |
//! | `meaning` | tests, functions and folds |
//! | `checkpoint` | what a runtime saves |
//! | [`Native`] | the runtime |

mod body;
mod checkpoint;
mod lower;
mod meaning;
mod native;

pub use native::{Allowed, Native, OwnNative, Refusal};
