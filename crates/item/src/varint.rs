//! Numbers in as many bytes as they need: seven bits a byte, the least first, the high bit says that more follow.
//!
//! A number has one encoding: another one of it is refused.

/// Appends a number.
pub(crate) fn write(mut number: u32, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a number from the front and moves past it; nothing if there is none.
pub(crate) fn read(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            let shortest = at == 0 || byte != 0;
            return u32::try_from(number).ok().filter(|_| shortest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_have_one_encoding() {
        for number in [0, 1, 127, 128, 300, 1 << 14, u32::MAX - 1, u32::MAX] {
            let mut bytes = Vec::new();
            write(number, &mut bytes);
            let mut rest = bytes.as_slice();
            assert_eq!((read(&mut rest), rest), (Some(number), &[][..]));
        }
        for wrong in [&[][..], &[0x80], &[0x80, 0], &[0xff; 5], &[0xff, 0xff, 0xff, 0xff, 0x1f]] {
            assert_eq!(read(&mut { wrong }), None, "{wrong:?}");
        }
    }
}
