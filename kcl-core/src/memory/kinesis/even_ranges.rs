use crate::model::HashKeyRange;

/// The hash key space cut into `count` parts as the service cuts it: equal ones, the last with the remainder.
pub(super) fn even_ranges(count: u32) -> impl Iterator<Item = HashKeyRange> {
    let size = even_size(count);
    (0..count).map(move |index| HashKeyRange {
        start: size.wrapping_mul(index.into()),
        end: if index + 1 == count { u128::MAX } else { size * u128::from(index + 1) - 1 },
    })
}

/// 2^128 divided by `count`. For a count of 1 that wraps to 0, which only ever is multiplied by the index 0.
fn even_size(count: u32) -> u128 {
    let count = u128::from(count);
    let remainder_is_full = u128::MAX % count == count - 1;
    (u128::MAX / count).wrapping_add(remainder_is_full.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_service() {
        assert_eq!(even_ranges(1).collect::<Vec<_>>(), [HashKeyRange::FULL]);
        let starts = |count| even_ranges(count).map(|range| range.start).collect::<Vec<_>>();
        assert_eq!(starts(2), [0, 1 << 127]);
        assert_eq!(
            starts(3),
            [
                0,
                113_427_455_640_312_821_154_458_202_477_256_070_485,
                226_854_911_280_625_642_308_916_404_954_512_140_970
            ]
        );
    }
}
