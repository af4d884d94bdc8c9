//! What a program was made into, for people: `--explain`.

use std::fmt::{self, Display, Formatter};

use crate::{Compiled, Direction, Interface, Monotonicity, Stratum};

impl Display for Monotonicity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Monotonicity::Monotone => "monotone",
            Monotonicity::Convergent => "convergent",
            Monotonicity::Local => "local",
        })
    }
}

impl Display for Interface {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.columns.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
        write!(f, "{}({})", self.name, columns.join(", "))
    }
}

impl Compiled {
    /// The same, and what the optimiser makes of the plan, which is given as text ([`motet_algebra::explain`]).
    pub fn explain_planned(&self, planned: &str) -> String {
        format!("{}\noptimised\n{planned}", self.explain())
    }

    /// The strata with their rules, the plan, and the class of each output.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for (index, stratum) in self.strata.iter().enumerate() {
            let how = match stratum {
                Stratum { next: true, .. } => ", in the next epoch",
                Stratum { recursive: true, .. } => ", recursive",
                Stratum { .. } => "",
            };
            text += &format!("stratum {}: {}{how}\n", index + 1, stratum.relations.join(", "));
            for rule in &stratum.rules {
                text += &format!("  {}\n", rule.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
        text += "\nplan\n";
        for statement in &self.program.statements {
            statement.to_string().lines().for_each(|line| text += &format!("  {line}\n"));
        }
        text += "\noutputs\n";
        for output in &self.outputs {
            let keys = output.order.iter().map(|(column, direction)| match direction {
                Direction::Ascending => column.to_string(),
                Direction::Descending => format!("{column} desc"),
            });
            let keys: Vec<_> = keys.collect();
            let order =
                if keys.is_empty() { String::new() } else { format!(" order by {}", keys.join(", ")) };
            let limit = output.limit.map(|limit| format!(" limit {limit}")).unwrap_or_default();
            text += &format!("  {output}{order}{limit} {}\n", self.classes[&output.name]);
        }
        for violation in &self.violations {
            text += &format!("  {}, violations of: {}\n", violation.relation, violation.rule);
        }
        text
    }
}
