//! Choosing items: a thin layer over queries.
//!
//! A [`Selection`] begins with all items of a party, keeps those that fit, and walks on: to children, parents, what
//! properties point at, what points at them. It is written down as a PomoLogic program and kept by a view like any
//! other, so its answer is the items now, and then, whenever they change, which came and which went.
//!
//! ```
//! # use motet::{Database, Party, item::Reference};
//! # fn main() -> Result<(), motet::Error> {
//! # let database = Database::in_memory("Ada")?;
//! # let party = database.create_party("Home")?;
//! let ada = party.create_item("object", Some("person"), None)?;
//! let task = party.create_item("object", Some("task"), None)?;
//! party.set(task, "for", Reference::here(ada))?;
//! let mut tasks = party.watch_items(&party.select().ids([ada]).referrers("for").types(["task"]))?;
//! assert_eq!(tasks.items(), [task]);
//! party.delete_item(task, motet::Cascade::Refuse)?;
//! let update = tasks.poll()?.expect("the task has gone");
//! assert_eq!(update.gone, [task]);
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use motet_algebra::{Changes, Row};
use motet_fact::{Attribute, Value};
use motet_item::ItemId;

use crate::view::View;
use crate::{Error, Parameters, Party};

/// Whether deleted items are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deleted {
    /// They are not, and nothing is reached through them.
    #[default]
    Hide,
    /// They are as well as others.
    Show,
    /// Nothing else is.
    Only,
}

/// Which items to choose.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    stages: Vec<Stage>,
    deleted: Deleted,
}

/// Where to go from the items of the stage before, and which of those to keep.
#[derive(Clone, Debug, Default)]
struct Stage {
    step: Step,
    types: Option<BTreeSet<String>>,
    ids: Option<BTreeSet<ItemId>>,
    parents: Option<BTreeSet<ItemId>>,
    /// Conditions of the query language on the item `I`.
    conditions: Vec<String>,
}

#[derive(Clone, Debug, Default)]
enum Step {
    #[default]
    All,
    Children,
    Parents,
    Links(Attribute),
    Referrers(Attribute),
}

impl Selection {
    fn stage(&mut self) -> &mut Stage {
        if self.stages.is_empty() {
            self.stages.push(Stage::default());
        }
        self.stages.last_mut().expect("there is one")
    }

    fn go(mut self, step: Step) -> Self {
        self.stage();
        self.stages.push(Stage { step, ..Stage::default() });
        self
    }

    /// Keeps items of one of these types.
    #[must_use]
    pub fn types<'a>(mut self, types: impl IntoIterator<Item = &'a str>) -> Self {
        self.stage().types = Some(types.into_iter().map(str::to_owned).collect());
        self
    }

    /// Keeps these items.
    #[must_use]
    pub fn ids(mut self, ids: impl IntoIterator<Item = ItemId>) -> Self {
        self.stage().ids = Some(ids.into_iter().collect());
        self
    }

    /// Keeps items that hang right under one of these.
    #[must_use]
    pub fn under(mut self, parents: impl IntoIterator<Item = ItemId>) -> Self {
        self.stage().parents = Some(parents.into_iter().collect());
        self
    }

    /// Keeps items whose property is this value, or has it among its elements.
    #[must_use]
    pub fn with(self, property: impl Into<Attribute>, value: impl Into<Value>) -> Self {
        let (property, value) = (property.into(), value.into());
        self.having(&format!("attr(entity: I, attribute: {property}, value: {value})"))
    }

    /// Keeps items for which a condition of the query language holds: atoms and comparisons about the item `I`, such as
    /// `attr(entity: I, attribute: "age", value: A), A > 30`. Functions of the application's own may be in it.
    #[must_use]
    pub fn having(mut self, condition: &str) -> Self {
        self.stage().conditions.push(condition.to_owned());
        self
    }

    /// Goes to the children of the items so far.
    #[must_use]
    pub fn children(self) -> Self {
        self.go(Step::Children)
    }

    /// Goes to the parents of the items so far, each once.
    #[must_use]
    pub fn parents(self) -> Self {
        self.go(Step::Parents)
    }

    /// Goes to the items that a property of the items so far points at.
    #[must_use]
    pub fn links(self, property: impl Into<Attribute>) -> Self {
        self.go(Step::Links(property.into()))
    }

    /// Goes to the items of which this property points at one of the items so far.
    #[must_use]
    pub fn referrers(self, property: impl Into<Attribute>) -> Self {
        self.go(Step::Referrers(property.into()))
    }

    /// Whether deleted items are chosen; they are not unless this says so.
    #[must_use]
    pub fn deleted(mut self, deleted: Deleted) -> Self {
        self.deleted = deleted;
        self
    }

    /// The program that chooses the items.
    pub fn program(&self) -> String {
        let mut text = String::from("output selected.\n");
        let first = [Stage::default()];
        let stages = if self.stages.is_empty() { &first } else { self.stages.as_slice() };
        for (number, stage) in stages.iter().enumerate() {
            let is_last = number + 1 == stages.len();
            stage.write(number, self.deleted, is_last, &mut text);
        }
        let last = stages.len() - 1;
        let chosen = format!("chosen{last}(id: I), item(id: I, parent: P)");
        let _ = write!(
            text,
            "selected(parent: P, key: K, id: I) :- {chosen}, element(list: P, item: I, order_key: K).\n\
             seated(id: I) :- {chosen}, element(list: P, item: I).\n\
             selected(parent: P, key: 0x, id: I) :- {chosen}, !seated(id: I).\n"
        );
        text
    }
}

impl Stage {
    fn write(&self, number: usize, deleted: Deleted, is_last: bool, text: &mut String) {
        let deleted = match deleted {
            Deleted::Hide => ", deleted: false",
            Deleted::Only if is_last => ", deleted: true",
            Deleted::Show | Deleted::Only => "",
        };
        let before =
            number.checked_sub(1).map(|before| format!("chosen{before}(id: Before_), ")).unwrap_or_default();
        let step = match &self.step {
            Step::All => String::new(),
            Step::Children => "item(id: I, parent: Before_), ".to_owned(),
            Step::Parents => "item(id: Before_, parent: I), ".to_owned(),
            Step::Links(property) => format!("refers(from: Before_, attribute: {property}, to: I), "),
            Step::Referrers(property) => format!("refers(from: I, attribute: {property}, to: Before_), "),
        };
        let (mut facts, mut filters) = (String::new(), String::new());
        let mut one_of = |name: &str, kind: &str, values: Vec<Value>, atom: &str| {
            let _ = writeln!(facts, "relation {name}{number}(is: {kind}).");
            for value in values {
                let _ = writeln!(facts, "{name}{number}(is: {value}).");
            }
            let _ = write!(filters, ", {atom}");
        };
        let ids = |ids: &BTreeSet<ItemId>| ids.iter().map(|id| Value::from(*id)).collect();
        if let Some(types) = &self.types {
            let values = types.iter().map(|kind| Value::text(kind.as_str())).collect();
            let atom = format!("item(id: I, type: Type_), kind{number}(is: Type_)");
            one_of("kind", "text", values, &atom);
        }
        if let Some(parents) = &self.parents {
            let atom = format!("item(id: I, parent: Parent_), parent{number}(is: Parent_)");
            one_of("parent", "bytes", ids(parents), &atom);
        }
        if let Some(only) = &self.ids {
            one_of("only", "bytes", ids(only), &format!("only{number}(is: I)"));
        }
        for condition in &self.conditions {
            let _ = write!(filters, ", {condition}");
        }
        let _ =
            writeln!(text, "{facts}chosen{number}(id: I) :- {before}{step}item(id: I{deleted}){filters}.");
    }
}

/// What changed in a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Items that came, by id.
    pub came: Vec<ItemId>,
    /// Items that went, by id.
    pub gone: Vec<ItemId>,
    /// Whether others stand in another order than before.
    pub reordered: bool,
}

/// The items of a selection, kept right.
pub struct Selected {
    view: View,
    /// How often each item is there: it has one seat, but two epochs of a queue may be one.
    counts: BTreeMap<ItemId, i64>,
}

/// What may still be missing from an answer, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Entries that wait, and for what.
    pub waiting: Vec<(motet_fact::Cid, Vec<motet_fact::Cid>)>,
    /// Parts that can't be read, with the reason.
    pub unreadable: Vec<(motet_fact::Cid, String)>,
    /// Items whose models are not known here, with the models' names.
    pub unknown_models: Vec<(ItemId, String)>,
    /// Items that somebody spoke of whose genesis is not here.
    pub unborn: Vec<ItemId>,
}

impl Completeness {
    /// Whether nothing is known to be missing. What no entry here speaks of can't be known.
    pub fn is_complete(&self) -> bool {
        *self == Completeness::default()
    }
}

impl std::fmt::Display for Completeness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_complete() {
            return f.write_str("nothing is known to be missing here");
        }
        let counts = [
            (self.waiting.len(), "entries that wait for others"),
            (self.unreadable.len(), "parts that can't be read"),
            (self.unknown_models.len(), "items of unknown models"),
            (self.unborn.len(), "items whose first entry is not here"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, what)| format!("{count} {what}")).collect();
        write!(f, "there are {}", told.join(", "))
    }
}

impl Party {
    /// Begins a selection with all items.
    pub fn select(&self) -> Selection {
        Selection::default()
    }

    /// Chooses items, and keeps the choice right.
    ///
    /// # Errors
    /// As [`Party::watch`]: a condition may have errors.
    pub fn watch_items(&self, selection: &Selection) -> Result<Selected, Error> {
        let view = self.watch(&selection.program(), &Parameters::new())?;
        let mut selected = Selected { view, counts: BTreeMap::new() };
        let rows: Vec<Row> = selected.view.rows("selected").cloned().collect();
        selected.count(rows.iter().map(|row| (row, 1)));
        Ok(selected)
    }

    /// The items of a selection now.
    ///
    /// # Errors
    /// As [`Party::watch_items`].
    pub fn items_of(&self, selection: &Selection) -> Result<Vec<ItemId>, Error> {
        Ok(self.watch_items(selection)?.items())
    }

    /// Waits until a selection has an item, and gives those it has. Of one item: `select().ids([item])`.
    ///
    /// # Errors
    /// [`Error::Late`], with what is known to be missing; otherwise as [`Party::watch_items`].
    pub fn wait_for(&self, selection: &Selection, timeout: Duration) -> Result<Vec<ItemId>, Error> {
        let deadline = Instant::now() + timeout;
        let mut selected = self.watch_items(selection)?;
        while selected.is_empty() {
            let left = deadline.checked_duration_since(Instant::now());
            let Some(left) = left.filter(|left| !left.is_zero()) else {
                let missing = self.completeness()?.to_string();
                return Err(Error::Late { what: "an item that fits".to_owned(), missing });
            };
            selected.wait(left)?;
        }
        Ok(selected.items())
    }

    /// What is known to be missing here, so that an answer may not be complete.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn completeness(&self) -> Result<Completeness, Error> {
        let store = self.database().store();
        self.ask(|state| {
            let ids = state.user_items(store)?;
            let mut found = Completeness::default();
            for id in ids {
                let item = state.load_item(store, id)?;
                match item.model() {
                    None if !item.is_purged() && item.sizes().0 > 0 => found.unborn.push(id),
                    Some(model) if !item.is_alive() => found.unknown_models.push((id, model.to_owned())),
                    _ => {}
                }
            }
            let waiting: Vec<_> = state.pending.ids().collect();
            let missing = waiting.into_iter().map(|id| (id, state.pending.missing(&id).collect()));
            found.waiting = missing.collect();
            found.unreadable = state.unreadable.iter().map(|(cid, why)| (*cid, why.clone())).collect();
            Ok(found)
        })
    }
}

impl Selected {
    /// The items: by parent, and under one parent in their order.
    pub fn items(&self) -> Vec<ItemId> {
        self.view.rows("selected").filter_map(|row| ItemId::from_value(&row[2])).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// What has changed since the last call; nothing if nothing has, whatever else happened in the party.
    ///
    /// # Errors
    /// As [`View::poll`].
    pub fn poll(&mut self) -> Result<Option<Update>, Error> {
        while let Some(changes) = self.view.poll()? {
            if let Some(update) = self.take(&changes) {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    /// The same, waiting up to a time for a change.
    ///
    /// # Errors
    /// As [`View::poll`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Update>, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.view.wait(left)? {
                Some(changes) => {
                    if let Some(update) = self.take(&changes) {
                        return Ok(Some(update));
                    }
                }
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, changes: &Changes) -> Option<Update> {
        let rows = changes.get("selected")?;
        let touched: BTreeSet<ItemId> =
            rows.iter().filter_map(|(row, _)| ItemId::from_value(&row[2])).collect();
        let was: Vec<ItemId> = touched.iter().copied().filter(|id| self.counts.contains_key(id)).collect();
        self.count(rows.iter().map(|(row, weight)| (row, *weight)));
        let is = |id: &ItemId| self.counts.contains_key(id);
        let gone: Vec<ItemId> = was.iter().copied().filter(|id| !is(id)).collect();
        let came: Vec<ItemId> = touched.into_iter().filter(|id| is(id) && !was.contains(id)).collect();
        let reordered = rows.len() > came.len() + gone.len();
        Some(Update { came, gone, reordered })
    }

    fn count<'a>(&mut self, rows: impl Iterator<Item = (&'a Row, i64)>) {
        for (row, weight) in rows {
            if let Some(id) = ItemId::from_value(&row[2]) {
                let count = self.counts.entry(id).or_default();
                *count += weight;
                if *count == 0 {
                    self.counts.remove(&id);
                }
            }
        }
    }
}
