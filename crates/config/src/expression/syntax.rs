//! The syntax tree of an expression, before types and names are checked.

/// A part of an expression.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins, in bytes of the text. An operator is where it is written.
    pub(super) at: usize,
    /// How many levels of nodes it has, itself included.
    pub(super) levels: usize,
    pub(super) kind: NodeKind,
}

/// The kinds of parts. Chains of `&&` and of `||` are one node each.
#[derive(Debug)]
pub(super) enum NodeKind {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Node>),
    Name(String),
    /// `operand.field`
    Member(Box<Node>, String),
    /// `operand[index]`
    Index(Box<[Node; 2]>),
    /// `function(arguments)` or `target.function(arguments)`
    Call(Call),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(BinaryOperator, Box<[Node; 2]>),
    All(Vec<Node>),
    Any(Vec<Node>),
    /// `condition ? then : otherwise`
    Choice(Box<[Node; 3]>),
}

/// A call of a function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) target: Option<Box<Node>>,
    pub(super) name: String,
    pub(super) arguments: Vec<Node>,
}

/// The operators between two values, except `&&` and `||`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOperator {
    Compare(Comparison),
    In,
    Arithmetic(Arithmetic),
}

/// The comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The operators of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl NodeKind {
    /// The parts of the node.
    fn parts(&self) -> Vec<&Node> {
        match self {
            Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Name(_) => Vec::new(),
            Self::List(parts) | Self::All(parts) | Self::Any(parts) => parts.iter().collect(),
            Self::Member(part, _) | Self::Not(part) | Self::Negative(part) => vec![part],
            Self::Index(parts) | Self::Binary(_, parts) => parts.iter().collect(),
            Self::Call(Call {
                target, arguments, ..
            }) => target.as_deref().into_iter().chain(arguments).collect(),
            Self::Choice(parts) => parts.iter().collect(),
        }
    }

    /// How many levels of nodes a node of this kind has.
    pub(super) fn levels(&self) -> usize {
        let deepest = self.parts().into_iter().map(|part| part.levels).max();
        deepest.unwrap_or(0) + 1
    }
}

impl Comparison {
    /// Whether the comparison holds for values in this order.
    pub(super) fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}
