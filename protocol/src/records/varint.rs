//! Zigzag variable-length integers, as records use them.

/// The longest a 64-bit integer gets.
pub(super) const MAX_LEN: usize = 10;
/// How -1 is spelled, which as a length is null.
pub(super) const MINUS_ONE: u64 = 1;

#[inline(always)]
pub(super) fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

#[inline(always)]
fn unzigzag(u: u64) -> i64 {
    (u >> 1) as i64 ^ -((u & 1) as i64)
}

/// How many bytes `u` takes.
#[inline(always)]
pub(super) fn len(u: u64) -> usize {
    (63 - (u | 1).leading_zeros() as usize) / 7 + 1
}

/// Takes one integer off `bytes`; `None` when it does not end in time.
#[inline(always)]
pub(super) fn take(bytes: &mut &[u8]) -> Option<i64> {
    take_zigzag(bytes).map(unzigzag)
}

/// Takes one integer as it is spelled: an odd one is negative, 1 is -1. For lengths, of which only
/// that one may be.
#[inline(always)]
pub(super) fn take_zigzag(bytes: &mut &[u8]) -> Option<u64> {
    match **bytes {
        [a, ref rest @ ..] if a < 0x80 => {
            *bytes = rest;
            Some(u64::from(a))
        }
        [a, b, ref rest @ ..] if b < 0x80 => {
            *bytes = rest;
            Some(u64::from(a & 0x7f) | u64::from(b) << 7)
        }
        _ => {
            let (u, rest) = split_long(bytes)?;
            *bytes = rest;
            Some(u)
        }
    }
}

/// By value, so that the bytes may stay in registers where this is not called.
#[cold]
fn split_long(mut bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut u = 0u64;
    for shift in (0..7 * MAX_LEN).step_by(7) {
        let (&b, rest) = bytes.split_first()?;
        bytes = rest;
        u |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Some((u, bytes));
        }
    }
    None
}

/// Appends to a small buffer on its way into a batch. `at` is where it goes; the new end returns.
/// `None` where it does not fit.
#[inline(always)]
pub(super) fn put(to: &mut [u8], at: usize, u: u64) -> Option<usize> {
    if u < 0x80 {
        *to.get_mut(at)? = u as u8;
        return Some(at + 1);
    }
    if u < 0x4000 {
        *to.get_mut(at..)?.first_chunk_mut()? = [u as u8 | 0x80, (u >> 7) as u8];
        return Some(at + 2);
    }
    put_long(to, at, u)
}

#[cold]
fn put_long(to: &mut [u8], mut at: usize, mut u: u64) -> Option<usize> {
    while u >= 0x80 {
        *to.get_mut(at)? = u as u8 | 0x80;
        at += 1;
        u >>= 7;
    }
    *to.get_mut(at)? = u as u8;
    Some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length_come_back() {
        for shift in 0..64 {
            for v in [
                1i64 << shift,
                (1i64 << shift).wrapping_neg(),
                (1i64 << shift).wrapping_sub(1),
            ] {
                let mut buf = [0; MAX_LEN];
                let end = put(&mut buf, 0, zigzag(v)).expect("it fits");
                assert_eq!(end, len(zigzag(v)));
                let mut rest = &buf[..end];
                assert_eq!((take(&mut rest), rest.len()), (Some(v), 0));
                assert_eq!(take(&mut &buf[..end - 1]), None);
            }
        }
    }

    #[test]
    fn an_integer_without_end_is_none() {
        assert_eq!(take(&mut &[0xff; 20][..]), None);
    }
}
