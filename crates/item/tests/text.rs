//! The model Text against its stupid twin, a tree of characters that is built anew and walked each time: on random
//! histories of writers who know different entries, with entries that are cut and counted again, undone, given twice
//! and in other orders, and with operations that nobody in his right mind would write.

use crate::common::writers;

use std::collections::{BTreeMap, BTreeSet};

use crate::common::writers::{Fresh, Replica, World, cases};
use motet_fact::{Cid, Entity, Fact, Value};
use motet_item::{Anchor, Bias, EditError, Model, Place, State, Text, TextEdit, TextState, Told};
use proptest::prelude::*;

// The twin.

type Name = (Cid, u32);

/// What an insertion says: where it hangs, on the right or not, and the characters.
type Insertion = (Option<Name>, bool, Vec<char>);

#[derive(Default)]
struct Twin {
    insertions: BTreeMap<Cid, Insertion>,
    deletions: BTreeMap<Cid, BTreeSet<Name>>,
    counted: BTreeSet<Cid>,
}

fn number(bytes: &mut Vec<u8>) -> Option<u64> {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let number: Vec<u8> = bytes.drain(..len).collect();
    let shortest = number.len() == 1 || *number.last().unwrap() != 0;
    let value = number.iter().rev().fold(0_u128, |value, byte| value << 7 | u128::from(byte & 0x7f));
    u64::try_from(value).ok().filter(|&value| shortest && value <= u64::from(u32::MAX))
}

impl Twin {
    fn read(facts: &[(Fact, bool)]) -> Self {
        let mut twin = Twin::default();
        for (fact, counted) in facts {
            let cid = fact.cid();
            let understood = match fact.attribute().as_text() {
                Some("text/insert") => twin.insertion(fact).map(|it| drop(twin.insertions.insert(cid, it))),
                Some("text/delete") => twin.deletion(fact).map(|it| drop(twin.deletions.insert(cid, it))),
                _ => None,
            };
            if understood.is_some() && *counted {
                twin.counted.insert(cid);
            }
        }
        twin
    }

    fn insertion(&self, fact: &Fact) -> Option<Insertion> {
        let mut bytes = fact.value().as_bytes()?.to_vec();
        let head = number(&mut bytes)?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
        let origin = match fact.causes() {
            [] if head == 1 => None,
            [parent] if head / 2 < self.insertions.get(parent)?.2.len() as u64 => {
                Some((*parent, head as u32 / 2))
            }
            _ => return None,
        };
        Some((origin, head % 2 == 1, text.chars().collect()))
    }

    fn deletion(&self, fact: &Fact) -> Option<BTreeSet<Name>> {
        let mut bytes = fact.value().as_bytes()?.to_vec();
        let mut names = BTreeSet::new();
        for cause in fact.causes() {
            let len = self.insertions.get(cause)?.2.len() as u64;
            let (count, mut end) = (number(&mut bytes).filter(|&count| count > 0)?, 0);
            for run in 0..count {
                let gap = number(&mut bytes).filter(|&gap| run == 0 || gap > 0)?;
                let start = end + gap;
                end = start + number(&mut bytes).filter(|&len| len > 0)?;
                if end > len {
                    return None;
                }
                names.extend((start..end).map(|offset| (*cause, offset as u32)));
            }
        }
        (bytes.is_empty() && !names.is_empty()).then_some(names)
    }

    /// The characters in document order, with their names and whether they are shown.
    fn walk(&self) -> Vec<(Name, char, bool)> {
        let mut children: BTreeMap<_, Vec<(bool, Cid, Name)>> = BTreeMap::new();
        for (cid, (origin, right, text)) in &self.insertions {
            children.entry((*origin, *right)).or_default().push((true, *cid, (*cid, 0)));
            for offset in 1..text.len() as u32 {
                children.entry((Some((*cid, offset - 1)), true)).or_default().push((
                    false,
                    *cid,
                    (*cid, offset),
                ));
            }
        }
        for (&(_, right), children) in &mut children {
            children.sort();
            if right {
                children.reverse();
            }
        }
        let hidden: BTreeSet<Name> = self
            .deletions
            .iter()
            .filter(|(cid, _)| self.counted.contains(cid))
            .flat_map(|(_, names)| names.clone())
            .collect();
        let mut order = Vec::new();
        // Elements to expand, and elements to put out.
        let mut stack: Vec<(Name, bool)> = Vec::new();
        let push = |stack: &mut Vec<(Name, bool)>, origin: Option<Name>, right: bool| {
            let of = children.get(&(origin, right)).into_iter().flatten();
            stack.extend(of.rev().map(|(.., name)| (*name, true)));
        };
        push(&mut stack, None, true);
        while let Some((name, expand)) = stack.pop() {
            if expand {
                push(&mut stack, Some(name), true);
                stack.push((name, false));
                push(&mut stack, Some(name), false);
            } else {
                let shown = self.counted.contains(&name.0) && !hidden.contains(&name);
                order.push((name, self.insertions[&name.0].2[name.1 as usize], shown));
            }
        }
        order
    }
}

fn text_of(walk: &[(Name, char, bool)]) -> String {
    walk.iter().filter(|(.., shown)| *shown).map(|(_, character, _)| *character).collect()
}

// Histories.

#[derive(Clone, Debug)]
enum Action {
    /// Types in a place, over some characters.
    Type { at: u16, over: u8, text: u8 },
    /// Makes several edits in one transaction.
    Edit(Vec<(u16, u8, u8)>),
    /// Makes edits, and takes them back.
    TryOut(Vec<(u16, u8, u8)>),
    /// Learns what another knows.
    Learn { from: u8, some: u8 },
    /// Takes back what an entry did.
    Undo { entry: u8 },
    /// Says what an earlier entry said.
    Repeat { entry: u8 },
    /// States something strange.
    Wild { shape: u8, cause: u8, other: u8, numbers: [u8; 4] },
    /// Entries are cut or count again, and the writer hears of it.
    Cut { mask: u16 },
}

const TEXTS: [&str; 6] = ["", "a", "bc", "déf", "😀", "long text"];

fn edit(at: u16, over: u8, text: u8, len: usize) -> TextEdit {
    let start = at as usize % (len + 1);
    let range = start..(start + over as usize % 4).min(len);
    TextEdit { range, insert: TEXTS[text as usize % TEXTS.len()].to_owned() }
}

fn wild(world: &World, writer: &Replica, fresh: Entity, action: &Action) -> Option<Fact> {
    let Action::Wild { shape, cause, other, numbers } = action else { return None };
    let known: Vec<Cid> =
        world.facts(&writer.known, &BTreeSet::new()).iter().map(|(fact, _)| fact.cid()).collect();
    let pick = |at: u8| known[at as usize % known.len()];
    let mut causes = match shape % 4 {
        0 => vec![],
        3 => vec![pick(*cause), pick(*other)],
        _ => vec![pick(*cause)],
    };
    causes.sort();
    causes.dedup();
    let (attribute, value) = if shape & 4 == 0 {
        let mut value = vec![numbers[0] % 12];
        value.extend(["x", "yz", "", "\u{ff}"][numbers[1] as usize % 4].as_bytes());
        if numbers[2] % 8 == 0 {
            value.push(0xff);
        }
        ("text/insert", Value::bytes(value))
    } else {
        let value: Vec<u8> = numbers.iter().map(|number| number % 4).collect();
        let len = [3, 3, 4, 2][(*shape >> 6) as usize];
        ("text/delete", if shape & 8 == 0 { Value::bytes(&value[..len]) } else { Value::Int(3) })
    };
    Some(Fact::new(fresh, attribute.into(), value, causes).unwrap())
}

struct Run {
    world: World,
    writers: Vec<Replica>,
    fresh: Vec<Fresh>,
}

impl Run {
    fn new() -> Self {
        let world = World::new(Text::NAME);
        let writers = (0..3).map(|_| Replica::new(&world)).collect();
        Run { world, writers, fresh: (0..3).map(Fresh::new).collect() }
    }

    fn state(&self, writer: usize) -> &TextState {
        self.writers[writer].item.state().unwrap()
    }

    fn act(&mut self, writer: usize, action: &Action) {
        match action {
            Action::Type { at, over, text } => {
                let len = self.state(writer).len();
                self.edit(writer, &[edit(*at, *over, *text, len)]);
            }
            Action::Edit(edits) => {
                let mut now: Vec<char> = self.state(writer).content().chars().collect();
                let mut made = Vec::new();
                for &(at, over, text) in edits {
                    let edit = edit(at, over, text, now.len());
                    now.splice(edit.range.clone(), edit.insert.chars());
                    made.push(edit);
                }
                self.edit(writer, &made);
                assert_eq!(
                    self.state(writer).content(),
                    now.iter().collect::<String>(),
                    "what was meant is said"
                );
            }
            Action::TryOut(edits) => {
                let before = self.state(writer).content();
                self.act(writer, &Action::Edit(edits.clone()));
                let entry = self.world.entries.len() - 1;
                self.undo(writer, entry);
                assert_eq!(self.state(writer).content(), before, "what is taken back is as it was");
            }
            Action::Learn { from, some } => {
                let from = *from as usize % self.writers.len();
                let news: BTreeSet<usize> =
                    self.writers[from].known.difference(&self.writers[writer].known).copied().collect();
                let news = self.order_after(writer, &news, *some);
                let count = news.len().min(1 + *some as usize);
                self.writers[writer].take(&self.world, &news[..count]);
            }
            Action::Undo { entry } => self.undo(writer, *entry as usize % self.world.entries.len()),
            Action::Repeat { entry } => {
                let known: Vec<usize> = self.writers[writer].known.iter().copied().collect();
                let facts = self.world.entries[known[*entry as usize % known.len()]].facts.clone();
                self.state_facts(writer, facts);
            }
            Action::Wild { .. } => {
                let fresh = self.fresh[writer].next();
                let fact = wild(&self.world, &self.writers[writer], fresh, action).unwrap();
                self.state_facts(writer, vec![fact]);
            }
            Action::Cut { mask } => {
                let is_cut = |entry: &usize| *entry > 0 && mask >> (entry % 16) & 1 == 1;
                self.world.cut = (0..self.world.entries.len()).filter(is_cut).collect();
                let cut = self.world.cut.clone();
                self.writers[writer].recount(&self.world, &cut);
            }
        }
        self.check(writer);
    }

    fn undo(&mut self, writer: usize, entry: usize) {
        let said: Vec<Cid> = self.world.entries[entry].facts.iter().map(Fact::cid).collect();
        let fresh = &mut self.fresh[writer];
        let state: &TextState = self.writers[writer].item.state().unwrap();
        let facts = state.undo(&said, &mut || fresh.next()).unwrap().unwrap();
        self.state_facts(writer, facts);
    }

    /// News in an order in which a writer can take them.
    fn order_after(&self, writer: usize, news: &BTreeSet<usize>, choice: u8) -> Vec<usize> {
        let known = &self.writers[writer].known;
        let all: BTreeSet<usize> = known.union(news).copied().collect();
        let order = self.world.order(&all, &[choice, choice / 3, choice / 7]);
        order.into_iter().filter(|entry| news.contains(entry)).collect()
    }

    fn edit(&mut self, writer: usize, edits: &[TextEdit]) {
        let fresh = &mut self.fresh[writer];
        let state: &TextState = self.writers[writer].item.state().unwrap();
        let facts = state.facts(edits, &mut || fresh.next()).unwrap();
        self.state_facts(writer, facts);
    }

    fn state_facts(&mut self, writer: usize, facts: Vec<Fact>) {
        let past = self.writers[writer].known.clone();
        let entry = self.world.write(&past, writer as u8, facts);
        self.world.cut.remove(&entry);
        self.writers[writer].take(&self.world, &[entry]);
    }

    fn check(&self, writer: usize) {
        check(&self.world, &self.writers[writer]);
    }
}

fn check(world: &World, replica: &Replica) {
    let twin = Twin::read(&world.facts(&replica.known, &replica.cut));
    let walk = twin.walk();
    let state: &TextState = replica.item.state().unwrap();
    assert_eq!(state.content(), text_of(&walk), "the text is the twin's");
    assert_eq!(state.operations(), (twin.insertions.len() + twin.deletions.len(), twin.counted.len()));
    let shown: Vec<char> = state.content().chars().collect();
    let len = shown.len();
    assert_eq!(state.len(), len);
    for from in 0..=len {
        let to = len.min(from + 3);
        assert_eq!(state.slice(from..to).unwrap(), shown[from..to].iter().collect::<String>());
        let units = state.utf16_of_position(from).unwrap();
        assert_eq!(units, shown[..from].iter().map(|character| character.len_utf16()).sum::<usize>());
        assert_eq!(state.position_of_utf16(units), Some(from));
    }
    replica.rows();
}

/// A replica that hears of everything in another order, and of other cuts on the way.
fn hear(world: &World, choices: &[u8], snapshots: bool) -> Replica {
    let mut world_cut = BTreeSet::new();
    let mut replica = Replica::new(world);
    let all: BTreeSet<usize> = (0..world.entries.len()).collect();
    let order = world.order(&all, choices);
    for (step, news) in order.chunks(3).enumerate() {
        replica.take(world, news);
        replica.take(world, news);
        let choice = choices[step % choices.len()] as usize;
        if choice.is_multiple_of(3) {
            let cut = |entry: &usize| (entry + choice).is_multiple_of(4) && *entry > 0;
            world_cut = all.iter().copied().filter(cut).collect();
            replica.recount(world, &world_cut);
        }
        check(world, &replica);
        if snapshots {
            reads_back(&replica);
        }
    }
    let _ = world_cut;
    replica.recount(world, &world.cut);
    check(world, &replica);
    replica
}

fn reads_back(replica: &Replica) {
    let snapshot = replica.item.snapshot().unwrap();
    let restored = Text.restore(replica.item.id(), &snapshot).unwrap();
    assert_eq!(restored.snapshot(), snapshot);
    let state: &TextState = replica.item.state().unwrap();
    assert_eq!(restored.digest(), state.digest());
}

fn action() -> impl Strategy<Value = Action> {
    let byte = any::<u8>;
    let place = || (any::<u16>(), any::<u8>(), any::<u8>());
    let numbers = any::<[u8; 4]>();
    prop_oneof![
        6 => place().prop_map(|(at, over, text)| Action::Type { at, over, text }),
        2 => prop::collection::vec(place(), 1..5).prop_map(Action::Edit),
        1 => prop::collection::vec(place(), 1..5).prop_map(Action::TryOut),
        4 => (byte(), byte()).prop_map(|(from, some)| Action::Learn { from, some }),
        1 => byte().prop_map(|entry| Action::Undo { entry }),
        1 => byte().prop_map(|entry| Action::Repeat { entry }),
        2 => (byte(), byte(), byte(), numbers)
            .prop_map(|(shape, cause, other, numbers)| Action::Wild { shape, cause, other, numbers }),
        1 => any::<u16>().prop_map(|mask| Action::Cut { mask }),
    ]
}

fn history() -> impl Strategy<Value = Vec<(usize, Action)>> {
    prop::collection::vec((0..3_usize, action()), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn a_text_equals_its_twin_whatever_is_written_cut_and_told_when(
        history in history(),
        choices in prop::collection::vec(any::<u8>(), 1..12),
        others in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let mut run = Run::new();
        for (writer, action) in &history {
            run.act(*writer, action);
        }
        let (one, other) = (hear(&run.world, &choices, true), hear(&run.world, &others, false));
        prop_assert_eq!(one.item.snapshot(), other.item.snapshot());
        prop_assert_eq!(one.item.state_hash(), other.item.state_hash());
    }

    #[test]
    fn a_text_goes_on_from_its_snapshot(
        history in history(),
        at in any::<u16>(),
        cuts in prop::collection::vec(any::<u8>(), 1..30),
    ) {
        let mut run = Run::new();
        for (writer, action) in &history {
            run.act(*writer, action);
        }
        let all: BTreeSet<usize> = (0..run.world.entries.len()).collect();
        let mut facts = run.world.facts(&all, &run.world.cut);
        facts.retain(|(fact, _)| Text.keeps_withdrawn(fact.attribute()));
        prop_assume!(!facts.is_empty());
        let at = at as usize % (facts.len() + 1);
        let mut state = TextState::new(run.world.id);
        let tell = |state: &mut TextState, facts: &[(Fact, bool)]| {
            let all = facts.iter().map(|(fact, counted)| told(fact, i64::from(*counted)));
            state.step(&all.collect::<Vec<_>>());
        };
        tell(&mut state, &facts[..at]);
        let mut restored = state.clone();
        restored_from(&mut restored, run.world.id);
        for state in [&mut state, &mut restored] {
            tell(state, &facts[at..]);
        }
        prop_assert_eq!(state.content(), restored.content());
        for cut in cuts {
            let (fact, counted) = &facts[cut as usize % facts.len()];
            let was: i64 = if *counted { -1 } else { 1 };
            for state in [&mut state, &mut restored] {
                state.step(&[told(fact, was)]);
            }
            prop_assert_eq!(state.snapshot(), restored.snapshot());
            prop_assert_eq!(state.digest(), restored.digest());
            for state in [&mut state, &mut restored] {
                state.step(&[told(fact, -was)]);
            }
        }
        prop_assert_eq!(state.content(), restored.content());
    }

    #[test]
    fn a_damaged_snapshot_is_refused_or_is_another(
        history in history(),
        damage in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4),
    ) {
        let mut run = Run::new();
        for (writer, action) in &history {
            run.act(*writer, action);
        }
        let snapshot = run.writers[0].item.snapshot().unwrap();
        let mut damaged = snapshot.clone();
        for (at, byte) in damage {
            let at = at as usize % damaged.len();
            if byte % 4 == 0 {
                damaged.remove(at);
            } else {
                damaged[at] = byte;
            }
            if damaged.is_empty() {
                return Ok(());
            }
        }
        if let Ok(state) = Text.restore(run.world.id, &damaged) {
            prop_assert_eq!(state.snapshot(), damaged);
        }
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_are_not(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(state) = Text.restore(motet_item::ItemId([1; 32]), &bytes) {
            prop_assert_eq!(state.snapshot(), bytes.clone());
        }
        let _ = Anchor::from_bytes(&bytes).map(|anchor| assert_eq!(anchor.to_bytes(), bytes));
    }
}

fn restored_from(state: &mut TextState, id: motet_item::ItemId) {
    let restored = Text.restore(id, &state.snapshot()).unwrap();
    let restored: Box<dyn std::any::Any> = restored;
    *state = *restored.downcast::<TextState>().unwrap();
}

fn told(fact: &Fact, weight: i64) -> Told<'_> {
    let entry = motet_feed::Position { depth: 0, feed: writers::key(1), id: fact.cid() };
    let place = Place { entry, index: 0 };
    Told {
        cid: fact.cid(),
        entity: fact.entity(),
        attribute: fact.attribute(),
        value: fact.value(),
        causes: Vec::new(),
        written: fact.causes().to_vec(),
        height: 1,
        place,
        weight,
    }
}

// Stories.

/// Texts of writers who all know what was written before they parted, and then each other's.
struct Story {
    run: Run,
}

impl Story {
    fn new() -> Self {
        Story { run: Run::new() }
    }

    fn write(&mut self, writer: usize, at: usize, text: &str) {
        self.run.edit(writer, &[TextEdit { range: at..at, insert: text.to_owned() }]);
    }

    fn delete(&mut self, writer: usize, range: std::ops::Range<usize>) {
        self.run.edit(writer, &[TextEdit { range, insert: String::new() }]);
    }

    fn meet(&mut self) {
        for writer in 0..3 {
            let news =
                (0..self.run.world.entries.len()).filter(|it| !self.run.writers[writer].known.contains(it));
            let news = self.run.order_after(writer, &news.collect(), writer as u8);
            self.run.writers[writer].take(&self.run.world, &news);
            self.run.check(writer);
        }
        assert_eq!(self.text(0), self.text(1));
        assert_eq!(self.text(0), self.text(2));
    }

    fn text(&self, writer: usize) -> String {
        self.run.state(writer).content()
    }
}

#[test]
fn words_typed_at_one_place_do_not_interleave_forwards_or_backwards() {
    for backwards in [[false, false, false], [true, true, true], [false, true, false]] {
        let mut story = Story::new();
        story.write(0, 0, "<>");
        story.meet();
        let words = ["Grüße", "hello", "ciao!"];
        for (writer, word) in words.iter().enumerate() {
            let letters: Vec<char> = word.chars().collect();
            for at in 0..letters.len() {
                if backwards[writer] {
                    story.write(writer, 1, &letters[letters.len() - 1 - at].to_string());
                } else {
                    story.write(writer, 1 + at, &letters[at].to_string());
                }
            }
        }
        story.meet();
        let text = story.text(0);
        assert_eq!(text.chars().count(), 17);
        for word in words {
            assert!(text.contains(word), "{text} has {word} in one piece");
        }
    }
}

#[test]
fn words_typed_after_a_word_that_somebody_else_goes_on_with_stay_whole() {
    let mut story = Story::new();
    story.write(0, 0, "a");
    story.meet();
    // One goes on behind the end, letter by letter; another puts a word there; a third puts one before the end.
    for (at, letter) in ["b", "c", "d"].into_iter().enumerate() {
        story.write(0, 1 + at, letter);
    }
    story.write(1, 1, "XYZ");
    story.write(2, 0, "123");
    story.meet();
    assert!(["123abcdXYZ", "123aXYZbcd"].contains(&story.text(0).as_str()), "{}", story.text(0));
}

#[test]
fn what_is_cut_takes_its_content_and_not_its_place() {
    // X types, Y builds on it, X is cut (H16).
    let mut story = Story::new();
    story.write(0, 0, "one two three");
    let x = story.run.world.entries.len();
    story.write(1, 0, ""); // an entry of nobody's, so that indexes differ from writers
    story.meet();
    story.write(1, 4, "and a half ");
    story.delete(1, 0..4);
    let deletion = story.run.world.entries.len() - 1;
    story.meet();
    story.write(2, 4, "quarter ");
    story.meet();
    assert_eq!(story.text(0), "and quarter a half two three");
    let all = |run: &mut Run, cut: &[usize]| {
        run.world.cut = cut.iter().copied().collect();
        let cut = run.world.cut.clone();
        for writer in 0..3 {
            run.writers[writer].recount(&run.world, &cut);
            run.check(writer);
        }
    };
    let first = x - 1;
    all(&mut story.run, &[first]);
    assert_eq!(story.text(1), "and quarter a half ", "what hung at the cut text is where it was");
    all(&mut story.run, &[deletion]);
    assert_eq!(story.text(2), "one and quarter a half two three", "what the cut deletion hid is there again");
    all(&mut story.run, &[]);
    assert_eq!(story.text(0), "and quarter a half two three", "and all is as it was");
}

#[test]
fn an_entry_that_never_counted_is_structure_too() {
    let mut story = Story::new();
    story.write(0, 0, "abc");
    story.meet();
    story.write(1, 1, "--");
    story.run.writers[2].take(&story.run.world, &[2]);
    story.write(2, 2, "+");
    // Somebody new hears of the cut first, and never sees the entry count.
    story.run.world.cut.insert(2);
    let replica = hear(&story.run.world, &[1, 2, 3], true);
    let state: &TextState = replica.item.state().unwrap();
    assert_eq!(state.content(), "a+bc");
}

#[test]
fn anchors_stay_beside_their_characters() {
    let mut story = Story::new();
    story.write(0, 0, "hello world");
    story.meet();
    let at = |story: &Story, writer: usize, anchor: &Anchor| story.run.state(writer).position(anchor);
    let anchor = |story: &Story, at, bias| story.run.state(0).anchor(at, bias).unwrap();
    let (left, right) = (anchor(&story, 5, Bias::Left), anchor(&story, 5, Bias::Right));
    let (start, end) = (anchor(&story, 0, Bias::Left), anchor(&story, 11, Bias::Right));
    for anchor in [&left, &right, &start, &end] {
        assert_eq!(Anchor::from_bytes(&anchor.to_bytes()).as_ref(), Some(anchor));
    }
    story.write(1, 5, ", dear");
    story.write(2, 0, "> ");
    story.write(2, 13, "!");
    story.meet();
    assert_eq!(story.text(0), "> hello, dear world!");
    let places = |story: &Story| [&start, &left, &right, &end].map(|anchor| at(story, 1, anchor).unwrap());
    assert_eq!(places(&story), [0, 7, 13, 20]);
    story.delete(0, 4..15);
    story.meet();
    assert_eq!(story.text(0), "> heorld!");
    assert_eq!(places(&story), [0, 4, 4, 9]);
    assert_eq!(story.run.state(0).anchor(10, Bias::Left), None);
}

#[test]
fn what_is_undone_is_as_it_was_beside_what_others_did() {
    let mut story = Story::new();
    story.write(0, 0, "one two three");
    story.meet();
    story.delete(0, 4..8);
    let deleted = story.run.world.entries.len() - 1;
    story.write(1, 6, "X");
    story.meet();
    assert_eq!(story.text(0), "one Xthree");
    story.run.act(0, &Action::Undo { entry: deleted as u8 });
    story.meet();
    assert_eq!(story.text(0), "one twXo three");
    story.run.act(1, &Action::Undo { entry: 1 });
    story.meet();
    assert_eq!(
        story.text(0),
        "twXo ",
        "what the deletion's undoing brought is not what the first entry wrote"
    );
}

#[test]
fn edits_past_the_end_are_named_and_long_texts_take_several_facts() {
    let mut story = Story::new();
    story.write(0, 0, "abc");
    let state = story.run.state(0);
    let past = state.facts(&[TextEdit { range: 2..5, insert: String::new() }], &mut || unreachable!());
    assert_eq!(past, Err(EditError::Outside { from: 2, to: 5, len: 3 }));
    assert_eq!(past.unwrap_err().to_string(), "positions 2 to 5 are not all in 0 to 3, where it ends");
    let long = "äöü".repeat(50_000);
    story.write(0, 1, &long);
    let facts = &story.run.world.entries.last().unwrap().facts;
    assert!(facts.len() > 4, "{} facts for 300,000 bytes", facts.len());
    assert_eq!(story.text(0), format!("a{long}bc"));
    story.delete(0, 1..150_001);
    assert_eq!(story.text(0), "abc");
}
