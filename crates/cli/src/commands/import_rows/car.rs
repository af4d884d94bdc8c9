//! `motet import car`: the facts of a CAR file become facts of one new item, as they are.
//!
//! A fact keeps its bytes, and so its CID. It counts only if the facts that it cites are there before it: the file
//! is read whole, put in an order in which causes come first, and refused if a cause is not in it. The item's model
//! is Facts, so queries see the facts in `fact` and `cause`; what they meant to the items that they come from, they
//! do not mean here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use motet::Party;
use motet_fact::{Cid, Fact};
use motet_stream::car::Reader;

use super::{Importer, open, print_summary, type_of};
use crate::args::Global;
use crate::failure::Failure;

/// Imports a file's facts into a party, and prints what it took.
pub(crate) fn import(party: &Party, file: &Path, kind: Option<&str>, global: &Global) -> Result<(), Failure> {
    let started = Instant::now();
    let facts = causes_first(read(file)?)?;
    let kind = kind.map_or_else(|| type_of(file), str::to_owned);
    let mut importer = Importer::new(party, &kind, None)?;
    for fact in facts {
        importer.state(fact)?;
        importer.taken.rows += 1;
    }
    importer.close();
    importer.commit()?;
    print_summary(&importer, started, global)
}

fn read(path: &Path) -> Result<BTreeMap<Cid, Fact>, Failure> {
    let (file, _) = open(path)?;
    let mut reader =
        Reader::new(&path.display().to_string(), BufReader::new(file)).map_err(|e| Failure::from(&e))?;
    let mut facts = BTreeMap::new();
    while let Some(fact) = reader.next_fact().map_err(|error| Failure::from(&error))? {
        facts.insert(fact.cid(), fact);
    }
    Ok(facts)
}

/// The facts, none before its causes. There are no circles: a CID is a hash of what it would have to be in.
fn causes_first(facts: BTreeMap<Cid, Fact>) -> Result<Vec<Fact>, Failure> {
    let (mut ordered, mut begun) = (Vec::with_capacity(facts.len()), BTreeSet::new());
    for cid in facts.keys() {
        // Each is looked at twice: before its causes, and after them.
        let mut open = vec![(*cid, false)];
        while let Some((cid, causes_done)) = open.pop() {
            if causes_done {
                ordered.push(facts[&cid].clone());
            } else if begun.insert(cid) {
                open.push((cid, true));
                for cause in facts[&cid].causes() {
                    if !facts.contains_key(cause) {
                        return Err(uncaused(cid, *cause));
                    }
                    open.push((*cause, false));
                }
            }
        }
    }
    Ok(ordered)
}

fn uncaused(fact: Cid, cause: Cid) -> Failure {
    let message = format!("the fact {fact} cites {cause}, which is not in the file: it would not count");
    Failure::Failed(message)
        .help("a file for import has all that its facts cite, as `motet export car` writes it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_fact::Entity;

    fn fact(value: i64, causes: &[&Fact]) -> Fact {
        let causes = causes.iter().map(|cause| cause.cid()).collect();
        Fact::new(Entity::from([7; 16]), "n".into(), value, causes).unwrap()
    }

    #[test]
    fn causes_come_first_and_each_fact_once() {
        let mut chain = vec![fact(0, &[])];
        for value in 1..500 {
            let (first, last) = (chain.first().unwrap(), chain.last().unwrap());
            chain.push(fact(value, &[first, last]));
        }
        let facts = chain.iter().map(|fact| (fact.cid(), fact.clone())).collect();
        assert_eq!(causes_first(facts).unwrap(), chain);
        let alone = chain.last().unwrap().clone();
        assert!(causes_first(BTreeMap::from([(alone.cid(), alone)])).is_err());
    }
}
