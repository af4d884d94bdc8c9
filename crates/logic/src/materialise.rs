//! Which outputs may become facts (Q10).
//!
//! A fact is stated for good. So an output may become facts only if its rows only ever come: if it is monotone. Its
//! columns say which facts: `entity`, `value`, and `attribute`, or else its own name is the attribute. They go into a
//! *namespace*, which stands before the attribute. If the program could read what it has stated, it might find more to
//! state each time. Therefore each atom over facts must name an attribute, and none of that namespace; and no atom may
//! read a relation in which every fact leaves a trace.

use std::collections::BTreeSet;

use motet_algebra::{Column, ColumnType, RelationName};
use motet_fact::{Kind, Value};

use crate::controls;
use crate::diagnostic::{Diagnostic, Diagnostics, Report, Span};
use crate::rule::{GoalKind, Rule};
use crate::stratify::{self, Edge, Reading};
use crate::{Compiled, Interface, Monotonicity};

/// How the rows of an output are facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactOutput {
    /// The output.
    pub output: RelationName,
    /// The place of the column `entity` in a row.
    pub entity: usize,
    /// The place of the column `attribute`, if there is one; otherwise the output's name is the attribute.
    pub attribute: Option<usize>,
    /// The place of the column `value`.
    pub value: usize,
}

impl Compiled {
    /// Checks that the outputs of a query may become facts in a namespace. `with_causes` says whether these facts are
    /// to have causes: then the program may not read `cause`.
    ///
    /// # Errors
    /// What is against it: L065 for an output that is not monotone, L066 for an atom that might read what is stated,
    /// L067 for an output whose rows are no facts.
    pub fn as_facts(&self, namespace: &str, with_causes: bool) -> Result<Vec<FactOutput>, Diagnostics> {
        let mut report = Report::default();
        let edges = stratify::edges(&self.rules);
        let outputs = self.outputs.iter().map(|output| {
            self.refuse_shrinking(output, &edges, &mut report);
            self.fact_output(output, &mut report)
        });
        let outputs: Vec<Option<FactOutput>> = outputs.collect();
        let read = self.reached(self.outputs.iter().map(|output| output.name.clone()), &edges);
        for rule in self.rules.iter().filter(|rule| read.contains(&rule.head)) {
            self.refuse_reading(rule, namespace, with_causes, &mut report);
        }
        if report.has_errors() {
            return Err(report.finish(self.warnings.sources().clone()));
        }
        Ok(outputs.into_iter().flatten().collect())
    }

    /// Some relations and all they depend on.
    fn reached(&self, from: impl Iterator<Item = RelationName>, edges: &[Edge]) -> BTreeSet<RelationName> {
        let (mut reached, mut waiting): (BTreeSet<RelationName>, Vec<_>) = (BTreeSet::new(), from.collect());
        while let Some(name) = waiting.pop() {
            if reached.insert(name.clone()) {
                waiting.extend(edges.iter().filter(|edge| edge.from == name).map(|edge| edge.to.clone()));
            }
        }
        reached
    }

    fn refuse_shrinking(&self, output: &Interface, edges: &[Edge], report: &mut Report) {
        let class = self.classes[&output.name];
        if class == Monotonicity::Monotone {
            return;
        }
        let reached = self.reached(std::iter::once(output.name.clone()), edges);
        let (span, label) = self.reason(&reached, edges);
        let word = if class == Monotonicity::Local { "local" } else { "convergent" };
        let message = format!("`{}` is {word}, and only what never shrinks may become facts", output.name);
        let item: &mut Diagnostic = report.error("L065", span, message);
        item.label(label).remedy(match class {
            Monotonicity::Local => {
                "leave out `@next` and events: replicas need not agree on what depends on them"
            }
            _ => "publish a snapshot of it instead, or leave out what can take rows away",
        });
    }

    /// Why an output that depends on these relations is not monotone.
    fn reason(&self, reached: &BTreeSet<RelationName>, edges: &[Edge]) -> (Span, String) {
        let own = |edge: &&Edge| reached.contains(&edge.from);
        let mut own = edges.iter().filter(own);
        if let Some(rule) = self.rules.iter().find(|rule| rule.next && reached.contains(&rule.head)) {
            return (rule.span, "holds in the next epoch".to_owned());
        }
        let is_event = |edge: &&Edge| self.program.relations.get(&edge.to).is_some_and(|one| one.event);
        if let Some(edge) = own.clone().find(is_event) {
            return (edge.span, "an event".to_owned());
        }
        if let Some(edge) = own.clone().find(|edge| edge.reading == Reading::Strict) {
            return (edge.span, "a new row here may take a row away there".to_owned());
        }
        let edge = own.find(|edge| self.shrinking.contains(&edge.to));
        let edge = edge.expect("what is not monotone negates, aggregates, or reads what is not");
        (edge.span, format!("`{}` may lose rows as facts come in", controls::base_of(&edge.to)))
    }

    fn fact_output(&self, output: &Interface, report: &mut Report) -> Option<FactOutput> {
        let place = |wanted: &str, takes: &[ColumnType]| {
            let fits = |(name, kind): &(Column, ColumnType)| &**name == wanted && takes.contains(kind);
            output.columns.iter().position(fits)
        };
        let text = [ColumnType::Kind(Kind::Text)];
        let entity = place("entity", &[ColumnType::Kind(Kind::Bytes)]);
        let attribute = place("attribute", &text);
        let value = output.columns.iter().position(|(name, _)| &**name == "value");
        if let (Some(entity), Some(value)) = (entity, value)
            && output.columns.len() == 2 + usize::from(attribute.is_some())
        {
            return Some(FactOutput { output: output.name.clone(), entity, attribute, value });
        }
        let span =
            self.rules.iter().find(|rule| rule.head == output.name).map_or(Span::default(), |rule| rule.span);
        report
            .error("L067", span, format!("the rows of `{}` are no facts", output.name))
            .label(format!("it is {output}"))
            .remedy(
                "give it the columns entity (bytes), value, and attribute (text) if that is not its name",
            );
        None
    }

    /// Refuses the atoms of a rule that might read what is stated.
    fn refuse_reading(&self, rule: &Rule, namespace: &str, with_causes: bool, report: &mut Report) {
        for goal in &rule.goals {
            let (GoalKind::Scan(scan) | GoalKind::Not(scan) | GoalKind::Aggregate { scan, .. }) = &goal.kind
            else {
                continue;
            };
            if !self.bases.iter().any(|base| base.name == scan.relation) {
                continue;
            }
            let base = controls::base_of(&scan.relation);
            let named = scan.constants.iter().find(|(column, ..)| &**column == "attribute");
            // Whatever else there is to read may lose rows, and has been refused for that.
            let why = match (base, named) {
                ("fact", None) => Some((
                    "reads every attribute",
                    format!("name the attribute, and none under {namespace}/"),
                )),
                ("fact", Some((_, value, _))) if is_under(value, namespace) => {
                    Some(("is in the namespace itself", "take another namespace".to_owned()))
                }
                ("cause", _) if with_causes => {
                    Some(("reads the causes of every fact", "state the facts without causes".to_owned()))
                }
                ("height", _) => Some(("has a row for every fact", "leave it out".to_owned())),
                _ => None,
            };
            if let Some((label, remedy)) = why {
                let message = format!("this might read what is stated under {namespace}/");
                report.error("L066", goal.span, message).label(label).remedy(remedy);
            }
        }
    }
}

/// Whether an attribute is in a namespace.
fn is_under(attribute: &Value, namespace: &str) -> bool {
    attribute
        .as_text()
        .and_then(|text| text.strip_prefix(namespace))
        .is_some_and(|rest| rest.starts_with('/'))
}
