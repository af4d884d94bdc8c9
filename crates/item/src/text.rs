//! The model Text: a text that many write at once (H16).
//!
//! The text is a [`crate::sequence`] of Unicode scalar values. Its facts are insertions of runs and deletions of runs
//! ([`operation`] has their form): one fact for what was typed or pasted in one go, not one for each character. A text
//! has properties (a title, say) like any Object.
//!
//! **Withdrawing.** An operation that is withdrawn stays as structure: what it inserted is hidden, what it deleted
//! comes
//! back, and what others hung at it stays where it is. So the state is a function of the operations and of which of
//! them count; each element knows how many reasons there are to hide it: that its insertion does not count, and each
//! deletion that does.
//!
//! **Positions** count Unicode scalar values. [`TextState::utf16_of_position`] and its converse help those whose
//! strings count otherwise. An [`Anchor`] stays where it is while the text around it changes.
//!
//! **The body** is the attribute `text` of the item, unless it is empty. It is given to views that ask for it by that
//! name, and to no others (H17), for it is made anew when the text changes.

mod anchor;
mod buffer;
mod diff;
mod edit;
pub mod operation;
mod snapshot;

use std::any::Any;
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, Value};

pub use anchor::{Anchor, Bias};
use buffer::Buffer;
pub use edit::TextEdit;
use operation::{DELETE, INSERT, Insertion};

use crate::sequence::{Origin, Sequence, Side, Veil};
use crate::{BaseRelation, Change, EditError, ItemId, Model, SnapshotError, State, Told};

/// Text that many write at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

impl Text {
    /// What genesis entries call it.
    pub const NAME: &'static str = "text";
    /// The attribute that the text's body is published under.
    pub const BODY: &'static str = "text";
}

impl Model for Text {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(TextState::new(item)))
    }

    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Ok(Box::new(TextState::restore(item, snapshot)?))
    }

    fn publishes(&self, attribute: &Attribute) -> bool {
        attribute.as_text() != Some(Self::BODY)
    }

    fn keeps_withdrawn(&self, attribute: &Attribute) -> bool {
        matches!(attribute.as_text(), Some(INSERT | DELETE))
    }

    fn has_properties(&self) -> bool {
        true
    }

    fn rows_are_of_its_entities(&self) -> bool {
        true
    }
}

/// The state of a text.
#[derive(Clone)]
pub struct TextState {
    item: ItemId,
    operations: Vec<Operation>,
    numbers: HashMap<Cid, u32>,
    /// The first element and the number of each insertion, ascending.
    insertions: Vec<(u32, u32)>,
    /// The runs of elements that deletions name.
    deleted: Vec<Range<u32>>,
    sequence: Sequence,
    buffer: Buffer,
    /// The text as it was last published, if somebody asked for it.
    body: Option<Arc<str>>,
}

/// An insertion or deletion that is well formed.
#[derive(Clone)]
struct Operation {
    cid: Cid,
    counted: bool,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Of these elements.
    Insertion(Range<u32>),
    /// Of these of the deleted runs.
    Deletion(Range<u32>),
}

impl State for TextState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        for (at, told) in batch.iter().enumerate() {
            if matches!(told.attribute.as_text(), Some(INSERT | DELETE)) {
                // What only stands otherwise among the others is untold and told again.
                let again = |other: Option<&Told<'_>>| other.is_some_and(|other| other.cid == told.cid);
                let before = at.checked_sub(1).and_then(|before| batch.get(before));
                if !again(batch.get(at + 1)) && !again(before) {
                    self.tell(told);
                }
            }
        }
        self.publish()
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        let body = self.body.iter().filter(|body| !body.is_empty());
        body.for_each(|body| visit(BaseRelation::Attr, self.row(body)));
    }

    fn digest(&self) -> Digest {
        let text = self.sequence.hash(&self.buffer).to_le_bytes();
        let len = self.sequence.visible().to_le_bytes();
        Digest::derive("motet text state v1", &[&text, &len])
    }

    fn snapshot(&self) -> Vec<u8> {
        snapshot::write(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn ask(&mut self, attribute: &Attribute) -> Vec<Change> {
        if attribute.as_text() == Some(Text::BODY) {
            self.body.get_or_insert_default();
        }
        self.publish()
    }

    fn undo(&self, said: &[Cid], fresh: &mut dyn FnMut() -> Entity) -> Option<Result<Vec<Fact>, FactError>> {
        Some(self.take_back(said, fresh))
    }
}

impl TextState {
    /// The text of which nothing is known.
    pub fn new(item: ItemId) -> Self {
        TextState {
            item,
            operations: Vec::new(),
            numbers: HashMap::new(),
            insertions: Vec::new(),
            deleted: Vec::new(),
            sequence: Sequence::default(),
            buffer: Buffer::default(),
            body: None,
        }
    }

    // Reading.

    /// How many characters (Unicode scalar values) it has.
    pub fn len(&self) -> usize {
        self.sequence.visible() as usize
    }

    /// Whether it has no characters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text.
    pub fn content(&self) -> String {
        let mut content = String::with_capacity(self.len());
        self.visit(0..self.sequence.visible(), |piece| content.push_str(piece));
        content
    }

    /// A part of the text; nothing if the range goes past the end, or ends before it begins.
    pub fn slice(&self, range: Range<usize>) -> Option<String> {
        let mut content = String::new();
        self.visit(self.check(&range).ok()?, |piece| content.push_str(piece));
        Some(content)
    }

    /// How many UTF-16 code units stand before a position; nothing if that is past the end. Reads the text up to there.
    pub fn utf16_of_position(&self, position: usize) -> Option<usize> {
        let mut units = 0;
        self.visit(self.check(&(0..position)).ok()?, |piece| units += piece.encode_utf16().count());
        Some(units)
    }

    /// The position before which so many UTF-16 code units stand; nothing if that is past the end, or inside of a
    /// surrogate pair. Reads the text.
    pub fn position_of_utf16(&self, units: usize) -> Option<usize> {
        let (mut position, mut before) = (0, 0);
        self.visit(0..self.sequence.visible(), |piece| {
            for character in piece.chars().take_while(|_| before < units).collect::<Vec<_>>() {
                if before < units {
                    (position, before) = (position + 1, before + character.len_utf16());
                }
            }
        });
        (before == units).then_some(position)
    }

    fn visit(&self, range: Range<u32>, mut visit: impl FnMut(&str)) {
        self.sequence
            .runs(range.start, range.end - range.start, |start, len| visit(self.buffer.slice(start, len)));
    }

    fn check(&self, range: &Range<usize>) -> Result<Range<u32>, EditError> {
        EditError::check(range, self.len())?;
        let number =
            |position: usize| u32::try_from(position).expect("a text has fewer than 2^32 characters");
        Ok(number(range.start)..number(range.end))
    }

    /// How many operations there are, and how many of them count.
    pub fn operations(&self) -> (usize, usize) {
        (self.operations.len(), self.operations.iter().filter(|operation| operation.counted).count())
    }

    /// The insertion that an element is of, and which of its elements it is.
    fn name(&self, element: u32) -> (Cid, u32) {
        name(&self.insertions, &self.operations, element)
    }

    /// The number of an element.
    fn element(&self, insertion: &Cid, offset: u32) -> Option<u32> {
        let &number = self.numbers.get(insertion)?;
        match &self.operations[number as usize].kind {
            Kind::Insertion(elements) => elements.clone().nth(offset as usize),
            Kind::Deletion(_) => None,
        }
    }

    // Publishing.

    /// What changes in `attr`, if anybody asked.
    fn publish(&mut self) -> Vec<Change> {
        let Some(before) = self.body.clone() else { return Vec::new() };
        let after: Arc<str> = self.content().into();
        if before == after {
            return Vec::new();
        }
        self.body = Some(Arc::clone(&after));
        let change = |body: &Arc<str>, weight| Change::new(BaseRelation::Attr, self.row(body), weight);
        let changes = [(before, -1), (after, 1)].into_iter().filter(|(body, _)| !body.is_empty());
        changes.map(|(body, weight)| change(&body, weight)).collect()
    }

    fn row(&self, body: &Arc<str>) -> Vec<Value> {
        vec![self.item.into(), Text::BODY.into(), Value::Text(Arc::clone(body))]
    }

    // Telling.

    fn tell(&mut self, told: &Told<'_>) {
        let counted = told.weight == 1;
        match self.numbers.get(&told.cid) {
            Some(&known) if told.weight != 0 => self.count(known, counted),
            Some(_) => {}
            None if told.attribute.as_text() == Some(INSERT) => self.take_insertion(told, counted),
            None => self.take_deletion(told, counted),
        }
    }

    /// A fact of another form has no meaning.
    fn take_insertion(&mut self, told: &Told<'_>, counted: bool) {
        let Some(insertion) = Insertion::read(told.value) else { return };
        let Some(origin) = self.origin(&insertion, &told.written) else { return };
        let len = u32::try_from(insertion.text.chars().count()).expect("a value is short");
        let start = self.sequence.len();
        let number = self.enlist(told.cid, counted, Kind::Insertion(start..start + len));
        self.insertions.push((start, number));
        self.buffer.push(insertion.text);
        let (insertions, operations) = (&self.insertions, &self.operations);
        let order = |side, one, other| order(insertions, operations, side, one, other);
        self.sequence.insert(origin, len, u32::from(!counted), order);
    }

    fn origin(&self, insertion: &Insertion<'_>, causes: &[Cid]) -> Option<Origin> {
        match causes {
            [] => (insertion.offset == 0 && insertion.side == Side::Right).then_some(Origin::BEGINNING),
            [cause] => {
                let parent = self.element(cause, insertion.offset)?;
                Some(Origin { parent: Some(parent), side: insertion.side })
            }
            _ => None,
        }
    }

    fn take_deletion(&mut self, told: &Told<'_>, counted: bool) {
        let Some(runs) = operation::read_deletion(told.value, told.written.len()) else { return };
        let from = self.deleted.len();
        for (cause, runs) in told.written.iter().zip(runs) {
            for (start, len) in runs {
                let (Some(first), Some(last)) =
                    (self.element(cause, start), self.element(cause, start + len - 1))
                else {
                    self.deleted.truncate(from);
                    return;
                };
                self.deleted.push(first..last + 1);
            }
        }
        let index = |at: usize| u32::try_from(at).expect("fewer runs than elements fit an item's memory");
        let number = self.enlist(told.cid, false, Kind::Deletion(index(from)..index(self.deleted.len())));
        if counted {
            self.count(number, true);
        }
    }

    fn enlist(&mut self, cid: Cid, counted: bool, kind: Kind) -> u32 {
        let number =
            u32::try_from(self.operations.len()).expect("fewer than 2^32 facts fit an item's memory");
        self.operations.push(Operation { cid, counted, kind });
        self.numbers.insert(cid, number);
        number
    }

    /// An operation begins or ceases to count.
    fn count(&mut self, number: u32, counted: bool) {
        let operation = &mut self.operations[number as usize];
        assert!(operation.counted != counted, "{} begins and ceases to count in turn", operation.cid);
        operation.counted = counted;
        match &operation.kind {
            Kind::Insertion(elements) => {
                let veil = if counted { Veil::Lift } else { Veil::Lay };
                self.sequence.veil(elements.start, elements.end, veil);
            }
            Kind::Deletion(runs) => {
                let veil = if counted { Veil::Lay } else { Veil::Lift };
                for run in &self.deleted[runs.start as usize..runs.end as usize] {
                    self.sequence.veil(run.start, run.end, veil);
                }
            }
        }
    }
}

fn name(insertions: &[(u32, u32)], operations: &[Operation], element: u32) -> (Cid, u32) {
    let at = insertions.partition_point(|(start, _)| *start <= element) - 1;
    let (start, number) = insertions[at];
    (operations[number as usize].cid, element - start)
}

/// How two elements stand that have one origin: on the right the greater CID first, and last what the insertion of
/// their parent goes on with; on the left the mirror image. (By height and CID, the newest stands nearest to the
/// parent.)
fn order(insertions: &[(u32, u32)], operations: &[Operation], side: Side, one: u32, other: u32) -> Ordering {
    let rank = |element| {
        let (cid, offset) = name(insertions, operations, element);
        (offset == 0, cid)
    };
    match side {
        Side::Left => rank(one).cmp(&rank(other)),
        Side::Right => Reverse(rank(one)).cmp(&Reverse(rank(other))),
    }
}
