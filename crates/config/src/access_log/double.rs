//! Numbers as Envoy writes them into JSON.

/// The shortest text of a number: with an exponent where that is shorter, such as `1e+06`.
pub(super) fn shortest(number: f64) -> String {
    let plain = format!("{number}");
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return plain;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let scientific = format!("{digits}e{sign}{exponent:0>2}");
    if scientific.len() < plain.len() {
        scientific
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_form_is_written() {
        for (number, expected) in [
            (1.5, "1.5"),
            (0.001, "0.001"),
            (0.0001, "1e-04"),
            (100_000.0, "1e+05"),
            (123_456.0, "123456"),
            (1_000_000.0, "1e+06"),
            (1_200_000.0, "1200000"),
            (2_147_483_648.0, "2147483648"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (2e10, "2e+10"),
            (1e21, "1e+21"),
            (-3.0, "-3"),
            (0.0, "0"),
        ] {
            assert_eq!(shortest(number), expected);
        }
    }
}
