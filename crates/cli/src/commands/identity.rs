//! `motet identity`: whose database this is, and the recovery phrase.

use std::io::{IsTerminal as _, Read as _, Write as _};

use motet::fact::{Phrase, Value};

use crate::args::{Global, IdentityCommand};
use crate::failure::Failure;
use crate::{context, output};

/// Runs one of the identity commands.
pub(crate) fn run(global: &Global, command: &IdentityCommand) -> Result<(), Failure> {
    let database = context::open(global)?;
    let mut out = std::io::stdout().lock();
    match command {
        IdentityCommand::Show => {
            let profile = database.profile();
            let fields = [
                ("name", profile.name.as_str().into()),
                ("identity", profile.identity.to_string().into()),
                ("device", profile.device.to_string().into()),
                ("holds the phrase", Value::Bool(database.phrase()?.is_some())),
            ];
            output::print_fields(&mut out, global.format, &fields)
        }
        IdentityCommand::Phrase => {
            let phrase = database.phrase()?.ok_or(motet::Error::NotHolder)?;
            let fields = [("recovery phrase", phrase.words().as_str().into())];
            output::print_fields(&mut out, global.format, &fields)
        }
        IdentityCommand::Recover => {
            database.hold_phrase(&ask_phrase()?)?;
            Ok(writeln!(out, "this device holds the recovery phrase now: it can link other devices")?)
        }
        IdentityCommand::Forget => {
            database.forget_phrase()?;
            Ok(writeln!(out, "the recovery phrase is no longer on this device")?)
        }
    }
}

/// Reads a recovery phrase: from MOTET_PHRASE, a prompt, or standard input.
pub(crate) fn ask_phrase() -> Result<Phrase, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::Failed(format!("no recovery phrase could be read: {error}"));
    let text = match std::env::var("MOTET_PHRASE") {
        Ok(text) => text,
        Err(_) if std::io::stdin().is_terminal() => {
            rpassword::prompt_password("Recovery phrase (24 words): ").map_err(unreadable)?
        }
        Err(_) => {
            let mut text = String::new();
            std::io::stdin().take(4096).read_to_string(&mut text).map_err(unreadable)?;
            text
        }
    };
    text.parse().map_err(|error: motet::fact::PhraseError| Failure::Failed(error.to_string()))
}
