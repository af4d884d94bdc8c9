//! The workloads: a program, its data, and what is done with them.

use std::fmt::{self, Display, Formatter};

use crate::data::{self, Table};

/// A program over data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// The closure of a chain with skips.
    Chain,
    /// The closure of forward edges in blocks.
    Blocks,
    /// The closure of a random graph.
    Uniform,
    /// Who is of the same generation.
    Generations,
    /// What pointers point to.
    Pointers,
    /// What are aliases.
    Aliases,
    /// A text by several people.
    Text,
    /// How many triangles there are.
    Triangles,
    /// Three joins and a sum.
    Sales,
}

impl Workload {
    /// All of them, in the order of the report.
    pub const ALL: [Workload; 9] = [
        Workload::Chain,
        Workload::Blocks,
        Workload::Uniform,
        Workload::Generations,
        Workload::Pointers,
        Workload::Aliases,
        Workload::Text,
        Workload::Triangles,
        Workload::Sales,
    ];

    /// The one with a name.
    pub fn named(name: &str) -> Option<Workload> {
        Workload::ALL.into_iter().find(|workload| workload.to_string() == name)
    }

    /// The program in PomoLogic.
    pub fn program(self) -> &'static str {
        match self {
            Workload::Chain | Workload::Blocks | Workload::Uniform => {
                include_str!("../programs/closure.pomo")
            }
            Workload::Generations => include_str!("../programs/generations.pomo"),
            Workload::Pointers => include_str!("../programs/pointers.pomo"),
            Workload::Aliases => include_str!("../programs/aliases.pomo"),
            Workload::Text => include_str!("../programs/text.pomo"),
            Workload::Triangles => include_str!("../programs/triangles.pomo"),
            Workload::Sales => include_str!("../programs/sales.pomo"),
        }
    }

    /// The outputs of the program.
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Workload::Chain | Workload::Blocks | Workload::Uniform => &["Path"],
            Workload::Generations => &["Same"],
            Workload::Pointers => &["Points"],
            Workload::Aliases => &["ValueFlow", "MemoryAlias", "ValueAlias"],
            Workload::Text => &["Vis"],
            Workload::Triangles => &["Triangles"],
            Workload::Sales => &["Sales"],
        }
    }

    /// The facts it runs over.
    pub fn data(self) -> Vec<Table> {
        match self {
            Workload::Chain => data::chain(),
            Workload::Blocks => data::blocks(),
            Workload::Uniform => data::uniform(),
            Workload::Generations => data::generations(),
            Workload::Pointers => data::pointers(),
            Workload::Aliases => data::aliases(),
            Workload::Text => data::text(),
            Workload::Triangles => data::friends(),
            Workload::Sales => data::orders(1_000_000),
        }
    }
}

impl Display for Workload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Workload::Chain => "chain2k",
            Workload::Blocks => "rnd50k",
            Workload::Uniform => "gnp5k",
            Workload::Generations => "generations",
            Workload::Pointers => "pointers",
            Workload::Aliases => "aliases",
            Workload::Text => "text",
            Workload::Triangles => "triangles",
            Workload::Sales => "sales",
        })
    }
}
