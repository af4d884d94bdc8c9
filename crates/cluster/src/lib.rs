//! PomoRA plans on timely and differential dataflow: the independent oracle.
//!
//! A [`Cluster`] keeps a program running: sets of rows go in as changes, and changes of the outputs come out. It shares
//! no code with the runtimes it is compared with but the meaning of terms and aggregates, and it computes in another
//! way: where the naive evaluator starts from nothing and the product counts derivations, differential dataflow stamps
//! every change with the *epoch* and the *round* of the loop in which it happens, and keeps for each operator all that
//! is needed to say what changes at the join of any two such times. Retraction through recursion is no special case.
//!
//! What happens to a program:
//!
//! 1. The planner turns names into positions, and finds out which rows of each input can be seen at all.
//! 2. The widest row of the plan chooses a row type: 4 or 8 numbers of 32 bits, or any number of them. Values become
//!    numbers by a [`Dictionary`](motet_algebra::Dictionary); only what compares by size or computes looks behind them.
//! 3. Statements become stages, one dataflow scope each; a loop's relations become variables that are fed back.
//! 4. Each step feeds one epoch, and drives one worker in the calling thread until the epoch is done. No thread is
//!    started, no clock read, no socket opened.
//!
//! A step that goes over its budget drops the dataflow, and the next step builds it again from the inputs (Q17).
//!
//! Memory is the price: every row of every index carries its times, and relations used in several stages are indexed in
//! each. What is not here: several workers or processes (one function arranges, and would exchange), joins of more than
//! two sides at once, reordering of joins.
//!
//! | module | noun |
//! |---|---|
//! | `row` | rows of numbers, packed |
//! | `plan`, `planner` | a program with positions for names, and its maker |
//! | `each` | work on one row |
//! | `scope` | the operators of one stage |
//! | `build` | inputs, stages and outputs of a dataflow |
//! | `meter`, `task` | what an epoch costs, and for which rule |
//! | `batcher` | updates on their way into an index |
//! | `undefined` | rows that have no value |
//! | `epoch` | a running dataflow |
//! | [`Cluster`] | the runtime |

mod batcher;
mod build;
mod cluster;
mod each;
mod epoch;
mod meter;
mod plan;
mod planner;
mod row;
mod scope;
mod task;
mod undefined;

pub use cluster::Cluster;
