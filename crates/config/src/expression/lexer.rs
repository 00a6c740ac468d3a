//! The words of an expression.

use super::FaultAt;

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(i64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// The signs, longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "!", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "?",
    ":", "+", "-", "*", "/", "%",
];

/// Reads the words of a text, one after the other.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word, with the byte where it begins.
    ///
    /// # Errors
    /// If the text is not a word.
    pub(super) fn next(&mut self) -> Result<(usize, Token), FaultAt> {
        self.skip_blanks();
        let at = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok((at, Token::End));
        };
        if let Some((prefix, quote)) = quoted(rest) {
            self.at += prefix.len();
            return match prefix {
                "" => self.text(quote, false),
                "r" | "R" => self.text(quote, true),
                _ => Err(FaultAt::new(at, "bytes are no value here: write a text")),
            }
            .map(|text| (at, Token::Text(text)));
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let name = self.take_while(|char| char.is_ascii_alphanumeric() || char == '_');
            return Ok((at, Token::Name(name.to_owned())));
        }
        if first.is_ascii_digit() {
            return self.number().map(|number| (at, Token::Number(number)));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.at += sign.len();
            return Ok((at, Token::Sign(sign)));
        }
        let message = match first {
            '=' => "'=' is no operator: write ==".to_owned(),
            '&' | '|' => format!("'{first}' is no operator: write {first}{first}"),
            '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => {
                "a typographic quote: write ' or \"".to_owned()
            }
            first => format!("{first:?} is not part of an expression"),
        };
        Err(FaultAt::new(at, message))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|char| !belongs(char)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Skips blanks, and comments to the end of their line.
    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|char| char.is_ascii_whitespace());
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|char| char != '\n');
        }
    }

    fn number(&mut self) -> Result<i64, FaultAt> {
        let at = self.at;
        let word = self.take_while(|char| char.is_ascii_alphanumeric() || char == '.');
        // An unsigned number is the same number.
        let digits = word.strip_suffix(['u', 'U']).unwrap_or(word);
        let hex = digits
            .strip_prefix("0x")
            .or_else(|| digits.strip_prefix("0X"));
        let number = match hex {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        };
        number.ok_or_else(|| FaultAt::new(at, "not a whole number of 64 bits, such as 443"))
    }

    /// Reads a text from its quote to its end.
    fn text(&mut self, quote: &str, is_raw: bool) -> Result<String, FaultAt> {
        let begins = self.at;
        self.at += quote.len();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(text);
            }
            let Some(next) = rest.chars().next() else {
                return Err(FaultAt::new(begins, "the text has no end"));
            };
            if next == '\n' && quote.len() == 1 {
                let message = "the text has no end on its line: write \\n for a new line";
                return Err(FaultAt::new(begins, message));
            }
            if next == '\\' && !is_raw {
                text.push(self.escaped()?);
                continue;
            }
            self.at += next.len_utf8();
            text.push(next);
            // A quote after a backslash does not end a raw text, and both stay.
            if next == '\\'
                && let Some(escaped) = self.rest().chars().next()
            {
                self.at += escaped.len_utf8();
                text.push(escaped);
            }
        }
    }

    /// Reads an escape sequence, which begins with a backslash.
    fn escaped(&mut self) -> Result<char, FaultAt> {
        let at = self.at;
        let wrong = || FaultAt::new(at, "not an escape sequence: write \\\\ for a backslash");
        let rest = &self.rest()[1..];
        let kind = rest.chars().next().ok_or_else(wrong)?;
        let (digits, radix) = match kind {
            'x' | 'X' => (rest.get(1..3), 16),
            'u' => (rest.get(1..5), 16),
            'U' => (rest.get(1..9), 16),
            '0'..='3' => (rest.get(..3), 8),
            _ => (None, 0),
        };
        if let Some(digits) = digits {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let code = u32::from_str_radix(digits, radix).ok();
            let char = code.filter(|_| is_number).and_then(char::from_u32);
            self.at += 1 + usize::from(radix == 16) + digits.len();
            return char.ok_or_else(wrong);
        }
        self.at += 1 + kind.len_utf8();
        Ok(match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '?' | '"' | '\'' | '`' => kind,
            _ => return Err(wrong()),
        })
    }
}

/// The prefix and the quote of a text, if one begins here.
fn quoted(rest: &str) -> Option<(&str, &'static str)> {
    let letters = rest
        .find(|char: char| !matches!(char, 'r' | 'R' | 'b' | 'B'))
        .filter(|letters| *letters <= 2)?;
    let quote = ["'''", "\"\"\"", "'", "\""];
    let after = &rest[letters..];
    let quote = quote.into_iter().find(|quote| after.starts_with(quote))?;
    Some((&rest[..letters], quote))
}
