//! Opening a kept view from its checkpoint, beside making the same view from the party.
//!
//! The view counts how many items share each title, so it holds a row of every item. It is kept,
//! the database is closed, some registers change, and a process of its own opens it: from the checkpoint, and as a view
//! that nobody kept.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use motet::algebra::Budget;
use motet::item::ItemId;
use motet::{Database, Parameters, Party, Query, RuntimeKind};
use serde::{Deserialize, Serialize};

use crate::{memory, milliseconds, run};

/// Titles, and how many items share each.
const QUERY: &str = "
output shared.
titled(item: I, title: T) :- attr(entity: I, attribute: \"title\", value: T).
shared(title: T, items: N) :- titled(title: T), N := count I : titled(item: I, title: T).
";
/// How many registers change while the view is closed.
const CHANGES: usize = 10;

/// What opening a view took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Milliseconds until it held what there is.
    pub(crate) took: f64,
    /// MiB at most, above those when the database was open.
    pub(crate) peak: f64,
}

/// A size, as it was measured.
pub(crate) struct Row {
    items: usize,
    kept: Opened,
    restored: Opened,
    anew: Opened,
}

/// Measures the views of a database with so many items.
pub(crate) fn measure(place: &Path, items: usize) -> Result<Row, Box<dyn Error>> {
    let kept = run(place, "keep-view")?;
    run::<()>(place, "change")?;
    let restored = run(place, "open-view")?;
    let anew = run(place, "watch")?;
    Ok(Row { items, kept, restored, anew })
}

/// The rows of the page.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(include_str!("../page/views.md"));
    for Row { items, kept, restored, anew } in rows {
        let _ = writeln!(
            text,
            "| {items} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} |",
            kept.took, restored.took, restored.peak, anew.took, anew.peak,
        );
    }
    text
}

/// Makes the view, and keeps it.
pub(crate) fn keep(place: &Path) -> Result<Opened, Box<dyn Error>> {
    opened(place, |party| {
        if party.kept_views()?.iter().any(|view| view.name == "shared") {
            party.forget_view("shared")?;
        }
        Ok(party.keep_view("shared", &Query::new(QUERY))?.catch_up()?)
    })
}

/// Opens it again.
pub(crate) fn open(place: &Path) -> Result<Opened, Box<dyn Error>> {
    opened(place, |party| {
        Ok(party.open_view("shared", RuntimeKind::default(), Budget::default())?.catch_up()?)
    })
}

/// Makes one like it that nobody keeps.
pub(crate) fn watch(place: &Path) -> Result<Opened, Box<dyn Error>> {
    opened(place, |party| Ok(party.watch(QUERY, &Parameters::new())?.catch_up()?))
}

/// Changes some registers.
pub(crate) fn change(place: &Path) -> Result<(), Box<dyn Error>> {
    let database = Database::open(place)?;
    let party = database.parties().into_iter().next().ok_or("there is no party")?;
    let ids: Vec<ItemId> = party.item_ids()?;
    for number in 0..CHANGES {
        let item = ids[number * 7919 % ids.len()];
        party.set(item, "title", i64::try_from(number).unwrap_or_default())?;
    }
    Ok(())
}

fn opened(
    place: &Path,
    open: impl FnOnce(&Party) -> Result<(), Box<dyn Error>>,
) -> Result<Opened, Box<dyn Error>> {
    let database = Database::open(place)?;
    let party = database.parties().into_iter().next().ok_or("there is no party")?;
    let (idle, begun) = (memory("VmRSS"), Instant::now());
    open(&party)?;
    Ok(Opened { took: milliseconds(begun.elapsed()), peak: memory("VmHWM") - idle })
}
