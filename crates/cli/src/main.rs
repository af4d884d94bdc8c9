//! `motet`, the command line: flags, files, terminals. It has no rules of its own; whatever it does, the crate `motet`
//! does.

mod args;
mod commands;
mod console;
mod context;
mod date;
mod demo;
mod failure;
mod git;
mod limits;
mod modules;
mod output;
mod progress;
mod quantity;
mod queries;
mod undefined;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => commands::init::run(global, &args),
        Command::Identity(command) => commands::identity::run(global, &command),
        Command::Device(command) => commands::device::run(global, command),
        Command::Contact(command) => commands::contact::run(global, &command),
        Command::Preference(command) => commands::contact::preference(global, &command),
        Command::Party(command) => commands::party::run(global, command),
        Command::Invite(args) => commands::invite::invite(global, &args),
        Command::Invitation(command) => commands::invite::invitation(global, &command),
        Command::Join { code, address } => commands::invite::join(global, code.as_deref(), &address),
        Command::Item(command) => commands::item::run(global, command),
        Command::Text(command) => commands::text::run(global, command),
        Command::List(command) => commands::list::run(global, command),
        Command::Model(command) => commands::model::run(global, command),
        Command::Rules(command) => commands::rules::run(global, command),
        Command::Import(command) => commands::import(global, command),
        Command::Snapshot(command) => commands::snapshot::run(global, &command),
        Command::Export(command) => commands::export::export(global, &command),
        Command::Query(args) => commands::query::run(global, &args),
        Command::View(command) => commands::view::run(global, command),
        Command::Serve { listen, peer, console } => commands::serve::serve(global, listen, peer, console),
        Command::Sync { peer, patience } => commands::serve::sync(global, &peer, patience),
        Command::Status { hash } => commands::status::status(global, hash),
        Command::Verify => commands::status::verify(global),
        Command::Run(args) => commands::run::run(&args, global),
        Command::Inc(args) => commands::inc::run(&args),
        Command::Check(args) => commands::check::check(&args),
        Command::Cid { file } => commands::block::cid(&file),
        Command::Decode { file } => commands::block::decode(&file, global),
        Command::Demo(demo) => demo::run(global, &demo),
    }
}
