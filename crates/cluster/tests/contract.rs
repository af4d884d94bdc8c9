//! The runtime on differential dataflow keeps the contract of runtimes.

use motet_algebra::contract;
use motet_cluster::Cluster;

#[test]
fn cluster_keeps_the_contract() {
    contract::check(|program| Cluster::new(program).expect("the program is sound"));
}
