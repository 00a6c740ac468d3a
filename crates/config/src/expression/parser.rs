//! From the text of an expression to its syntax tree, by the grammar of CEL.
//!
//! Each word is read once and its depth is bounded, so that no text takes long or much memory.

use super::FaultAt;
use super::lexer::{Lexer, Token};
use super::syntax::{Arithmetic, BinaryOperator, Call, Comparison, Node, NodeKind};

/// The most levels of brackets, and of nodes in the tree.
const MAX_LEVELS: usize = 48;

/// Parses an expression.
///
/// # Errors
/// If the text is not one, or is nested too deeply.
pub(super) fn parse(text: &str) -> Result<Node, FaultAt> {
    let mut lexer = Lexer::new(text);
    let (at, token) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        at,
        token,
        depth: 0,
    };
    if parser.token == Token::End {
        return Err(FaultAt::new(at, "empty: write an expression, or true"));
    }
    let tree = parser.expression()?;
    match &parser.token {
        Token::End => Ok(tree),
        other => Err(FaultAt::new(
            parser.at,
            format!("{} was not expected", word(other)),
        )),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Where the next word begins.
    at: usize,
    /// The next word.
    token: Token,
    depth: usize,
}

/// A word as it is told.
fn word(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("'{name}'"),
        Token::Number(number) => format!("the number {number}"),
        Token::Text(_) => "a text".to_owned(),
        Token::Sign(sign) => format!("'{sign}'"),
        Token::End => "the end".to_owned(),
    }
}

impl Parser<'_> {
    /// Goes on to the next word, and gives the one that was next.
    fn advance(&mut self) -> Result<Token, FaultAt> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// Takes the next word if it is this sign.
    fn takes(&mut self, sign: &str) -> Result<bool, FaultAt> {
        let is_next = matches!(self.token, Token::Sign(next) if next == sign);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, sign: &str) -> Result<(), FaultAt> {
        if self.takes(sign)? {
            return Ok(());
        }
        let message = format!("expected '{sign}' and not {}", word(&self.token));
        Err(FaultAt::new(self.at, message))
    }

    fn node(at: usize, kind: NodeKind) -> Result<Node, FaultAt> {
        let levels = kind.levels();
        if levels > MAX_LEVELS {
            return Err(too_deep(at));
        }
        Ok(Node { at, levels, kind })
    }

    /// `a || b ? c : d`
    fn expression(&mut self) -> Result<Node, FaultAt> {
        self.depth += 1;
        if self.depth > MAX_LEVELS {
            return Err(too_deep(self.at));
        }
        let condition = self.any()?;
        let at = self.at;
        let node = if self.takes("?")? {
            let then = self.any()?;
            self.expect(":")?;
            let otherwise = self.expression()?;
            let parts = Box::new([condition, then, otherwise]);
            Self::node(at, NodeKind::Choice(parts))
        } else {
            Ok(condition)
        };
        self.depth -= 1;
        node
    }

    fn any(&mut self) -> Result<Node, FaultAt> {
        self.chain("||", Self::all, NodeKind::Any)
    }

    fn all(&mut self) -> Result<Node, FaultAt> {
        self.chain("&&", |parser| parser.binary(0), NodeKind::All)
    }

    fn chain(
        &mut self,
        sign: &str,
        part: impl Fn(&mut Self) -> Result<Node, FaultAt>,
        kind: fn(Vec<Node>) -> NodeKind,
    ) -> Result<Node, FaultAt> {
        let first = part(self)?;
        let at = self.at;
        if !self.takes(sign)? {
            return Ok(first);
        }
        let mut parts = vec![first, part(self)?];
        while self.takes(sign)? {
            parts.push(part(self)?);
        }
        Self::node(at, kind(parts))
    }

    /// Comparisons, sums and products: operators of at least this strength, from left to right.
    fn binary(&mut self, weakest: u8) -> Result<Node, FaultAt> {
        let mut left = self.unary()?;
        while let Some((strength, operator)) = self.operator().filter(|(it, _)| *it >= weakest) {
            let at = self.at;
            self.advance()?;
            let right = self.binary(strength + 1)?;
            left = Self::node(at, NodeKind::Binary(operator, Box::new([left, right])))?;
        }
        Ok(left)
    }

    /// The operator that is the next word, and how strongly it binds.
    fn operator(&self) -> Option<(u8, BinaryOperator)> {
        use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let compare = |comparison| Some((0, BinaryOperator::Compare(comparison)));
        let sum = |operator| Some((1, BinaryOperator::Arithmetic(operator)));
        let product = |operator| Some((2, BinaryOperator::Arithmetic(operator)));
        match &self.token {
            Token::Name(name) if name == "in" => Some((0, BinaryOperator::In)),
            Token::Sign("==") => compare(Equal),
            Token::Sign("!=") => compare(NotEqual),
            Token::Sign("<") => compare(Less),
            Token::Sign("<=") => compare(LessOrEqual),
            Token::Sign(">") => compare(Greater),
            Token::Sign(">=") => compare(GreaterOrEqual),
            Token::Sign("+") => sum(Add),
            Token::Sign("-") => sum(Subtract),
            Token::Sign("*") => product(Multiply),
            Token::Sign("/") => product(Divide),
            Token::Sign("%") => product(Remainder),
            _ => None,
        }
    }

    fn unary(&mut self) -> Result<Node, FaultAt> {
        let at = self.at;
        let mut signs = Vec::new();
        for sign in ["!", "-"] {
            while self.takes(sign)? {
                signs.push(sign);
                if signs.len() > MAX_LEVELS {
                    return Err(too_deep(at));
                }
            }
            if !signs.is_empty() {
                break;
            }
        }
        let mut node = self.member()?;
        for sign in signs {
            let part = Box::new(node);
            let kind = match sign {
                "!" => NodeKind::Not(part),
                _ => NodeKind::Negative(part),
            };
            node = Self::node(at, kind)?;
        }
        Ok(node)
    }

    /// A value, and what is read of it: `value.field`, `value[index]`, `value.function(...)`.
    fn member(&mut self) -> Result<Node, FaultAt> {
        let mut node = self.primary()?;
        loop {
            let at = self.at;
            if self.takes(".")? {
                let name = self.name()?;
                node = if self.takes("(")? {
                    let arguments = self.list(")")?;
                    let call = Call {
                        target: Some(Box::new(node)),
                        name,
                        arguments,
                    };
                    Self::node(at + 1, NodeKind::Call(call))?
                } else {
                    let begins = node.at;
                    Self::node(begins, NodeKind::Member(Box::new(node), name))?
                };
            } else if self.takes("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                node = Self::node(at, NodeKind::Index(Box::new([node, index])))?;
            } else {
                return Ok(node);
            }
        }
    }

    fn name(&mut self) -> Result<String, FaultAt> {
        match &self.token {
            Token::Name(_) => {
                let Token::Name(name) = self.advance()? else {
                    unreachable!("the next word is a name")
                };
                Ok(name)
            }
            other => {
                let message = format!("expected a name after '.' and not {}", word(other));
                Err(FaultAt::new(self.at, message))
            }
        }
    }

    fn primary(&mut self) -> Result<Node, FaultAt> {
        let at = self.at;
        let kind = match self.advance()? {
            Token::Number(number) => NodeKind::Number(number),
            Token::Text(text) => NodeKind::Text(text),
            Token::Name(name) => match &*name {
                "true" => NodeKind::Bool(true),
                "false" => NodeKind::Bool(false),
                "null" => {
                    let message = "null is no value here: write has(request.headers.name) or \
                                   'name' in request.headers";
                    return Err(FaultAt::new(at, message));
                }
                "in" => return Err(FaultAt::new(at, "'in' was not expected")),
                _ if self.takes("(")? => NodeKind::Call(Call {
                    target: None,
                    name,
                    arguments: self.list(")")?,
                }),
                _ => NodeKind::Name(name),
            },
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => NodeKind::List(self.list("]")?),
            Token::Sign("{") => return Err(FaultAt::new(at, "maps are no values here")),
            other => {
                let message = format!("expected a value and not {}", word(&other));
                return Err(FaultAt::new(at, message));
            }
        };
        Self::node(at, kind)
    }

    /// Expressions that are separated by commas, up to a closing bracket.
    fn list(&mut self, end: &str) -> Result<Vec<Node>, FaultAt> {
        let mut items = Vec::new();
        while !self.takes(end)? {
            if !items.is_empty() {
                self.expect(",")?;
                // A list may end with a comma.
                if self.takes(end)? {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }
}

fn too_deep(at: usize) -> FaultAt {
    FaultAt::new(
        at,
        format!("nested more than {MAX_LEVELS} levels deep: write several expressions"),
    )
}
