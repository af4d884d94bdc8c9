//! Bytes that sort as the values they stand for do (requirements §3.5).
//!
//! A key is a tag byte (the kind's rank), then: bool one byte; int big-endian with the sign bit flipped; float its
//! bits folded so that negatives sort backwards; text and bytes with `00` escaped as `00 ff` and ended by `00 00`;
//! link its 36 bytes. Keys are self-delimiting, so several may stand one after the other in one key.

use crate::{Cid, Float, Kind, Value};

/// Appends the key of a value.
pub fn write_key(value: &Value, key: &mut Vec<u8>) {
    key.push(value.kind() as u8);
    match value {
        Value::Bool(value) => key.push(u8::from(*value)),
        Value::Int(value) => key.extend((value.cast_unsigned() ^ (1 << 63)).to_be_bytes()),
        Value::Float(value) => key.extend(fold_sign(value.get().to_bits()).to_be_bytes()),
        Value::Text(text) => write_escaped(text.as_bytes(), key),
        Value::Bytes(bytes) => write_escaped(bytes, key),
        Value::Link(cid) => key.extend(cid.as_bytes()),
    }
}

/// Reads one value from the front of a key and moves past it; nothing if the bytes are not a key.
pub fn read_key(key: &mut &[u8]) -> Option<Value> {
    let tag = take(key, 1)?[0];
    Some(match tag {
        tag if tag == Kind::Bool as u8 => match take(key, 1)?[0] {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return None,
        },
        tag if tag == Kind::Int as u8 => Value::Int((take_u64(key)? ^ (1 << 63)).cast_signed()),
        tag if tag == Kind::Float as u8 => {
            let number = f64::from_bits(unfold_sign(take_u64(key)?));
            let float = Float::new(number).ok()?;
            if float.get().to_bits() != number.to_bits() {
                return None;
            }
            Value::Float(float)
        }
        tag if tag == Kind::Text as u8 => Value::Text(String::from_utf8(read_escaped(key)?).ok()?.into()),
        tag if tag == Kind::Bytes as u8 => Value::Bytes(read_escaped(key)?.into()),
        tag if tag == Kind::Link as u8 => Value::Link(Cid::from_bytes(take(key, Cid::LENGTH)?).ok()?),
        _ => return None,
    })
}

fn fold_sign(bits: u64) -> u64 {
    if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) }
}

fn unfold_sign(bits: u64) -> u64 {
    if bits >> 63 == 1 { bits ^ (1 << 63) } else { !bits }
}

fn write_escaped(bytes: &[u8], key: &mut Vec<u8>) {
    for &byte in bytes {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 0]);
}

fn read_escaped(key: &mut &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match take(key, 1)?[0] {
            0 => match take(key, 1)?[0] {
                0 => return Some(bytes),
                0xff => bytes.push(0),
                _ => return None,
            },
            byte => bytes.push(byte),
        }
    }
}

fn take<'a>(key: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (front, rest) = key.split_at_checked(length)?;
    *key = rest;
    Some(front)
}

fn take_u64(key: &mut &[u8]) -> Option<u64> {
    take(key, 8)?.try_into().ok().map(u64::from_be_bytes)
}
