//! `motet list`: show, push, insert, set, move, remove.

use motet::List;
use motet::fact::Value;
use motet::item::ListEdit;

use crate::args::{Global, ListCommand};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs one of the list commands.
pub(crate) fn run(global: &Global, command: ListCommand) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    let (item, edit) = match command {
        ListCommand::Show { item } => return show(global, &party.list(context::item(&party, &item)?)?),
        ListCommand::Push { item, values } => (item, ListEdit::Push(literals(&values))),
        ListCommand::Insert { item, index, values } => {
            (item, ListEdit::Insert { at: index, values: literals(&values) })
        }
        ListCommand::Set { item, index, value } => {
            (item, ListEdit::Set { at: index, value: context::literal(&value) })
        }
        ListCommand::Move { item, from, to } => (item, ListEdit::Move { from, to }),
        ListCommand::Remove { item, index, count } => {
            (item, ListEdit::Remove(index..index.saturating_add(count)))
        }
    };
    let item = context::item(&party, &item)?;
    let mut transaction = party.transaction();
    transaction.list(item).edit(edit);
    transaction.commit()?;
    Ok(())
}

fn literals(values: &[String]) -> Vec<Value> {
    values.iter().map(|value| context::literal(value)).collect()
}

fn show(global: &Global, list: &List) -> Result<(), Failure> {
    let elements = list.elements()?.into_iter().enumerate();
    let row = elements
        .map(|(index, element)| [index.to_string(), element.value.to_string(), element.entity.to_string()]);
    output::print_text(&mut std::io::stdout().lock(), global.format, &["index", "value", "element"], row)
}
