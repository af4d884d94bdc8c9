//! The command line, as data: every command, flag and help text.

mod item;
mod model;
mod query;
mod sequences;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use motet_algebra::Budget;

pub(crate) use self::item::{DeletedArg, ItemCommand, StandArgs};
pub(crate) use self::model::ModelCommand;
pub(crate) use self::query::{QueryArgs, TextArgs, ViewCommand};
pub(crate) use self::sequences::{ListCommand, TextCommand};
use crate::limits::Limits;

/// A local-first, peer-to-peer database: signed feeds, offline writes, live recursive queries.
#[derive(Debug, Parser)]
#[command(name = "motet", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Which database, and how to print
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The directory of the database
    #[arg(long, global = true, value_name = "DIR", default_value = ".motet", env = "MOTET_DIR")]
    pub(crate) dir: PathBuf,
    /// The party: its key or the beginning of it, or its name; may be left out where there is only one
    #[arg(long, global = true, value_name = "PARTY")]
    pub(crate) party: Option<String>,
    /// How results are printed
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
    /// No progress bars
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON object per line
    Json,
    /// RFC 4180, with a header
    Csv,
}

/// Which evaluator runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeArg {
    /// The evaluator that defines the semantics; computes everything anew
    Naive,
    /// PomoFlow, made for this; incremental
    Native,
    /// Differential dataflow; incremental
    Cluster,
}

impl From<RuntimeArg> for motet::RuntimeKind {
    fn from(runtime: RuntimeArg) -> Self {
        match runtime {
            RuntimeArg::Naive => motet::RuntimeKind::Naive,
            RuntimeArg::Native => motet::RuntimeKind::Native,
            RuntimeArg::Cluster => motet::RuntimeKind::Cluster,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a database, with a new identity; or of one that has devices already
    Init(InitArgs),
    /// Whose database this is, and the recovery phrase
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Your devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Whom you know
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Settings that your devices share, or that one has
    #[command(subcommand)]
    Preference(PreferenceCommand),
    /// Parties: shared data sets
    #[command(subcommand)]
    Party(PartyCommand),
    /// Invite one person: prints a code that works once
    Invite(InviteArgs),
    /// Invitations that were given out
    #[command(subcommand)]
    Invitation(InvitationCommand),
    /// Join a party by a code, or what a device has for you without one; the other side must be serving
    Join {
        /// The code, as `motet invite` printed it
        code: Option<String>,
        /// Where the other side is, if the code does not say; may be given more than once
        #[arg(long, value_name = "HOST:PORT")]
        address: Vec<String>,
    },
    /// Items of a party
    #[command(subcommand)]
    Item(ItemCommand),
    /// Texts: items of the model `text`
    #[command(subcommand)]
    Text(TextCommand),
    /// Lists: items of the model `list`
    #[command(subcommand)]
    List(ListCommand),
    /// Models that are data: rules that say what the facts of an item come to
    #[command(subcommand)]
    Model(ModelCommand),
    /// Saved rules of a party, for `use NAME.` in queries
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Bring data in
    #[command(subcommand)]
    Import(ImportCommand),
    /// Write data out
    #[command(subcommand)]
    Export(ExportCommand),
    /// All of a party in one file, for who has no network
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Ask a question in PomoLogic; of several parties together with --party A,B or --party all
    Query(QueryArgs),
    /// Views that outlive the process, and carry on what `@next` says
    #[command(subcommand)]
    View(ViewCommand),
    /// Serve peers until stopped
    Serve {
        /// Where to listen
        #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7337")]
        listen: SocketAddr,
        /// Peers to stay connected to
        #[arg(long, value_name = "HOST:PORT")]
        peer: Vec<String>,
        /// Take commands as JSON lines on standard input, and print answers and events as JSON lines
        #[arg(long)]
        console: bool,
    },
    /// Exchange with a peer what either lacks, then stop
    Sync {
        /// The peer
        #[arg(value_name = "HOST:PORT")]
        peer: String,
        /// Give up after so many seconds without progress
        #[arg(long, value_name = "SECONDS", default_value_t = crate::commands::serve::PATIENCE_SECONDS)]
        patience: u64,
    },
    /// How the parties stand here: entries, waits, refusals, conflicts
    Status {
        /// Also compute the state hash
        #[arg(long)]
        hash: bool,
    },
    /// Read everything again, and check signatures, hashes, links and the state
    Verify,
    /// Run a PomoLogic program over files
    Run(RunArgs),
    /// Keep a PomoLogic program running: a transaction per line on standard input, what it changes on standard output
    Inc(IncArgs),
    /// Check a PomoLogic program; evaluates nothing
    Check(CheckArgs),
    /// Print the CID of a file's bytes, as a fact if they are one, else as raw bytes
    Cid {
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// Print what a file of canonical bytes says: a fact, an entry, or any dag-cbor block
    Decode {
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// The whole thing on real history: peers on loopback, a cut network, concurrent writes, healing
    Demo(DemoArgs),
}

/// A new database.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The name you go by
    #[arg(long, value_name = "NAME", default_value = "me")]
    pub(crate) name: String,
    /// What this device is called among yours
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Protect the secrets with a passphrase (asked for, or MOTET_PASSPHRASE) instead of a key file of mode 0600
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Make this a device of yours, by a code that `motet device link` printed on another; run again, it goes on where
    /// it stopped
    #[arg(long, value_name = "CODE", conflicts_with = "recover")]
    pub(crate) link: Option<String>,
    /// Come back with your recovery phrase (asked for, MOTET_PHRASE, or standard input)
    #[arg(long)]
    pub(crate) recover: bool,
    /// Where your other device serves, if the code does not say; may be given more than once
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Vec<String>,
}

/// The identity.
#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Name, keys, and whether this device holds the recovery phrase
    Show,
    /// Print the recovery phrase
    Phrase,
    /// Give the recovery phrase to this device (asked for, MOTET_PHRASE, or standard input): it can link others then
    Recover,
    /// Take the recovery phrase off this device
    Forget,
}

/// Devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List your devices
    List,
    /// Link another device: prints a code that works once
    Link(PassingArgs),
    /// Name a device
    Name {
        /// The device: its key, the beginning of it, or its name so far
        device: String,
        /// Its name from now on
        name: String,
    },
    /// Remove a device: one of yours from all your parties, another's from a party; with --party from that one alone
    Remove {
        /// The device: its key or the beginning of it, or, if it is yours, its name
        device: String,
        /// Up to where it counts
        #[command(flatten)]
        cut: CutArgs,
    },
}

/// How a code is passed on.
#[derive(Debug, Args)]
pub(crate) struct PassingArgs {
    /// A short code to be read aloud, instead of a link to be sent
    #[arg(long)]
    pub(crate) words: bool,
    /// How long it works, such as 30m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub(crate) expires: String,
    /// Where `motet serve` of this database can be reached; may be given more than once
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7337")]
    pub(crate) address: Vec<String>,
    /// Then serve at the first of these addresses until stopped, so that it can be used at once
    #[arg(long)]
    pub(crate) serve: bool,
}

/// An invitation.
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// What the newcomer may do: reader, writer or admin
    #[arg(long, value_name = "ROLE", default_value = "writer")]
    pub(crate) role: String,
    /// Whom: a contact, or an identity key. It needs no code, and any admin's device lets it in
    #[arg(long, value_name = "CONTACT", conflicts_with = "words")]
    pub(crate) to: Option<String>,
    /// How it is passed on
    #[command(flatten)]
    pub(crate) passing: PassingArgs,
}

/// Invitations.
#[derive(Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    /// List them
    List {
        /// Those that link devices, instead of a party's
        #[arg(long)]
        devices: bool,
    },
    /// Take one back
    Revoke {
        /// Its id, the beginning of it, or the number in front of its words
        invitation: String,
        /// One that links a device, instead of a party's
        #[arg(long)]
        devices: bool,
    },
}

/// Contacts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContactCommand {
    /// List them
    List,
    /// Add one
    Add {
        /// Its identity: 64 hexadecimal digits
        identity: String,
        /// What you call it
        name: String,
    },
    /// Give one another name
    Name {
        /// The contact: its name, its key or the beginning of it
        contact: String,
        /// Its name from now on
        name: String,
    },
    /// Take one off the list
    Remove {
        /// The contact: its name, its key or the beginning of it
        contact: String,
    },
}

/// Preferences.
#[derive(Debug, Subcommand)]
pub(crate) enum PreferenceCommand {
    /// List them
    List,
    /// Set some
    Set {
        /// NAME=LITERAL (text in quotes, or plain words)
        #[arg(required = true, value_name = "NAME=LITERAL")]
        set: Vec<String>,
        /// For this device alone, instead of for all
        #[arg(long)]
        here: bool,
    },
    /// Unset one
    Unset {
        /// Its name
        name: String,
        /// For this device alone, instead of for all
        #[arg(long)]
        here: bool,
    },
}

/// Parties.
#[derive(Debug, Subcommand)]
pub(crate) enum PartyCommand {
    /// Found a party
    New {
        /// What to call it
        name: String,
    },
    /// List all your parties, open, closed or on other devices
    List,
    /// Members, devices and feeds of a party
    Show,
    /// Give a party a title
    Title {
        /// The title
        title: String,
    },
    /// Open a party that was closed on this device
    Open,
    /// Close a party on this device, until it is opened
    Close,
    /// Have a party on this device, or on all of yours
    Activate {
        /// On all your devices
        #[arg(long)]
        everywhere: bool,
    },
    /// Have a party no more on this device, or on any of yours; nothing of it is lost
    Deactivate {
        /// On all your devices
        #[arg(long)]
        everywhere: bool,
    },
    /// Let a party take nothing in until it is resumed
    Pause,
    /// Let a party go on, and take in what came meanwhile
    Resume,
    /// Take a party off this device's disk; your other devices keep it
    Delete,
    /// Who is a member, and who was: every stint, from the entry that began it to the one that ended it
    Members,
    /// Remove a member, with all devices: what it wrote up to now counts, what arrives later does not
    Remove {
        /// The member: its name, or the beginning of its key
        member: String,
        /// Up to where it counts
        #[command(flatten)]
        cut: CutArgs,
    },
    /// Give a member another role
    Role {
        /// The member: its name, or the beginning of its key
        member: String,
        /// reader, writer or admin
        role: String,
    },
    /// Admit a former member again; its devices need nothing more
    Readmit {
        /// The member: its name, or the beginning of its key
        member: String,
        /// reader, writer or admin
        #[arg(long, value_name = "ROLE", default_value = "writer")]
        role: String,
    },
    /// Become an admin again of a party that you founded, whatever happened; needs your recovery phrase
    Recover,
    /// Leave a party: what you wrote up to now counts, and stays with the others; all your devices delete it
    Leave {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Close a feed whose key was used in two places
    ProveFork {
        /// The feed, or the beginning of its key
        feed: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Up to where something counts that is removed.
#[derive(Debug, Args)]
pub(crate) struct CutArgs {
    /// It was stolen so long ago, such as 12h or 7d: what it wrote since (by its own clock) does not count
    #[arg(long, value_name = "TIME", conflicts_with_all = ["last", "nothing"])]
    pub(crate) stolen: Option<String>,
    /// The last entry that counts of the feed it is on; may be given more than once
    #[arg(long, value_name = "ENTRY", conflicts_with = "nothing")]
    pub(crate) last: Vec<String>,
    /// Nothing that it wrote counts
    #[arg(long)]
    pub(crate) nothing: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Saved rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Save the rules in a file, for all members of the party, over those that have the name
    Save {
        /// What `use NAME.` calls them
        name: String,
        /// The file
        file: PathBuf,
    },
    /// List the saved rules
    List,
    /// Print saved rules
    Show {
        /// Their name
        name: String,
    },
    /// Remove saved rules
    Remove {
        /// Their name
        name: String,
    },
}

/// Imports.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// A git repository's history: authors become members, commits become entities with facts
    Git {
        /// The repository
        repository: PathBuf,
        /// The commit whose history is imported
        #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
        revision: String,
    },
    /// A CSV file: a row becomes an entity, a column an attribute
    Csv(RowsArgs),
    /// A file of JSON objects, one per line: an object becomes an entity, a key an attribute
    Jsonl(RowsArgs),
    /// A CAR file of facts: each stays what it is, with its CID
    Car {
        /// The file, or - for standard input
        file: PathBuf,
        /// The type of the item that holds the facts; by default the file's name
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
}

/// Exports.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// A CAR file of the party's facts, a block for each
    Car {
        /// The file, or - for standard output
        file: PathBuf,
    },
}

/// Snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Write all of a party into a CAR file: its entries, their parts, and the programs of its models
    Save {
        /// The file, or - for standard output
        file: PathBuf,
    },
    /// Check a file that a member saved, and take in what of it is not here
    Load {
        /// The file, or - for standard input
        file: PathBuf,
    },
}

/// How rows become facts.
#[derive(Debug, Args)]
pub(crate) struct RowsArgs {
    /// The file, or - for standard input
    pub(crate) file: PathBuf,
    /// The type of the item that holds the facts; by default the file's name
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// The column whose value names the row's entity: rows with the same value are about the same entity
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,
    /// Types of columns: NAME=int|float|bool|text|bytes|link, for CSV; columns are text otherwise
    #[arg(long, value_name = "NAME=TYPE")]
    pub(crate) column: Vec<String>,
}

/// A program run over files.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The program
    pub(crate) program: PathBuf,
    /// Where the inputs are: REL.csv for each `input REL.`
    #[arg(long, value_name = "DIR")]
    pub(crate) facts: Option<PathBuf>,
    /// Where the outputs go: REL.csv for each `output REL.`; printed if left out
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where an input is, if not in --facts: a .csv, .jsonl or (for `fact` and `cause`) .car file, or - for JSON Lines
    /// on standard input
    #[arg(long, value_name = "REL=FILE")]
    pub(crate) source: Vec<String>,
    /// Where an output goes, if not to --out: a .csv, .jsonl or .car file, or - for JSON Lines on standard output
    #[arg(long, value_name = "REL=FILE")]
    pub(crate) sink: Vec<String>,
    /// Stay: take what comes later to the JSON Lines sources, and write changes to the JSON Lines sinks
    #[arg(long)]
    pub(crate) follow: bool,
    /// The evaluator
    #[arg(long, value_name = "NAME", default_value = "native")]
    pub(crate) runtime: RuntimeArg,
    /// A parameter's value: NAME=LITERAL, for `$NAME` in the program
    #[arg(long, short = 'P', value_name = "NAME=LITERAL")]
    pub(crate) param: Vec<String>,
    /// Fail if a program with `@next` or events has not come to rest after so many epochs without input
    #[arg(long, value_name = "N", default_value_t = Budget::default().ticks)]
    pub(crate) max_ticks: u64,
    /// What an epoch may cost
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Print strata, plan and meaning class instead of running
    #[arg(long)]
    pub(crate) explain: bool,
    /// The program is a plan: PomoRA, not PomoLogic. It may say itself where its rows come from and go to
    #[arg(long, conflicts_with = "param")]
    pub(crate) ra: bool,
    /// Print the program, with its sources and sinks, as a plan that `--ra` runs, instead of running it
    #[arg(long)]
    pub(crate) print_ra: bool,
    /// Print one derivation of a row, such as 'Reach(x: 1, y: _)', instead of the outputs
    #[arg(long, value_name = "ROW", conflicts_with_all = ["out", "source", "sink", "follow", "ra"])]
    pub(crate) why: Option<String>,
    /// Print how far each rule gets towards a row that is not there
    #[arg(long, value_name = "ROW", conflicts_with_all = ["why", "out", "source", "sink", "follow", "ra"])]
    pub(crate) why_not: Option<String>,
}

/// A check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The program
    pub(crate) program: PathBuf,
    /// A parameter's value: NAME=LITERAL, for `$NAME` in the program
    #[arg(long, short = 'P', value_name = "NAME=LITERAL")]
    pub(crate) param: Vec<String>,
    /// The program is a query of a party: it may read the base relations and types
    #[arg(long)]
    pub(crate) query: bool,
    /// Make the changes that put problems right and need nobody's choice
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: only show them
    #[arg(long, requires = "fix")]
    pub(crate) dry_run: bool,
    /// Print each problem as a JSON object on a line of standard output, for editors
    #[arg(long)]
    pub(crate) json: bool,
    /// Print strata, plan and expected rows too
    #[arg(long, conflicts_with = "json")]
    pub(crate) explain: bool,
}

/// A program kept running.
#[derive(Debug, Args)]
pub(crate) struct IncArgs {
    /// The program
    pub(crate) program: PathBuf,
    /// Where the first rows are: REL.csv for each `input REL.`; they and the program's facts are epoch 0
    #[arg(long, value_name = "DIR")]
    pub(crate) facts: Option<PathBuf>,
    /// The evaluator
    #[arg(long, value_name = "NAME", default_value = "native")]
    pub(crate) runtime: RuntimeArg,
    /// A parameter's value: NAME=LITERAL, for `$NAME` in the program
    #[arg(long, short = 'P', value_name = "NAME=LITERAL")]
    pub(crate) param: Vec<String>,
    /// What a transaction may cost
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// The demonstration.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The git repository whose history is used; by default the one this directory is in, or a small one that comes
    /// with the program
    #[arg(long, value_name = "PATH")]
    pub(crate) repo: Option<PathBuf>,
    /// How many peer processes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=16))]
    pub(crate) peers: u8,
    /// Keep the peers' databases here, instead of in a directory that is removed
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Kill a peer (as with kill -9) so many times, at random moments, and start it again
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) kills: u32,
    /// The seed of random choices
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
}
