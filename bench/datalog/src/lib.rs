//! Motet's runtimes beside other engines, on the same data, in turn.
//!
//! | module | noun |
//! |---|---|
//! | [`random`], [`data`] | numbers and facts that are the same everywhere |
//! | [`workload`] | programs over data |
//! | [`engine`], [`engines`] | what is measured of an engine, and the engines |
//! | [`scenario`] | changes, one after the other |
//! | [`rounds`] | many processes in turn, and their figures |
//! | [`report`], [`chart`] | the page and its picture |

pub mod chart;
pub mod data;
pub mod engine;
pub mod engines;
pub mod random;
pub mod report;
pub mod rounds;
pub mod scenario;
pub mod workload;
