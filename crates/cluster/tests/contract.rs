//! The incremental runtimes keep the contract of runtimes.

use motet_algebra::contract;
use motet_cluster::Cluster;
use motet_native::Native;

#[test]
fn cluster_keeps_the_contract() {
    contract::check(|program| Cluster::new(program).expect("the program is sound"));
}

#[test]
fn native_keeps_the_contract() {
    contract::check(|program| Native::new(program).expect("the program is sound"));
}
