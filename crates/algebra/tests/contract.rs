//! The naive evaluator keeps the contract of runtimes.

use motet_algebra::{Naive, contract};

#[test]
fn naive_keeps_the_contract() {
    contract::check(|program| Naive::new(program).expect("the program is sound"));
    contract::check(|program| Naive::plain(program).expect("the program is sound"));
}
