//! Replicated data types as rules (requirements §4.0 … §4.6), held against direct readings of what they mean.
//!
//! A history is a set of facts, each made by somebody who knew some of the earlier ones and cites the newest of
//! these. It is delivered in any order, so causes may come after what cites them; now and then facts are withdrawn
//! again. After each delivery the outputs of both runtimes, kept by their changes, are what an oracle in plain Rust
//! says of the facts that are there. `MOTET_CASES` sets the number of histories for each type.
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, ColumnType, Naive, Row, Runtime};
use motet_cluster::Cluster;
use motet_fact::{Cid, Entity, Fact, Kind, Value};
use motet_logic::{Catalog, Source, compile};
use motet_native::Native;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// Bytes to take decisions from; when they are used up, every decision is the first choice.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn below(&mut self, choices: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % choices
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// The facts so far, the causes of each known to be earlier ones.
#[derive(Default)]
struct History {
    facts: Vec<Fact>,
}

impl History {
    /// Some of the facts so far with all that they build on: what a writer may know.
    fn known(&self, dice: &mut Dice) -> BTreeSet<Cid> {
        let mut known = BTreeSet::new();
        for fact in self.facts.iter().rev() {
            if known.contains(&fact.cid()) || dice.below(3) > 0 {
                known.insert(fact.cid());
                known.extend(fact.causes());
            }
        }
        known
    }

    /// Of what is known, the facts that match and that no matching known one builds on.
    fn heads(&self, known: &BTreeSet<Cid>, matches: impl Fn(&Fact) -> bool) -> Vec<Cid> {
        let of: Vec<&Fact> =
            self.facts.iter().filter(|one| known.contains(&one.cid()) && matches(one)).collect();
        let over: BTreeSet<Cid> = of.iter().flat_map(|fact| fact.causes().to_vec()).collect();
        of.iter().map(|fact| fact.cid()).filter(|cid| !over.contains(cid)).collect()
    }

    fn add(&mut self, entity: &[u8], attribute: &str, value: impl Into<Value>, causes: Vec<Cid>) -> Cid {
        let entity = Entity::new(entity).unwrap();
        let fact = Fact::new(entity, attribute.into(), value, causes).unwrap();
        let cid = fact.cid();
        if !self.facts.contains(&fact) {
            self.facts.push(fact);
        }
        cid
    }
}

/// What is there, of a history: what oracles read.
struct Present<'a> {
    facts: BTreeMap<Cid, &'a Fact>,
    heights: &'a BTreeMap<Cid, i64>,
}

impl<'a> Present<'a> {
    /// The facts all of whose causes are there and ready too (4.0), with their CIDs.
    fn ready(&self) -> BTreeMap<Cid, &'a Fact> {
        fn ready(facts: &BTreeMap<Cid, &Fact>, cid: Cid) -> bool {
            facts.get(&cid).is_some_and(|fact| fact.causes().iter().all(|cause| ready(facts, *cause)))
        }
        self.facts
            .iter()
            .filter(|(cid, _)| ready(&self.facts, **cid))
            .map(|(cid, fact)| (*cid, *fact))
            .collect()
    }

    /// Those with one attribute.
    fn about(&self, attribute: &str) -> Vec<(Cid, &'a Fact)> {
        let wanted = Value::from(attribute);
        self.ready().into_iter().filter(|(_, fact)| *fact.attribute().value() == wanted).collect()
    }

    /// The candidates of each register: what no other fact of the register cites (4.1).
    fn candidates(&self) -> BTreeMap<(Value, Value), Vec<(Cid, &'a Fact)>> {
        let mut registers = BTreeMap::<_, Vec<(Cid, &Fact)>>::new();
        for (cid, fact) in self.ready() {
            registers.entry(register(fact)).or_default().push((cid, fact));
        }
        for all in registers.values_mut() {
            let over: BTreeSet<Cid> = all.iter().flat_map(|(_, fact)| fact.causes().to_vec()).collect();
            all.retain(|(cid, _)| !over.contains(cid));
        }
        registers
    }

    /// The winner of each register: the candidate with the greatest height, then CID (4.2).
    fn winners(&self) -> BTreeMap<(Value, Value), (Cid, &'a Fact)> {
        let best =
            |all: Vec<(Cid, &'a Fact)>| all.into_iter().max_by_key(|(cid, _)| (self.heights[cid], *cid));
        self.candidates().into_iter().map(|(register, all)| (register, best(all).unwrap())).collect()
    }
}

fn register(fact: &Fact) -> (Value, Value) {
    (Value::from(fact.entity().clone()), fact.attribute().value().clone())
}

type Outputs = BTreeMap<String, BTreeSet<Row>>;

/// What an oracle says: the name of each output with its rows.
fn outputs<const COUNT: usize>(all: [(&str, BTreeSet<Row>); COUNT]) -> Outputs {
    all.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| (name.to_owned(), rows)).collect()
}

/// 4.0: a fact counts when all it builds on is there.
const ADMISSION: &str = "
    present(cid: C) :- C := fact().
    unready(cid: C) :- cause(cid: C, parent: P), !present(cid: P).
    unready(cid: C) :- cause(cid: C, parent: P), unready(cid: P).
    op(cid: C, e: E, a: A, v: V) :- C := fact(entity: E, attribute: A, value: V), !unready(cid: C).
";

/// 4.1 and 4.2: the candidates of a register, and its winner.
const REGISTERS: &str = "
    over(cid: P) :- op(cid: C, e: E, a: A), cause(cid: C, parent: P), op(cid: P, e: E, a: A).
    mv(e: E, a: A, v: V, cid: C) :- op(cid: C, e: E, a: A, v: V), !over(cid: C).
    mvh(e: E, a: A, h: H, cid: C) :- mv(e: E, a: A, cid: C), height(cid: C, height: H).
    top(e: E, a: A, h: H) :- mv(e: E, a: A), H := max X : mvh(e: E, a: A, h: X).
    win(e: E, a: A, cid: W) :- top(e: E, a: A, h: H), W := max C : mvh(e: E, a: A, h: H, cid: C).
    lww(e: E, a: A, v: V) :- win(e: E, a: A, cid: W), mv(e: E, a: A, v: V, cid: W).
";

/// The same winners by one rule with `arg_max`.
const WINNERS_AT_ONCE: &str = "
    at_once(e: E, a: A, v: V) :- mv(e: E, a: A), W := arg_max C by H : mvh(e: E, a: A, h: H, cid: C),
        mv(e: E, a: A, v: V, cid: W).
";

fn catalog() -> Catalog {
    let (any, link) = (ColumnType::Any, ColumnType::Kind(Kind::Link));
    let mut catalog = Catalog::default();
    let bytes = ColumnType::Kind(Kind::Bytes);
    catalog.add("fact", &[("entity", bytes), ("attribute", any), ("value", any)], true);
    catalog.add("cause", &[("cid", link), ("parent", link)], false);
    catalog.add("height", &[("cid", link), ("height", ColumnType::Kind(Kind::Int))], false);
    catalog
}

/// The changes of the base relations when a fact comes or goes.
fn change(changes: &mut Changes, fact: &Fact, height: i64, weight: i64) {
    let cid = Value::Link(fact.cid());
    let quad = [Value::from(fact.entity().clone()), fact.attribute().value().clone(), fact.value().clone()];
    let mut add = |name: &str, row: Row| changes.entry(name.into()).or_default().push((row, weight));
    add("fact", [&quad[..], std::slice::from_ref(&cid)].concat());
    add("height", vec![cid.clone(), Value::Int(height)]);
    for cause in fact.causes() {
        add("cause", vec![cid.clone(), Value::Link(*cause)]);
    }
}

fn heights(facts: &[Fact]) -> BTreeMap<Cid, i64> {
    let mut heights = BTreeMap::new();
    for fact in facts {
        let below = fact.causes().iter().map(|cause| heights[cause]).max().unwrap_or(0);
        heights.insert(fact.cid(), 1 + below);
    }
    heights
}

fn apply(outputs: &mut Outputs, changes: Changes) {
    for (name, rows) in changes {
        let contents = outputs.entry(name.to_string()).or_default();
        for (row, weight) in rows {
            let fits = if weight > 0 { contents.insert(row) } else { contents.remove(&row) };
            assert!(fits, "a change of {name} that its contents do not allow");
        }
        if contents.is_empty() {
            outputs.remove(&*name);
        }
    }
}

/// Delivers a history piece by piece and compares after each piece.
fn check(
    bytes: &[u8],
    program: &str,
    history: fn(&mut Dice) -> History,
    oracle: fn(&Present) -> Outputs,
) -> Result<(), TestCaseError> {
    let dice = &mut Dice(bytes.iter());
    let text = format!("{ADMISSION}{program}");
    let compiled = compile(&Source::new("crdt", &text), &catalog(), &BTreeMap::new());
    let compiled = compiled.unwrap_or_else(|problems| panic!("{problems}"));
    let mut naive = Naive::new(compiled.program.clone()).unwrap();
    let mut cluster = Cluster::new(compiled.program.clone()).unwrap();
    let mut native = Native::new(compiled.program.clone()).unwrap();
    let facts = history(dice).facts;
    let heights = heights(&facts);
    let mut present = BTreeMap::new();
    let mut kept = Outputs::new();
    let mut waiting: Vec<&Fact> = facts.iter().collect();
    while !waiting.is_empty() {
        let mut changes = Changes::new();
        if !present.is_empty() && dice.below(4) == 3 {
            let cids: Vec<Cid> = present.keys().copied().collect();
            let withdrawn: &Fact = present.remove(&dice.pick(&cids)).unwrap();
            change(&mut changes, withdrawn, heights[&withdrawn.cid()], -1);
        }
        for _ in 0..=dice.below(5).min(waiting.len() - 1) {
            let fact = waiting.swap_remove(dice.below(waiting.len()));
            present.insert(fact.cid(), fact);
            change(&mut changes, fact, heights[&fact.cid()], 1);
        }
        changes.retain(|name, _| compiled.bases.iter().any(|base| base.name == *name));
        let expected = naive.step(&changes, Budget::default()).unwrap();
        prop_assert_eq!(cluster.step(&changes, Budget::default()), Ok(expected.clone()));
        prop_assert_eq!(native.step(&changes, Budget::default()), Ok(expected.clone()));
        apply(&mut kept, expected);
        let wanted = oracle(&Present { facts: present.clone(), heights: &heights });
        prop_assert_eq!(&kept, &wanted, "of {:#?}", present);
    }
    Ok(())
}

/// Writers set registers: each cites the candidates it knows.
fn writes(dice: &mut Dice) -> History {
    let mut history = History::default();
    for _ in 0..4 + dice.below(16) {
        let known = history.known(dice);
        let (entity, attribute) = (dice.pick(&[*b"1", *b"2"]), dice.pick(&["x", "y"]));
        let same = (Value::bytes(entity.to_vec()), Value::from(attribute));
        let causes = history.heads(&known, |fact| register(fact) == same);
        let value = i64::try_from(dice.below(5)).unwrap();
        history.add(&entity, attribute, value, causes);
    }
    history
}

fn registers(present: &Present) -> Outputs {
    let row = |fact: &Fact| vec![register(fact).0, register(fact).1, fact.value().clone()];
    let with_cid = |(cid, fact): &(Cid, &Fact)| [&row(fact)[..], &[Value::Link(*cid)]].concat();
    let candidates = present.candidates().into_values().flatten();
    let winners: BTreeSet<Row> = present.winners().into_values().map(|(_, fact)| row(fact)).collect();
    let candidates = candidates.map(|one| with_cid(&one)).collect();
    outputs([("mv", candidates), ("lww", winners.clone()), ("at_once", winners)])
}

/// Adds and removes of elements: a remove cites the adds of the element that its writer knows, and no others.
fn sets(dice: &mut Dice) -> History {
    let mut history = History::default();
    for _ in 0..4 + dice.below(16) {
        let known = history.known(dice);
        let (set, element) = (dice.pick(&[*b"s", *b"t"]), dice.pick(&["a", "b", "c"]));
        let same = (Value::bytes(set.to_vec()), Value::from("set/add"));
        let adds = history.heads(&known, |fact| register(fact) == same && *fact.value() == element.into());
        match dice.below(3) {
            0 => history.add(&set, "set/rem", element, adds),
            _ => history.add(&set, "set/add", element, history.heads(&known, |_| true)),
        };
    }
    history
}

/// 4.3: a set keeps what was added and is not removed.
const SETS: &str = r#"
    removed(cid: A) :-
        op(cid: R, e: S, a: "set/rem"), cause(cid: R, parent: A), op(cid: A, e: S, a: "set/add").
    member(s: S, x: X) :- op(cid: A, e: S, a: "set/add", v: X), !removed(cid: A).
    output member.
"#;

fn members(present: &Present) -> Outputs {
    let removes = present.about("set/rem");
    let stays = |cid: &Cid, fact: &Fact| {
        !removes.iter().any(|(_, one)| one.entity() == fact.entity() && one.causes().contains(cid))
    };
    let adds = present.about("set/add").into_iter().filter(|(cid, fact)| stays(cid, fact));
    outputs([("member", adds.map(|(_, fact)| vec![register(fact).0, fact.value().clone()]).collect())])
}

/// Increments: each has an entity of its own, so equal ones stay apart.
fn increments(dice: &mut Dice) -> History {
    let mut history = History::default();
    for number in 0..3 + dice.below(10) {
        let entity = [b'i', u8::try_from(number).unwrap()];
        let known = history.known(dice);
        let of = history.add(&entity, "ctr/of", dice.pick(&["likes", "views"]), vec![]);
        let mut causes = history.heads(&known, |_| true);
        causes.push(of);
        let amount = i64::try_from(dice.below(5)).unwrap() - 2;
        history.add(&entity, "ctr/delta", amount, causes);
    }
    history
}

/// 4.4: the sum ranges over operations, not over amounts (PL-24).
const COUNTERS: &str = r#"
    delta(k: K, op: O, d: D) :- op(e: O, a: "ctr/of", v: K), op(e: O, a: "ctr/delta", v: D).
    total(k: K, t: T) :- delta(k: K), T := sum D : delta(k: K, op: O, d: D).
    output total.
"#;

fn totals(present: &Present) -> Outputs {
    let mut totals = BTreeMap::<Value, i64>::new();
    for (_, of) in present.about("ctr/of") {
        for (_, delta) in present.about("ctr/delta") {
            if of.entity() == delta.entity() {
                *totals.entry(of.value().clone()).or_default() += delta.value().as_int().unwrap();
            }
        }
    }
    outputs([("total", totals.into_iter().map(|(key, total)| vec![key, Value::Int(total)]).collect())])
}

/// Insertions after what the writer knows, and deletions of it.
fn edits(dice: &mut Dice) -> History {
    let mut history = History::default();
    let root = history.add(b"list", "list/root", true, vec![]);
    let mut inserts = vec![root];
    for number in 0..3 + dice.below(12) {
        let entity = [b'e', u8::try_from(number).unwrap()];
        let known = history.known(dice);
        let known: Vec<Cid> = inserts.iter().copied().filter(|cid| known.contains(cid)).collect();
        match (dice.below(4), known.last()) {
            (0, Some(last)) if *last != root => {
                let gone = dice.pick(&known[1..]);
                history.add(&entity, "list/del", gone, vec![gone]);
            }
            _ => {
                let after = if known.is_empty() { root } else { dice.pick(&known) };
                let causes = [&known[..], &[after]].concat();
                inserts.push(history.add(&entity, "list/after", after, causes));
            }
        }
    }
    history
}

/// 4.5: a list as a tree of insertions, read in pre-order with the newest sibling first.
const LISTS: &str = r#"
    ins(id: I, p: P, h: H) :- op(cid: I, a: "list/after", v: P), height(cid: I, height: H).
    before(p: P, x: X, y: Y) :- ins(id: X, p: P, h: HX), ins(id: Y, p: P, h: HY), HX > HY.
    before(p: P, x: X, y: Y) :- ins(id: X, p: P, h: H), ins(id: Y, p: P, h: H), X > Y.
    notFirst(y: Y) :- before(y: Y).
    firstChild(p: P, c: C) :- ins(id: C, p: P), !notFirst(y: C).
    between(x: X, z: Z) :- before(x: X, y: Y), before(x: Y, y: Z).
    nextSib(x: X, y: Y) :- before(x: X, y: Y), !between(x: X, z: Y).
    hasNext(x: X) :- nextSib(x: X).          hasChild(p: P) :- ins(p: P).
    up(x: X, y: Y) :- nextSib(x: X, y: Y).
    up(x: X, y: Y) :- ins(id: X, p: P), !hasNext(x: X), up(x: P, y: Y).
    next(x: X, y: Y) :- firstChild(p: X, c: Y).
    next(x: X, y: Y) :- ins(id: X), !hasChild(p: X), up(x: X, y: Y).
    tomb(id: I) :- op(a: "list/del", v: I).
    skip(x: X, y: Y) :- next(x: X, y: Y).
    skip(x: X, y: Z) :- next(x: X, y: Y), tomb(id: Y), skip(x: Y, y: Z).
    vis(x: X, y: Y) :- skip(x: X, y: Y), !tomb(id: X), !tomb(id: Y).
    output vis.
"#;

fn neighbours(present: &Present) -> Outputs {
    fn walk(present: &Present, inserts: &[(Cid, &Fact)], at: Cid, order: &mut Vec<Cid>) {
        order.push(at);
        let children = inserts.iter().filter(|(_, fact)| *fact.value() == Value::Link(at));
        let mut children: Vec<Cid> = children.map(|(cid, _)| *cid).collect();
        children.sort_by_key(|cid| std::cmp::Reverse((present.heights[cid], *cid)));
        children.into_iter().for_each(|child| walk(present, inserts, child, order));
    }
    let mut order = Vec::new();
    for (root, _) in present.about("list/root") {
        walk(present, &present.about("list/after"), root, &mut order);
    }
    let gone: Vec<Value> = present.about("list/del").iter().map(|(_, fact)| fact.value().clone()).collect();
    let order: Vec<Value> = order.into_iter().map(Value::Link).filter(|one| !gone.contains(one)).collect();
    outputs([("vis", order.windows(2).map(<[Value]>::to_vec).collect())])
}

/// Nodes are put under nodes, by writers who do not know of each other: cycles come about.
fn moves(dice: &mut Dice) -> History {
    let mut history = History::default();
    for _ in 0..3 + dice.below(14) {
        let known = history.known(dice);
        let (node, parent) =
            (dice.pick(&[*b"a", *b"b", *b"c", *b"d"]), dice.pick(&[*b"a", *b"b", *b"c", *b"r"]));
        let same = (Value::bytes(node.to_vec()), Value::from("tree/parent"));
        let causes = history.heads(&known, |fact| register(fact) == same);
        history.add(&node, "tree/parent", Value::bytes(parent.to_vec()), causes);
    }
    history
}

/// 4.6: the approximation in strata: each cycle of winners is cut at its greatest CID.
const TREES: &str = r#"
    cur(n: N, p: P, cid: W) :- win(e: N, a: "tree/parent", cid: W), mv(e: N, v: P, cid: W).
    reach(a: A, b: B) :- cur(n: A, p: B).
    reach(a: A, b: C) :- cur(n: A, p: B), reach(a: B, b: C).
    cyc(n: N, m: M, cid: C) :- reach(a: N, b: M), reach(a: M, b: N), cur(n: M, cid: C).
    worst(n: N, cid: W) :- cyc(n: N), W := max C : cyc(n: N, cid: C).
    loser(n: N) :- worst(n: N, cid: C), cur(n: N, cid: C).
    tree(n: N, p: P) :- cur(n: N, p: P), !loser(n: N).
    tree(n: N, p: "ROOT") :- loser(n: N).
    output tree.
"#;

fn parents(present: &Present) -> Outputs {
    let winners = present.winners();
    let parents: BTreeMap<Value, (Cid, Value)> =
        winners.into_iter().map(|((node, _), (cid, fact))| (node, (cid, fact.value().clone()))).collect();
    // The CIDs on the way up, for as long as it does not come back to where it began.
    let cycle = |node: &Value| {
        let (mut at, mut cids) = (node, Vec::new());
        for _ in 0..=parents.len() {
            let (cid, parent) = parents.get(at)?;
            cids.push(*cid);
            at = parent;
            if at == node {
                return cids.into_iter().max();
            }
        }
        None
    };
    let under = |node: &Value, own: &Cid, parent: &Value| {
        if cycle(node) == Some(*own) { Value::from("ROOT") } else { parent.clone() }
    };
    let rows = parents.iter().map(|(node, (cid, parent))| vec![node.clone(), under(node, cid, parent)]);
    outputs([("tree", rows.collect())])
}

fn cases() -> u32 {
    std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(25)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 20..400)
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    /// §4.0, §4.1, §4.2.
    #[test]
    fn registers_have_candidates_and_a_winner(bytes in bytes()) {
        let program = format!("{REGISTERS}{WINNERS_AT_ONCE} output mv. output lww. output at_once.");
        check(&bytes, &program, writes, registers)?;
    }

    /// §4.3.
    #[test]
    fn an_add_wins_over_a_remove_that_did_not_know_it(bytes in bytes()) {
        check(&bytes, SETS, sets, members)?;
    }

    /// §4.4.
    #[test]
    fn a_counter_is_the_sum_of_its_operations(bytes in bytes()) {
        check(&bytes, COUNTERS, increments, totals)?;
    }

    /// §4.5.
    #[test]
    fn a_list_is_its_insertions_in_order_without_what_was_deleted(bytes in bytes()) {
        check(&bytes, LISTS, edits, neighbours)?;
    }

    /// §4.6.
    #[test]
    fn a_tree_has_no_cycle(bytes in bytes()) {
        check(&bytes, &format!("{REGISTERS}{TREES}"), moves, parents)?;
    }
}
