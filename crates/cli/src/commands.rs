//! One module per command.

pub(crate) mod admin;
pub(crate) mod block;
pub(crate) mod check;
pub(crate) mod contact;
pub(crate) mod device;
pub(crate) mod export;
pub(crate) mod identity;
pub(crate) mod import_git;
pub(crate) mod import_rows;
pub(crate) mod inc;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod item;
pub(crate) mod list;
pub(crate) mod model;
pub(crate) mod party;
pub(crate) mod query;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod text;
pub(crate) mod view;

use crate::args::{Global, ImportCommand, RowsArgs};
use crate::commands::import_rows::Shape;
use crate::context;
use crate::failure::Failure;

/// Brings data in.
pub(crate) fn import(global: &Global, command: ImportCommand) -> Result<(), Failure> {
    match command {
        ImportCommand::Git { repository, revision } => import_git::run(global, &repository, &revision),
        ImportCommand::Csv(rows) => import_rows(global, Shape::Csv, &rows),
        ImportCommand::Jsonl(rows) => import_rows(global, Shape::Jsonl, &rows),
        ImportCommand::Car { file, kind } => {
            import_rows::import_car(&context::open_party(global)?, &file, kind.as_deref(), global)
        }
    }
}

fn import_rows(global: &Global, shape: Shape, rows: &RowsArgs) -> Result<(), Failure> {
    import_rows::import(&context::open_party(global)?, shape, rows, global)
}
