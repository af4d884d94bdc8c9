//! Random programs, most of them not sound: what a text form has to be able to say.

use std::sync::Arc;

use motet_algebra::{
    Aggregate, ColumnType, Expression, Formula, Function, Program, Relation, Statement, Term,
};
use motet_fact::{Cid, Codec, Kind, Value};
use proptest::prelude::*;
use proptest::sample::select;

/// Names, some of them odd.
fn name() -> impl Strategy<Value = Arc<str>> {
    let words =
        ["x", "y", "edge", "sum", "union", "input", "link", "change", "by", "not", "end", "true", "$cid"];
    prop_oneof![
        4 => select(words.to_vec()).prop_map(Arc::from),
        1 => "[a-z~ `\\\\\n\u{7f}é\"/%]{1,5}".prop_map(Arc::from),
        1 => any::<String>().prop_filter("names are not empty", |name| !name.is_empty()).prop_map(Arc::from),
    ]
}

fn names() -> impl Strategy<Value = Vec<Arc<str>>> {
    prop::collection::vec(name(), 0..3)
}

/// Values of every kind.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        select(&[0, -1, i64::MIN, i64::MAX][..]).prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(|number| Value::float(number).expect("normal floats are finite")),
        any::<String>().prop_map(Value::text),
        any::<Vec<u8>>().prop_map(Value::bytes),
        any::<u8>().prop_map(|byte| Value::Link(Cid::of(Codec::Raw, &[byte]))),
        any::<u8>().prop_map(|byte| Value::Link(Cid::of(Codec::DagCbor, &[byte]))),
    ]
}

fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![name().prop_map(Term::Column), value().prop_map(Term::Constant)];
    leaf.prop_recursive(4, 12, 3, |inner| {
        (select(&Function::ALL[..]), prop::collection::vec(inner, 0..4))
            .prop_map(|(function, terms)| Term::Apply(function, terms))
    })
}

fn formula() -> impl Strategy<Value = Formula> {
    crate::formulas::over(term)
}

fn leaf() -> impl Strategy<Value = Expression> {
    let rows = prop::collection::vec(prop::collection::vec(value(), 0..3), 0..4);
    prop_oneof![
        3 => (name(), prop::option::weighted(0.2, name()))
            .prop_map(|(name, cid)| Expression::Relation { name, cid }),
        1 => (names(), rows).prop_map(|(columns, rows)| Expression::Constant { columns, rows }),
    ]
}

fn grouping(
    input: impl Strategy<Value = Box<Expression>> + Clone + 'static,
) -> impl Strategy<Value = Expression> {
    let of = (select(&Aggregate::ALL[..]), prop::option::of(name()), names());
    let group =
        (input.clone(), names(), of, name()).prop_map(|(input, keys, (aggregate, over, by), result)| {
            Expression::GroupBy { input, keys, aggregate, over, by, result }
        });
    let rank = (input.clone(), names(), names(), name())
        .prop_map(|(input, keys, by, result)| Expression::Rank { input, keys, by, result });
    let moved = (name(), name(), names());
    let moves = (input, names(), moved, name()).prop_map(|(input, keys, (node, parent, by), result)| {
        Expression::FoldMoves { input, keys, node, parent, by, result }
    });
    prop_oneof![group, rank, moves]
}

/// Every operator over every other.
pub(crate) fn expression() -> impl Strategy<Value = Expression> {
    leaf().prop_recursive(5, 24, 3, |inner| {
        let one = inner.clone().prop_map(Box::new).boxed();
        let pairs = prop::collection::vec((name(), name()), 0..3);
        prop_oneof![
            (one.clone(), formula()).prop_map(|(input, formula)| Expression::Select { input, formula }),
            (one.clone(), names()).prop_map(|(input, columns)| Expression::Project { input, columns }),
            (one.clone(), pairs).prop_map(|(input, pairs)| Expression::Rename { input, pairs }),
            (one.clone(), name(), term()).prop_map(|(input, column, term)| Expression::Extend {
                input,
                column,
                term
            }),
            prop::collection::vec(inner, 0..4).prop_map(Expression::Union),
            (one.clone(), one.clone()).prop_map(|(left, right)| Expression::Difference(left, right)),
            (one.clone(), one.clone()).prop_map(|(left, right)| Expression::Join(left, right)),
            (one.clone(), one.clone()).prop_map(|(left, right)| Expression::Product(left, right)),
            (one.clone(), one.clone(), formula()).prop_map(|(left, right, formula)| Expression::ThetaJoin {
                left,
                right,
                formula
            }),
            (one.clone(), one.clone(), prop::collection::vec((name(), name()), 0..3))
                .prop_map(|(left, right, pairs)| Expression::EquiJoin { left, right, pairs }),
            (one.clone(), one.clone()).prop_map(|(left, right)| Expression::SemiJoin(left, right)),
            (one.clone(), one.clone()).prop_map(|(left, right)| Expression::AntiJoin(left, right)),
            grouping(one),
        ]
    })
}

fn relation() -> impl Strategy<Value = Relation> {
    let kinds = [Kind::Bool, Kind::Int, Kind::Float, Kind::Text, Kind::Bytes, Kind::Link];
    let column_type = prop_oneof![select(kinds.to_vec()).prop_map(ColumnType::Kind), Just(ColumnType::Any)];
    (prop::collection::vec((name(), column_type), 0..4), any::<[bool; 3]>())
        .prop_map(|(columns, [input, event, output])| Relation { columns, input, event, output })
}

fn statement() -> impl Strategy<Value = Statement> {
    let assign = (name(), expression(), any::<bool>()).prop_map(|(relation, expression, next)| match next {
        true => Statement::next(relation, expression),
        false => Statement::assign(relation, expression),
    });
    assign.prop_recursive(2, 4, 3, |inner| {
        (prop::collection::vec(inner, 0..3), names())
            .prop_map(|(body, exports)| Statement::Loop { body, exports })
    })
}

/// Any program at all.
pub(crate) fn program() -> impl Strategy<Value = Program> {
    (prop::collection::btree_map(name(), relation(), 0..4), prop::collection::vec(statement(), 0..4))
        .prop_map(|(relations, statements)| Program { relations, statements })
}
