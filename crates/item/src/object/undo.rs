//! Taking back what was said of properties.

use motet_fact::{Attribute, Cid, Entity, Fact, FactError, Value};

use super::labelled;
use crate::register::Taken;
use crate::{ObjectState, label};

impl ObjectState {
    /// Values go back to what they were, removed elements come again, added ones go, and what was counted is counted
    /// back. What somebody has said since, over what is to be taken back, stays.
    pub(crate) fn take_back(
        &self,
        said: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Result<Vec<Fact>, FactError> {
        let mut facts = Vec::new();
        for taken in self.registers.undo(said) {
            self.take_back_heads(&taken, said, fresh, &mut facts)?;
        }
        for cid in said {
            self.take_back_removal(cid, said, fresh, &mut facts)?;
            self.take_back_adding(cid, &mut facts)?;
        }
        for (property, by, causes) in said.iter().filter_map(|cid| self.counters.get(cid)) {
            // The one number whose opposite is no number goes back in two steps.
            let back = by.checked_neg().map_or(vec![i64::MAX, 1], |back| vec![back]);
            for back in back {
                let attribute = labelled(label::INCREMENT, property);
                facts.push(Fact::new(fresh(), attribute, back, causes.to_vec())?);
            }
        }
        Ok(facts)
    }

    /// The register is what it was before: a value, counted up; or none, and what was counted since it had none.
    fn take_back_heads(
        &self,
        taken: &Taken,
        said: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
        facts: &mut Vec<Fact>,
    ) -> Result<(), FactError> {
        let (entity, property) = &taken.name;
        let counted = |property: &Attribute, upon: Option<Cid>| -> i128 {
            let said = said.iter().filter_map(|cid| self.counters.get(cid));
            let upon = said.filter(|(of, _, causes)| *of == property && causes.last().copied() == upon);
            upon.map(|(_, by, _)| i128::from(by)).sum()
        };
        if let Some((cid, value)) = &taken.before {
            let value = match value {
                Value::Int(value) if *entity == self.item => {
                    let added = self.counters.added_to(property, *cid) - counted(property, Some(*cid));
                    Value::Int(i64::try_from(i128::from(*value) + added).unwrap_or(*value))
                }
                other => other.clone(),
            };
            facts.push(Fact::new(entity.clone(), property.clone(), value, taken.heads.clone())?);
            return Ok(());
        }
        let mut heads = taken.heads.clone();
        if !taken.removes {
            let gone = removal(entity, property, heads)?;
            heads = vec![gone.cid()];
            facts.push(gone);
        }
        if *entity != self.item {
            return Ok(());
        }
        let since = self.counters.without_value(property, &taken.removals);
        let said = match taken.removals.as_slice() {
            [] => counted(property, None),
            removals => removals.iter().map(|removal| counted(property, Some(*removal))).sum(),
        };
        if let Ok(by @ (..=-1 | 1..)) = i64::try_from(since - said) {
            let attribute = labelled(label::INCREMENT, property);
            facts.push(Fact::new(fresh(), attribute, by, heads)?);
        }
        Ok(())
    }

    fn take_back_removal(
        &self,
        removal: &Cid,
        said: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
        facts: &mut Vec<Fact>,
    ) -> Result<(), FactError> {
        if self.registers.value_of(removal) != Some(None) {
            return Ok(());
        }
        let cited = self.registers.causes_of(removal).iter().filter(|cause| !said.contains(cause));
        let elements = cited.filter_map(|cause| self.sets.element_of(cause));
        for element in elements.filter(|element| self.sets.adds_of(element).all(|add| said.contains(&add))) {
            let (attribute, value) = (labelled(label::ADD, &element.0), element.1.clone());
            let again = |fact: &Fact| *fact.attribute() == attribute && *fact.value() == value;
            if !facts.iter().any(again) {
                facts.push(Fact::new(fresh(), attribute, value, Vec::new())?);
            }
        }
        Ok(())
    }

    fn take_back_adding(&self, add: &Cid, facts: &mut Vec<Fact>) -> Result<(), FactError> {
        if let Some(element) = self.sets.element_of(add)
            && self.sets.adds_of(element).any(|live| live == *add)
        {
            facts.push(removal(&self.item, &element.0, vec![*add])?);
        }
        Ok(())
    }
}

/// The fact that removes from a property what it cites.
pub(crate) fn removal(entity: &Entity, property: &Attribute, causes: Vec<Cid>) -> Result<Fact, FactError> {
    Fact::new(entity.clone(), label::REMOVE.into(), property.value().clone(), causes)
}
