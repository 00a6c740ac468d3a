//! From the syntax tree of an expression to the tree that is evaluated: names and types are checked here.

use http::HeaderName;

use super::FaultAt;
use super::attribute::{
    Attribute, ExpressionInputs, ExpressionMoment, NamedValue, is_namespace, named, pseudo_header,
};
use super::claim::ClaimPath;
use super::evaluate::{Condition, Number, SplitText, Text};
use super::syntax::{BinaryOperator, Comparison, Node, NodeKind};

mod call;

/// Compiles the tree of an expression, which has to be true or false.
///
/// # Errors
/// If a name is not known or types do not fit.
pub(super) fn condition(
    tree: &Node,
    moment: ExpressionMoment,
) -> Result<(Condition, ExpressionInputs), FaultAt> {
    let mut lowering = Lowering {
        moment,
        ..Lowering::default()
    };
    let condition = lowering.condition(tree)?;
    Ok((condition, lowering.inputs))
}

/// Compiles the tree of an expression, which may have any value.
///
/// # Errors
/// As of [`condition`].
pub(super) fn value(tree: &Node, moment: ExpressionMoment) -> Result<Value, FaultAt> {
    let mut lowering = Lowering {
        moment,
        ..Lowering::default()
    };
    lowering.value(tree)
}

/// A value with its type.
pub(super) enum Value {
    Condition(Condition),
    Text(Text),
    Number(Number),
    /// The names of the client's certificate.
    Names,
    /// The header fields.
    Headers,
    /// A claim, whose type only a token tells, or all claims.
    Claim(ClaimPath),
    /// The pieces of a text.
    Pieces(SplitText),
    Texts(Vec<Box<str>>),
    Numbers(Vec<i64>),
}

impl Value {
    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Condition(_) => "true or false",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Names | Self::Pieces(_) | Self::Texts(_) => "a list of texts",
            Self::Headers => "a map of headers",
            Self::Claim(_) => "a claim",
            Self::Numbers(_) => "a list of numbers",
        }
    }
}

#[derive(Default)]
struct Lowering {
    inputs: ExpressionInputs,
    moment: ExpressionMoment,
    /// The variable of `exists` or `all`, inside their condition.
    variable: Option<String>,
}

type Lowered<T> = Result<T, FaultAt>;

impl Lowering {
    fn condition(&mut self, node: &Node) -> Lowered<Condition> {
        match self.value(node)? {
            Value::Condition(condition) => Ok(condition),
            Value::Claim(path) => single(node, path).map(Condition::Claim),
            other => Err(wrong_type(node, &other, "true or false")),
        }
    }

    fn text(&mut self, node: &Node) -> Lowered<Text> {
        match self.value(node)? {
            Value::Text(text) => Ok(text),
            Value::Claim(path) => single(node, path).map(Text::Claim),
            other => Err(wrong_type(node, &other, "a text")),
        }
    }

    fn number(&mut self, node: &Node) -> Lowered<Number> {
        match self.value(node)? {
            Value::Number(number) => Ok(number),
            Value::Claim(path) => single(node, path).map(Number::Claim),
            other => Err(wrong_type(node, &other, "a number")),
        }
    }

    fn conditions(&mut self, nodes: &[Node]) -> Lowered<Vec<Condition>> {
        nodes.iter().map(|node| self.condition(node)).collect()
    }

    fn value(&mut self, node: &Node) -> Lowered<Value> {
        if let Some(path) = ClaimPath::of(node) {
            self.inputs.add_claim();
            return Ok(Value::Claim(path));
        }
        Ok(match &node.kind {
            NodeKind::Bool(value) => Value::Condition(Condition::Constant(*value)),
            NodeKind::Number(number) => Value::Number(Number::Constant(*number)),
            NodeKind::Text(text) => Value::Text(Text::Constant(text.as_str().into())),
            NodeKind::List(items) => self.list(node, items)?,
            NodeKind::Name(_) | NodeKind::Member(..) => self.named(node)?,
            NodeKind::Index(parts) => self.index(parts)?,
            NodeKind::Call(call) => self.call(node, call)?,
            NodeKind::Not(inner) => {
                Value::Condition(Condition::Not(Box::new(self.condition(inner)?)))
            }
            NodeKind::Negative(inner) => {
                Value::Number(Number::Negative(Box::new(self.number(inner)?)))
            }
            NodeKind::All(parts) => Value::Condition(Condition::All(self.conditions(parts)?)),
            NodeKind::Any(parts) => Value::Condition(Condition::Any(self.conditions(parts)?)),
            NodeKind::Binary(operator, both) => self.binary(node, *operator, both)?,
            NodeKind::Choice(parts) => self.choice(parts)?,
        })
    }

    /// A list, whose items are written out: `x in [a, b]` with other items is `x == a || x == b`.
    fn list(&mut self, node: &Node, items: &[Node]) -> Lowered<Value> {
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        for item in items {
            match self.value(item)? {
                Value::Text(Text::Constant(text)) => texts.push(text),
                Value::Number(Number::Constant(number)) => numbers.push(number),
                _ => {
                    let message = "a list has texts or numbers that are written out: write \
                                   a == b || a == c for others";
                    return Err(FaultAt::new(item.at, message));
                }
            }
        }
        texts.sort_unstable();
        numbers.sort_unstable();
        match (texts.is_empty(), numbers.is_empty()) {
            (_, true) => Ok(Value::Texts(texts)),
            (true, false) => Ok(Value::Numbers(numbers)),
            (false, false) => {
                let message = "a list has texts or numbers, and not both";
                Err(FaultAt::new(node.at, message))
            }
        }
    }

    /// An attribute by its name, or the variable of `exists` or `all`.
    fn named(&mut self, node: &Node) -> Lowered<Value> {
        let Some(name) = full_name(node) else {
            return self.member(node);
        };
        if self.variable.as_ref() == Some(&name) {
            return Ok(Value::Text(Text::EachName));
        }
        if let Some(field) = name.strip_prefix("request.headers.") {
            return self.header(node.at, field);
        }
        match named(&name, self.moment) {
            Ok(NamedValue::Attribute(attribute)) => Ok(self.attribute(attribute)),
            Ok(NamedValue::Header(field)) => self.header(node.at, field),
            Err(message) if is_namespace(&name) => {
                let message = format!("{name} alone is no value; {message}");
                Err(FaultAt::new(node.at, message))
            }
            Err(message) => Err(FaultAt::new(node.at, message)),
        }
    }

    /// A field of a value that is not a name.
    fn member(&mut self, node: &Node) -> Lowered<Value> {
        let NodeKind::Member(operand, field) = &node.kind else {
            return Err(FaultAt::new(node.at, "not a value"));
        };
        let operand = self.value(operand)?;
        let message = format!("{} has no field {field}", operand.type_name());
        Err(FaultAt::new(node.at, message))
    }

    fn attribute(&mut self, attribute: Attribute) -> Value {
        self.inputs.add(attribute);
        match attribute {
            Attribute::Text(text) => Value::Text(Text::Attribute(text)),
            Attribute::Number(number) => Value::Number(Number::Attribute(number)),
            Attribute::Response(number) => Value::Number(Number::Response(number)),
            Attribute::Mtls => Value::Condition(Condition::Mtls),
            Attribute::CertificateNames => Value::Names,
            Attribute::Headers => Value::Headers,
        }
    }

    fn header(&mut self, at: usize, field: &str) -> Lowered<Value> {
        let field = field.to_ascii_lowercase();
        if let Some(attribute) = pseudo_header(&field) {
            return Ok(self.attribute(Attribute::Text(attribute)));
        }
        self.inputs.add(Attribute::Headers);
        let name = header_name(at, &field)?;
        Ok(Value::Text(Text::Header(name)))
    }

    /// `headers[name]` or `names[index]`
    fn index(&mut self, parts: &[Node; 2]) -> Lowered<Value> {
        let [operand, index] = parts;
        match (self.value(operand)?, &index.kind) {
            (Value::Headers, NodeKind::Text(field)) => self.header(index.at, field),
            (Value::Headers, _) => {
                let message = "the name of a header is written out: write request.headers['name']";
                Err(FaultAt::new(index.at, message))
            }
            (Value::Claim(_), _) => {
                let message = "the name of a claim is written out: write source.claims['name']";
                Err(FaultAt::new(index.at, message))
            }
            (Value::Names, _) => {
                let index = self.number(index)?;
                Ok(Value::Text(Text::NameAt(Box::new(index))))
            }
            (other, _) => {
                let message = format!("{} has no items to select", other.type_name());
                Err(FaultAt::new(operand.at, message))
            }
        }
    }

    fn binary(
        &mut self,
        node: &Node,
        operator: BinaryOperator,
        both: &[Node; 2],
    ) -> Lowered<Value> {
        let [left, right] = both;
        match operator {
            BinaryOperator::Compare(comparison) => {
                self.compare(node, comparison, both).map(Value::Condition)
            }
            BinaryOperator::In => self.is_in(left, right).map(Value::Condition),
            BinaryOperator::Arithmetic(operator) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                Ok(Value::Number(Number::Calculated(
                    operator,
                    Box::new([left, right]),
                )))
            }
        }
    }

    fn compare(
        &mut self,
        node: &Node,
        comparison: Comparison,
        both: &[Node; 2],
    ) -> Lowered<Condition> {
        let [left, right] = both;
        let (left, right) = (self.value(left)?, self.value(right)?);
        Ok(match of_one_type(both, left, right)? {
            (Value::Text(left), Value::Text(right)) => {
                Condition::Text(comparison, Box::new([left, right]))
            }
            (Value::Number(left), Value::Number(right)) => {
                Condition::Number(comparison, Box::new([left, right]))
            }
            (Value::Condition(left), Value::Condition(right)) => {
                let same = Condition::Same(Box::new([left, right]));
                match comparison {
                    Comparison::Equal => same,
                    Comparison::NotEqual => Condition::Not(Box::new(same)),
                    _ => {
                        let message = "true and false have no order: write == or !=";
                        return Err(FaultAt::new(node.at, message));
                    }
                }
            }
            (Value::Names, _) | (_, Value::Names) => {
                let message = "a certificate has several names: write 'name' in source.certificate";
                return Err(FaultAt::new(node.at, message));
            }
            (left, right) => {
                let (left, right) = (left.type_name(), right.type_name());
                let message = format!("{left} is compared with {right}, which it never equals");
                return Err(FaultAt::new(node.at, message));
            }
        })
    }

    /// `value in list`, `name in headers`
    fn is_in(&mut self, left: &Node, right: &Node) -> Lowered<Condition> {
        match (self.value(right)?, &left.kind) {
            (Value::Headers, NodeKind::Text(field)) => {
                let field = field.to_ascii_lowercase();
                if let Some(attribute) = pseudo_header(&field) {
                    return Ok(Condition::HasText(attribute));
                }
                header_name(left.at, &field).map(Condition::HasHeader)
            }
            (Value::Headers, _) => {
                let message =
                    "the name of a header is written out: write 'name' in request.headers";
                Err(FaultAt::new(left.at, message))
            }
            (Value::Names, _) => self.text(left).map(Condition::HasName),
            (Value::Claim(path), _) => {
                let item = self.text(left)?;
                Ok(Condition::ClaimContains(path, item))
            }
            (Value::Pieces(whole), _) => {
                let item = self.text(left)?;
                Ok(Condition::PieceOf(item, Box::new(whole)))
            }
            (Value::Texts(items), _) => {
                let left = self.text(left)?;
                Ok(Condition::TextIn(left, items.into()))
            }
            (Value::Numbers(items), _) => {
                let left = self.number(left)?;
                Ok(Condition::NumberIn(left, items.into()))
            }
            (other, _) => {
                let message = format!(
                    "{} contains nothing: write a list, as in ['GET', 'HEAD'], or .contains()",
                    other.type_name()
                );
                Err(FaultAt::new(right.at, message))
            }
        }
    }

    fn choice(&mut self, parts: &[Node; 3]) -> Lowered<Value> {
        let [condition, then, otherwise] = parts;
        let condition = self.condition(condition)?;
        Ok(match (self.value(then)?, self.value(otherwise)?) {
            (Value::Condition(then), Value::Condition(otherwise)) => {
                Value::Condition(Condition::Choice(Box::new((condition, then, otherwise))))
            }
            (Value::Text(then), Value::Text(otherwise)) => {
                Value::Text(Text::Choice(Box::new((condition, then, otherwise))))
            }
            (Value::Number(then), Value::Number(otherwise)) => {
                Value::Number(Number::Choice(Box::new((condition, then, otherwise))))
            }
            (then, other) => {
                let (then, other) = (then.type_name(), other.type_name());
                let message =
                    format!("one of two values: {then}, or {other}, which is another type");
                return Err(FaultAt::new(otherwise.at, message));
            }
        })
    }
}

/// A claim, which is not all of them.
fn single(node: &Node, path: ClaimPath) -> Lowered<ClaimPath> {
    if path.is_all() {
        let message = "these are all claims: name one, as in source.claims.team";
        return Err(FaultAt::new(node.at, message));
    }
    Ok(path)
}

/// Two values, of which one may be a claim: that has to be of the type of the other.
fn of_one_type(nodes: &[Node; 2], left: Value, right: Value) -> Lowered<(Value, Value)> {
    let like = |node, path, other: &Value| {
        let path = single(node, path)?;
        Ok(match other {
            Value::Text(_) => Value::Text(Text::Claim(path)),
            Value::Number(_) => Value::Number(Number::Claim(path)),
            Value::Condition(_) => Value::Condition(Condition::Claim(path)),
            _ => Value::Claim(path),
        })
    };
    match (left, right) {
        (Value::Claim(left), Value::Claim(_)) => {
            single(&nodes[0], left)?;
            let message = "two claims, whose types only a token tells: compare each with a value";
            Err(FaultAt::new(nodes[1].at, message))
        }
        (Value::Claim(path), right) => Ok((like(&nodes[0], path, &right)?, right)),
        (left, Value::Claim(path)) => {
            let right = like(&nodes[1], path, &left)?;
            Ok((left, right))
        }
        both => Ok(both),
    }
}

/// The name that a chain of members spells, such as `request.headers`; `None` if it does not begin with a name.
fn full_name(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Name(name) => Some(name.clone()),
        NodeKind::Member(operand, field) => {
            let mut name = full_name(operand)?;
            name.push('.');
            name.push_str(field);
            Some(name)
        }
        _ => None,
    }
}

fn header_name(at: usize, field: &str) -> Lowered<HeaderName> {
    let name = HeaderName::from_bytes(field.as_bytes());
    name.map_err(|_| FaultAt::new(at, format!("{field:?} is not the name of a header field")))
}

fn wrong_type(node: &Node, found: &Value, wanted: &str) -> FaultAt {
    let found = found.type_name();
    FaultAt::new(node.at, format!("this is {found}, and {wanted} is needed"))
}
