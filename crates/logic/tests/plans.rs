//! A compiled program printed as a plan reads back as the same plan: the examples of docs/language.md.

use std::collections::BTreeMap;

use motet_algebra::text::load;
use motet_algebra::{Registry, Statement};
use motet_logic::{Catalog, Compiled, Monotonicity, Source, compile};

/// The examples of the page that need nothing from outside.
fn programs() -> Vec<Compiled> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/language.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("pomo\n"));
    let program = |text| compile(&Source::new("page", text), &Catalog::default(), &BTreeMap::new()).ok();
    blocks.filter_map(program).collect()
}

#[test]
fn plans_read_back_and_keep_their_class() {
    let programs = programs();
    assert!(programs.len() > 10, "only {} programs were found", programs.len());
    for compiled in programs {
        let source = Source::new("plan", compiled.plan().to_string());
        let read = load(&source, &Registry::default()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(read, compiled.plan(), "{}", source.text);
        let plan = Compiled::of_plan(&source, read);
        for (name, class) in &compiled.classes {
            assert_eq!(plan.classes[name], *class, "{name} in\n{}", source.text);
        }
        assert_eq!(plan.inputs, compiled.inputs);
    }
}

#[test]
fn facts_of_inputs_are_in_the_plan() {
    let text = "relation E(x: int). input E. output R. E(x: 2). E(x: 1). R(x: X) :- E(x: X), !E(x: 3).";
    let compiled = compile(&Source::new("facts", text), &Catalog::default(), &BTreeMap::new());
    let compiled = compiled.unwrap_or_else(|problems| panic!("{problems}"));
    let plan = compiled.plan();
    assert_eq!(plan.statements[0].to_string(), "E :- constant([x], (1), (2));\n");
    assert!(plan.statements.iter().all(|one| matches!(one, Statement::Assign { .. })));
    let class = &Compiled::of_plan(&Source::new("plan", ""), plan).classes["R"];
    assert_eq!(*class, Monotonicity::Convergent);
}
