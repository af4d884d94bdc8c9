//! Keys that say where something stands among others, with room between any two.
//!
//! A key is bytes, compared bytewise, that don't end with a zero byte: so there is always another between two of them,
//! and putting something between two others touches neither. Whoever makes a key ends it with bytes of its own, so that
//! two who put things into one gap at once make two keys.

/// A key after one and before another, ended by `own` bytes; `None`: no bound on that side. If there is no room, for
/// the two are equal or in the wrong order, it comes right after the first.
pub fn between(after: Option<&[u8]>, before: Option<&[u8]>, own: &[u8]) -> Vec<u8> {
    let before = before.filter(|before| after.is_none_or(|after| after < *before));
    let mut key = front(after.unwrap_or_default(), before);
    key.extend(own);
    if own.last().is_none_or(|last| *last == 0) {
        key.push(MIDDLE);
    }
    key
}

const MIDDLE: u8 = 0x80;

/// Bytes that lie between the bounds whatever follows them, if anything does.
fn front(after: &[u8], before: Option<&[u8]>) -> Vec<u8> {
    let mut key = Vec::new();
    // While the key agrees with the upper bound, its next byte is one.
    let mut bound = before;
    for place in 0.. {
        let high =
            bound.map(|bound| *bound.get(place).expect("an upper bound ends with no zero, and is above"));
        let step = match (after.get(place), high) {
            (None, None) => return key,
            (None, Some(high)) => (high / 2, high > 0, high > 0),
            (Some(&low), None) => (low.saturating_add(1), low < u8::MAX, true),
            (Some(&low), Some(high)) => (low + (high - low) / 2, high - low > 1, high > low),
        };
        let (byte, is_between, leaves_bound) = step;
        key.push(byte);
        if is_between && after.get(place).is_none_or(|low| byte > *low) {
            return key;
        }
        if leaves_bound {
            bound = None;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_between_any_two() {
        let keys = [
            &[1][..],
            &[0, 1],
            &[0, 0, 1],
            &[1, 0, 5],
            &[1, 1],
            &[2],
            &[0x80],
            &[255],
            &[255, 255],
            &[7, 0, 0, 1],
        ];
        for own in [&[][..], &[9], &[0, 0], &[255]] {
            for (low, high) in keys.iter().flat_map(|low| keys.iter().map(move |high| (*low, *high))) {
                let key = between(Some(low), Some(high), own);
                assert!(
                    key.as_slice() > low && (low >= high || key.as_slice() < high),
                    "{low:?} {key:?} {high:?}"
                );
                assert!(key.last() != Some(&0));
            }
            for bound in keys {
                assert!(between(None, Some(bound), own).as_slice() < bound);
                assert!(between(Some(bound), None, own).as_slice() > bound);
            }
        }
    }

    #[test]
    fn a_gap_never_closes_and_keys_grow_slowly() {
        let (mut low, high) = (vec![1], vec![2]);
        for _ in 0..1000 {
            low = between(Some(&low), Some(&high), &[]);
        }
        assert!(low < high && low.len() < 200, "{} bytes", low.len());
        let mut last = Vec::new();
        for _ in 0..1000 {
            let next = between(Some(&last), None, &[7]);
            assert!(next > last);
            last = next;
        }
        assert!(last.len() < 20, "{} bytes", last.len());
    }
}
