//! The runtimes as views and the command line start them, planned and with time, keep the contract of all runtimes.

use motet::RuntimeKind;
use motet_algebra::contract;
use motet_logic::{Compiled, Source};

#[test]
fn runtimes_keep_their_contract_as_they_are_started() {
    for kind in RuntimeKind::ALL {
        contract::check(|program| {
            let compiled = Compiled::of_plan(&Source::new("contract", ""), program);
            kind.start(&compiled).expect("the contract's program is sound")
        });
    }
}
