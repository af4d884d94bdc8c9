//! Answers that become part of the party (Q10): as facts, or as a snapshot.
//!
//! What a monotone query finds stays true as facts come in, so it may be *stated*: its rows become facts of an item,
//! in a namespace of their own, which the query itself can't read. Stating it again states nothing new.
//!
//! What may cease to be true is only *published*: as a snapshot, which names the query, the entries that it was asked
//! over, and the hash of the answer. Whoever has these entries can ask the same and compare.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Changes, Row};
use motet_fact::{Attribute, Cid, Codec, Entity, Fact, FactError, MAX_CAUSES, Value, codec};
use motet_item::{BaseRelation, ItemId};
use motet_logic::why::{Account, Contents, Pattern, Reason};
use motet_logic::{Compiled, FactOutput};

use crate::circuit::{apply, once};
use crate::relations::Wanted;
use crate::{Error, Party, Query, Receipt, Transaction, rules};

/// Bytes of facts in one entry, about.
const ENTRY_BYTES: usize = 1 << 20;

/// What the causes of facts are that an answer becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Causes {
    /// There are none.
    #[default]
    None,
    /// The facts of one derivation of the row, if all of them are facts of the same item; else none.
    Derivation,
}

/// What became of an answer that was to be stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Materialised {
    /// The facts that are new, in the order in which they stand in the entries.
    pub facts: Vec<Cid>,
    /// How many rows were facts of the item already.
    pub known: usize,
    /// The entries that state the new ones.
    pub entries: Vec<Receipt>,
}

/// What was asked, over what, and what the answer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Names the query: its text, the values of its parameters, and the saved rules that it uses.
    pub query: Cid,
    /// The heads of the party that it was asked over: with their causes, all its linked entries.
    pub heads: BTreeSet<Cid>,
    /// The hash of the answer: of each output its name, and of each row of it the CID, in value order.
    pub root: Cid,
}

impl Snapshot {
    /// Names the snapshot: the entity that its facts are about.
    pub fn cid(&self) -> Cid {
        let heads: Vec<u8> = self.heads.iter().flat_map(|head| *head.as_bytes()).collect();
        let [query, heads, root] = [self.query, Cid::of(Codec::Raw, &heads), self.root].map(Value::from);
        codec::tuple_cid("motet/snapshot", [("heads", &heads), ("query", &query), ("root", &root)])
    }
}

impl Party {
    /// States the rows of a query's outputs as facts of an item, under attributes that begin with the namespace and
    /// `/`. An output has the columns `entity`, `value`, and `attribute` unless its name is the attribute. Rows that
    /// are such facts already, whatever their causes, are not stated again.
    ///
    /// # Errors
    /// [`Error::Namespace`]; [`Error::Query`] with everything that is against it: an output that is not monotone, an
    /// atom that might read what is stated, a row that is no fact; [`Error::Row`] if a value does not fit a fact;
    /// otherwise as [`Party::watch`] and [`Transaction::commit`].
    pub fn materialise(
        &self,
        item: ItemId,
        namespace: &str,
        query: &Query,
        causes: Causes,
    ) -> Result<Materialised, Error> {
        check_namespace(namespace)?;
        let compiled = query.compile(&self.catalog()?)?;
        let outputs = compiled.as_facts(namespace, causes == Causes::Derivation).map_err(Error::Query)?;
        let facts = match causes {
            Causes::None => {
                let view = self.database().watch(&[self.key()], query)?;
                let rows = |output: &FactOutput| {
                    let rows = view.rows(&output.output);
                    rows.map(|row| fact(output, namespace, row, Vec::new())).collect::<Vec<_>>()
                };
                outputs.iter().flat_map(rows).collect::<Result<Vec<_>, _>>()?
            }
            Causes::Derivation => {
                let mine = self.facts_of(item)?;
                self.account(query, |account| derived(account, &outputs, namespace, &mine))??
            }
        };
        let known = self.known(item, namespace)?;
        let (known, new): (Vec<Fact>, Vec<Fact>) =
            facts.into_iter().partition(|fact| known.contains(&statement(fact)));
        let facts = new.iter().map(Fact::cid).collect();
        let entries = self.commit_all(self.transactions(item, new))?;
        Ok(Materialised { facts, known: known.len(), entries })
    }

    /// Asks a query, and says what was asked, over what, and what the answer was.
    ///
    /// # Errors
    /// [`Error::Timed`] if the query has time: its answer is not a function of the entries; otherwise as
    /// [`Party::watch`].
    pub fn snapshot(&self, query: &Query) -> Result<Snapshot, Error> {
        let catalog = self.catalog()?;
        let compiled = query.compile(&catalog)?;
        if compiled.program.is_timed() {
            return Err(Error::Timed);
        }
        let wanted = Wanted::all_of(&compiled);
        let (mut stored, store) = (compiled.facts.clone(), self.database().store());
        let heads = self.ask(|state| {
            state.add_rows(store, &wanted, &mut stored)?;
            Ok::<_, Error>(state.graph.heads().collect())
        })?;
        let inputs: Changes = stored.iter().map(|(name, rows)| (name.clone(), once(rows))).collect();
        let runtime = query.runtime.start(&compiled).map_err(|error| Error::Plan(error.to_string()));
        let mut contents = Contents::new();
        apply(&mut contents, &runtime?.step(&inputs, query.budget.clone())?);
        let used = rules::used(&query.source(), &catalog);
        let text = Value::text(query.text.as_str());
        let saved: BTreeMap<String, Value> =
            used.into_iter().map(|(name, rules)| (format!("use {name}"), Value::text(rules.text))).collect();
        let given = query.parameters.iter().map(|(name, value)| (format!("${name}"), value.clone()));
        let parts: BTreeMap<String, Value> = saved.into_iter().chain(given).collect();
        let parts = parts.iter().map(|(name, value)| (name.as_str(), value));
        let query = codec::tuple_cid("motet/query", parts.chain([("text", &text)]));
        Ok(Snapshot { query, heads, root: root(&compiled, &contents) })
    }

    /// Asks a query, and publishes a snapshot of the answer in a namespace of an item: facts about the snapshot's CID
    /// with the attributes `NAMESPACE/query`, `/head` and `/root`, and the item's property `NAMESPACE/snapshot`, which
    /// links to the last one. If the last one there has the same query and answer, nothing is written.
    ///
    /// # Errors
    /// [`Error::Namespace`]; otherwise as [`Party::snapshot`] and [`Transaction::commit`].
    pub fn publish_snapshot(
        &self,
        item: ItemId,
        namespace: &str,
        query: &Query,
    ) -> Result<(Snapshot, Option<Receipt>), Error> {
        check_namespace(namespace)?;
        let snapshot = self.snapshot(query)?;
        let attribute = |name: &str| Attribute::from(format!("{namespace}/{name}"));
        let about = |cid: &Cid| Entity::new(*cid.as_bytes()).expect("a CID is shorter than an entity may be");
        if let Some(last) = self.last_snapshot(item, &attribute("snapshot"))? {
            let said = self.said(item, &about(&last))?;
            let is = |name: &str, cid: Cid| said.contains(&(attribute(name), cid.into()));
            if is("query", snapshot.query) && is("root", snapshot.root) {
                return Ok((snapshot, None));
            }
        }
        let cid = snapshot.cid();
        let mut transaction = self.transaction();
        let heads = snapshot.heads.iter().map(|head| ("head", *head));
        for (name, value) in [("query", snapshot.query), ("root", snapshot.root)].into_iter().chain(heads) {
            transaction.state(item, Fact::new(about(&cid), attribute(name), value, Vec::new())?);
        }
        transaction.set(item, attribute("snapshot"), cid);
        Ok((snapshot, Some(transaction.commit()?)))
    }

    /// What an item states of an entity.
    fn said(&self, item: ItemId, entity: &Entity) -> Result<BTreeSet<(Attribute, Value)>, Error> {
        let entity = Value::from(entity.clone());
        let mut said = BTreeSet::new();
        self.facts(item, &mut |row| {
            if row[0] == entity
                && let Ok(attribute) = Attribute::new(row[1].clone())
            {
                said.insert((attribute, row[2].clone()));
            }
        })?;
        Ok(said)
    }

    fn last_snapshot(&self, item: ItemId, attribute: &Attribute) -> Result<Option<Cid>, Error> {
        let entity = Value::from(item.entity());
        let candidates = self.item(item, |one| one.candidates(&item.entity(), attribute))?;
        let mut last = candidates.last().and_then(|(_, value)| value.as_link());
        if last.is_none() {
            // An item that has no registers has facts all the same.
            self.facts(item, &mut |row| {
                if row[0] == entity && row[1] == *attribute.value() {
                    last = row[2].as_link().or(last);
                }
            })?;
        }
        Ok(last)
    }

    /// The entity, attribute and value of every fact of an item in a namespace.
    fn known(&self, item: ItemId, namespace: &str) -> Result<BTreeSet<Row>, Error> {
        let prefix = format!("{namespace}/");
        let mut known = BTreeSet::new();
        self.facts(item, &mut |row| {
            if row[1].as_text().is_some_and(|attribute| attribute.starts_with(&prefix)) {
                known.insert(row[..3].to_vec());
            }
        })?;
        Ok(known)
    }

    fn facts_of(&self, item: ItemId) -> Result<BTreeSet<Cid>, Error> {
        let mut facts = BTreeSet::new();
        self.facts(item, &mut |row| facts.extend(row[3].as_link()))?;
        Ok(facts)
    }

    fn facts(&self, item: ItemId, visit: &mut dyn FnMut(Row)) -> Result<(), Error> {
        self.item(item, |item| {
            item.rows(&mut |relation, row| {
                if relation == BaseRelation::Fact {
                    visit(row);
                }
            });
        })
    }

    /// Facts in as many entries as it takes.
    fn transactions(&self, item: ItemId, facts: Vec<Fact>) -> Vec<Transaction> {
        let mut transactions: Vec<Transaction> = Vec::new();
        let mut bytes = ENTRY_BYTES;
        for fact in facts {
            let size = fact.encode().len();
            if bytes + size > ENTRY_BYTES {
                transactions.push(self.transaction());
                bytes = 0;
            }
            bytes += size;
            transactions.last_mut().expect("one was begun").state(item, fact);
        }
        transactions
    }
}

fn check_namespace(namespace: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let reserved = namespace.split('/').next() == Some("motet");
    if namespace.is_empty()
        || !namespace.chars().all(plain)
        || namespace.split('/').any(str::is_empty)
        || reserved
    {
        return Err(Error::Namespace(namespace.to_owned()));
    }
    Ok(())
}

/// A row as a fact.
fn fact(output: &FactOutput, namespace: &str, row: &Row, causes: Vec<Cid>) -> Result<Fact, Error> {
    let name = output.attribute.and_then(|place| row[place].as_text()).unwrap_or(&output.output);
    let made = || -> Result<Fact, FactError> {
        let entity = Entity::new(row[output.entity].as_bytes().unwrap_or_default())?;
        let attribute = Attribute::from(format!("{namespace}/{name}"));
        Fact::new(entity, attribute, row[output.value].clone(), causes)
    };
    made().map_err(|error| {
        let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
        Error::Row { row: format!("{}({})", output.output, cells.join(", ")), why: error.to_string() }
    })
}

fn statement(fact: &Fact) -> Row {
    vec![fact.entity().clone().into(), fact.attribute().clone().into(), fact.value().clone()]
}

/// The rows of outputs as facts, with those as causes that they are derived from.
fn derived(
    account: &mut Account<'_>,
    outputs: &[FactOutput],
    namespace: &str,
    mine: &BTreeSet<Cid>,
) -> Result<Vec<Fact>, Error> {
    let mut facts = Vec::new();
    for output in outputs {
        for row in account.rows(&output.output) {
            let causes = leaves(account, output, row, mine);
            facts.push(fact(output, namespace, row, causes)?);
        }
    }
    Ok(facts)
}

/// The facts that a row is derived from, if all are among these.
fn leaves(account: &mut Account<'_>, output: &FactOutput, row: &Row, facts: &BTreeSet<Cid>) -> Vec<Cid> {
    let values = row.iter().cloned().map(Some).collect();
    let derivation = account.why(&Pattern { relation: output.output.clone(), values });
    let nodes = derivation.map(|derivation| derivation.nodes).unwrap_or_default();
    let stored = nodes.iter().filter(|node| node.reason == Reason::Stored);
    let cids: Option<BTreeSet<Cid>> = stored.map(|node| node.row.last().and_then(Value::as_link)).collect();
    let mine = cids.filter(|cids| cids.is_subset(facts) && cids.len() <= MAX_CAUSES);
    mine.unwrap_or_default().into_iter().collect()
}

/// The hash of an answer.
fn root(compiled: &Compiled, contents: &Contents) -> Cid {
    let mut outputs: BTreeMap<&str, Value> = BTreeMap::new();
    for output in &compiled.outputs {
        let columns = || output.columns.iter().map(|(name, _)| &**name);
        let rows = contents.get(&output.name).into_iter().flatten();
        let cids = rows.map(|row| codec::tuple_cid(&output.name, columns().zip(row)));
        let bytes: Vec<u8> = cids.flat_map(|cid| *cid.as_bytes()).collect();
        outputs.insert(&output.name, Cid::of(Codec::Raw, &bytes).into());
    }
    codec::tuple_cid("motet/rows", outputs.iter().map(|(name, value)| (*name, value)))
}
