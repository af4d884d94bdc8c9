//! What most commands begin with: the database, the party, an item, a parameter.

use std::io::{IsTerminal as _, Write as _};

use motet::authority::Role;
use motet::fact::PublicKey;
use motet::item::ItemId;
use motet::{Database, Parameters, Party, PartyInfo, PartyStanding};

use crate::args::Global;
use crate::failure::Failure;

/// Opens the database that `--dir` names.
pub(crate) fn open(global: &Global) -> Result<Database, Failure> {
    Ok(Database::open_asking(&global.dir, &mut ask_passphrase)?)
}

/// Asks for the passphrase of a database that is protected by one.
pub(crate) fn ask_passphrase() -> Result<String, motet::Error> {
    if let Ok(passphrase) = std::env::var("MOTET_PASSPHRASE") {
        return Ok(passphrase);
    }
    if !std::io::stdin().is_terminal() {
        return Err(motet::Error::PassphraseNeeded);
    }
    rpassword::prompt_password("Passphrase: ").map_err(|_| motet::Error::PassphraseNeeded)
}

/// Asks for a new passphrase, twice if a person types it.
pub(crate) fn new_passphrase() -> Result<String, Failure> {
    if let Ok(passphrase) = std::env::var("MOTET_PASSPHRASE") {
        return Ok(passphrase);
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::Failed(format!("no passphrase could be read: {error}")))
    };
    let first = ask("New passphrase: ")?;
    if ask("Again: ")? == first { Ok(first) } else { Err(Failure::Failed("the two differ".into())) }
}

/// The party that `--party` names, or the only one.
pub(crate) fn party(global: &Global, database: &Database) -> Result<Party, Failure> {
    let parties = database.parties();
    let Some(wanted) = &global.party else {
        return match parties.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Failure::Failed("this database holds no open party yet".into())
                .help("`motet party new NAME` founds one, `motet join CODE` joins one")),
            several => Err(Failure::Usage(format!("this database holds {} parties", several.len()))
                .help("say which with --party; `motet party list` shows them")),
        };
    };
    let fits = |party: &&Party| party.key().to_string().starts_with(wanted) || party.name() == *wanted;
    match parties.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::Failed(format!("no party that is open here is called `{wanted}`"))
            .help("`motet party list` shows them all")),
        _ => {
            Err(Failure::Failed(format!("several parties fit `{wanted}`"))
                .help("give more of the party's key"))
        }
    }
}

/// The parties of a question: the ones that `--party A,B` or `--party all` names, or the only one.
pub(crate) fn parties(global: &Global, database: &Database) -> Result<Vec<Party>, Failure> {
    match global.party.as_deref() {
        Some("all") if !database.parties().is_empty() => Ok(database.parties()),
        Some(several) if several.contains(',') => {
            let one = |wanted: &str| {
                let global = Global { party: Some(wanted.trim().to_owned()), ..global.clone() };
                party(&global, database)
            };
            several.split(',').map(one).collect()
        }
        _ => Ok(vec![party(global, database)?]),
    }
}

/// The key of the party that `--party` names, or of the only one, whether it is open or not.
pub(crate) fn any_party(global: &Global, database: &Database) -> Result<PublicKey, Failure> {
    let parties = database.party_list()?;
    let fits = |party: &&PartyInfo| match &global.party {
        Some(wanted) => party.key.to_string().starts_with(wanted) || party.title == *wanted,
        None => party.standing != PartyStanding::Left,
    };
    match parties.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [only] => Ok(only.key),
        [] => Err(Failure::Failed("there is no such party".into())
            .help("`motet party list` shows all, those that are closed among them")),
        several => Err(Failure::Usage(format!("{} parties fit", several.len()))
            .help("say which with --party; `motet party list` shows them")),
    }
}

/// The database and the party.
pub(crate) fn open_party(global: &Global) -> Result<Party, Failure> {
    let database = open(global)?;
    party(global, &database)
}

/// The role that a word names.
pub(crate) fn role(word: &str) -> Result<Role, Failure> {
    let known = [Role::Reader, Role::Writer, Role::Admin].into_iter().find(|known| known.name() == word);
    known.ok_or_else(|| Failure::Usage(format!("no role is called `{word}`")).help("reader, writer or admin"))
}

/// Asks whether something is to be done that is hard to undo.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(question.to_owned()).help("nobody is here to ask: give --yes to do it"));
    }
    let mut err = std::io::stderr().lock();
    let mut answer = String::new();
    let asked = write!(err, "{question} [yes/no] ").and_then(|()| err.flush());
    asked.and_then(|()| std::io::stdin().read_line(&mut answer).map(|_| ()))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::Failed("nothing was done".to_owned())) }
}

/// The item whose id begins with a text.
pub(crate) fn item(party: &Party, wanted: &str) -> Result<ItemId, Failure> {
    if wanted == "root" {
        return Ok(ItemId::root(&party.key()));
    }
    let wanted = wanted.strip_prefix("0x").unwrap_or(wanted);
    let ids = party.item_ids()?.into_iter();
    let fitting: Vec<ItemId> = ids.filter(|id| bare(id).starts_with(wanted)).collect();
    match fitting.as_slice() {
        [only] => Ok(*only),
        [] => Err(Failure::Failed(format!("no item's id begins with `{wanted}`"))
            .help("`motet item list` shows the items")),
        several => Err(Failure::Failed(format!("{} items' ids begin with `{wanted}`", several.len()))
            .help("give more of the id")),
    }
}

/// `ITEM/NAMESPACE`
pub(crate) fn item_and_namespace<'a>(party: &Party, target: &'a str) -> Result<(ItemId, &'a str), Failure> {
    let (wanted, namespace) = target.split_once('/').ok_or_else(|| {
        Failure::Usage(format!("`{target}` is not ITEM/NAMESPACE")).help("for example root/derived")
    })?;
    Ok((item(party, wanted)?, namespace))
}

/// An item's id in plain hexadecimal digits.
pub(crate) fn bare(id: &ItemId) -> String {
    data_encoding::HEXLOWER.encode(&id.0)
}

/// Reads a literal; what is none is text as it stands.
pub(crate) fn literal(text: &str) -> motet::fact::Value {
    motet_logic::parse_value(text).unwrap_or_else(|_| text.into())
}

/// Reads `NAME=LITERAL`s; a value that is no literal is text as it stands.
pub(crate) fn assignments(given: &[String]) -> Result<Vec<(String, motet::fact::Value)>, Failure> {
    given
        .iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                Failure::Usage(format!("`{pair}` is not NAME=VALUE"))
                    .help("for example title=\"Milk\" or done=true")
            })?;
            Ok((name.to_owned(), literal(value)))
        })
        .collect()
}

/// Reads the parameters of a query: `NAME=LITERAL`, where text stands in quotes.
pub(crate) fn parameters(given: &[String]) -> Result<Parameters, Failure> {
    let mut parameters = Parameters::new();
    for pair in given {
        let usage = |why: String| Failure::Usage(format!("--param {pair}: {why}"));
        let (name, literal) = pair.split_once('=').ok_or_else(|| usage("write NAME=LITERAL".into()))?;
        let value = motet_logic::parse_value(literal).map_err(|error| {
            usage(error.to_string()).help("text stands in quotes, as in 'who=\"Ada\"'; bytes are 0x…")
        })?;
        let name = name.trim_start_matches('$').to_owned();
        if parameters.contains_key(&name) {
            return Err(usage(format!("`{name}` is given twice")));
        }
        parameters.insert(name, value);
    }
    Ok(parameters)
}
