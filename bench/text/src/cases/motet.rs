//! Motet, from the bare order of elements to an item with all that it knows of its facts.

use motet_fact::{Cid, Codec, Entity, Fact, PublicKey};
use motet_feed::Position;
use motet_item::sequence::{Sequence, Veil};
use motet_item::{
    Assertion, Genesis, Item, ItemId, Model, Past, Place, Registry, State, Text, TextEdit, TextState, Told,
};

use super::{Figures, measure};
use crate::trace::{Edit, Trace};

/// The order of elements, and their characters in one string: what diamond-types does, less its log.
pub fn sequence(trace: &Trace) -> Figures {
    let apply = |trace: &Trace| {
        let (mut order, mut text) = (Sequence::default(), String::new());
        let mut runs = Vec::new();
        for Edit(at, removed, inserted) in &trace.edits {
            let at = *at as u32;
            if *removed > 0 {
                order.runs(at, *removed as u32, |start, len| runs.push((start, start + len)));
                runs.drain(..).for_each(|(start, end)| order.veil(start, end, Veil::Lay));
            }
            if !inserted.is_empty() {
                let origin = order.origin(at);
                let len = inserted.chars().count() as u32;
                order.insert(origin, len, 0, |_, _, _| unreachable!("one writer meets nobody"));
                text.push_str(inserted);
            }
        }
        (order, text)
    };
    // The traces are ASCII: an element is a byte.
    let content = |(order, text): &(Sequence, String)| {
        let mut content = String::new();
        order.runs(0, order.visible(), |start, len| content += &text[start as usize..(start + len) as usize]);
        content
    };
    measure(trace, apply, content, |_| Vec::new(), |_| (), |()| None)
}

pub fn facts(trace: &Trace) -> Figures {
    replay(trace, 1)
}

pub fn bursts(trace: &Trace) -> Figures {
    replay(trace, 100)
}

fn item() -> ItemId {
    ItemId([7; 32])
}

fn edits(edits: &[Edit]) -> Vec<TextEdit> {
    let edit = |Edit(at, removed, inserted): &Edit| TextEdit {
        range: *at..*at + *removed,
        insert: inserted.clone(),
    };
    edits.iter().map(edit).collect()
}

fn fresh() -> impl FnMut() -> Entity {
    let mut count = 0_u128;
    move || {
        count += 1;
        Entity::from(count.to_be_bytes())
    }
}

/// The state of a text, each transaction of which becomes facts with their CIDs, that the state is then told of.
fn replay(trace: &Trace, at_once: usize) -> Figures {
    let apply = |trace: &Trace| {
        let (mut state, mut fresh) = (TextState::new(item()), fresh());
        for batch in trace.edits.chunks(at_once) {
            let facts = state.facts(&edits(batch), &mut fresh).expect("the trace stays inside");
            state.step(&facts.iter().map(told).collect::<Vec<_>>());
        }
        state
    };
    let load = |bytes: &[u8]| Text.restore(item(), bytes).expect("it was saved");
    measure(trace, apply, TextState::content, |state| state.snapshot(), load, |_| None)
}

fn told(fact: &Fact) -> Told<'_> {
    let cid = fact.cid();
    let feed = PublicKey::from_bytes(&[0; 32]).expect("32 bytes");
    Told {
        cid,
        entity: fact.entity(),
        attribute: fact.attribute(),
        value: fact.value(),
        causes: Vec::new(),
        written: fact.causes().to_vec(),
        height: 1,
        place: Place { entry: Position { depth: 0, feed, id: cid }, index: 0 },
        weight: 1,
    }
}

/// Entries in one line.
struct Line;

impl Past for Line {
    fn reaches(&self, _descendant: &Cid, _ancestor: &Cid) -> bool {
        true
    }
}

/// An item, an entry per edit: what a replica does but for entries, their signatures and the store.
pub fn item_case(trace: &Trace) -> Figures {
    let party = PublicKey::from_bytes(&[9; 32]).expect("32 bytes");
    let feed = PublicKey::from_bytes(&[1; 32]).expect("32 bytes");
    let entry = |depth: u64| Position { depth, feed, id: Cid::of(Codec::Raw, &depth.to_le_bytes()) };
    let genesis = Genesis { nonce: [3; 16], model: Text::NAME.to_owned(), version: 1, kind: None };
    let id = genesis.id(&party, &feed);
    let apply = |trace: &Trace| {
        let mut item = Item::new(party, id, &Registry::builtin());
        let mut write = |item: &mut Item, depth, facts: &[Fact]| {
            let assertion = |fact| Assertion { fact, entry: entry(depth), counted: true };
            item.assert(&facts.iter().map(assertion).collect::<Vec<_>>(), &Line);
        };
        write(&mut item, 1, &genesis.facts(id).expect("it is short"));
        let mut fresh = fresh();
        for (depth, edit) in trace.edits.iter().enumerate() {
            let state: &TextState = item.state().expect("it is a text");
            let facts =
                state.facts(&edits(std::slice::from_ref(edit)), &mut fresh).expect("the trace stays inside");
            write(&mut item, depth as u64 + 2, &facts);
        }
        item
    };
    let content = |item: &Item| item.state::<TextState>().expect("it is a text").content();
    let load = |bytes: &[u8]| Text.restore(id, bytes).expect("it was saved");
    measure(trace, apply, content, |item| item.snapshot().expect("it has a state"), load, |_| None)
}
