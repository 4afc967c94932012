use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A whole number within `range`. Unlike clap's own ranges it names the range for whatever is out of it, also for text.
pub(super) fn whole_number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("use a whole number from {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_range_is_told_the_range() {
        let parse = whole_number(1_u32..=256);
        assert_eq!((parse("1"), parse("256")), (Ok(1), Ok(256)));
        for text in ["", "0", "257", "-1", "x", "1.5", "99999999999999999999"] {
            assert_eq!(parse(text), Err("use a whole number from 1 to 256".to_owned()), "{text}");
        }
    }
}
