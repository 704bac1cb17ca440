//! How much may a chat template make of what it is given? So much and no more, however it goes about it.
//!
//! Fuel bounds how many instructions run, and thirty of them that double a text fill any memory. So what can make a value
//! grow (operators, filters, methods, lists) runs as a filter of ours that first weighs what it is given and then charges
//! what it made to a budget. Minijinja has no hook for operators: they are exchanged in what it compiled, one for one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Value,
    machinery::{CodeGenerator, Instruction, Instructions, eval, make_string_output, parse},
    syntax::SyntaxConfig,
    value::{Rest, Tuple, ValueKind},
};

/// How many instructions may run.
const MOST_STEPS: u64 = 20_000;

/// Bytes that may be made in all, and that a value may have.
const MOST_BYTES: usize = 2 << 20;

/// What the sizes of all that a filter is given may come to when multiplied: it cannot make more of them.
const MOST_PRODUCT: usize = 8 << 20;

/// Bytes that the template's own text may come to when each instruction writes its longest piece.
const MOST_RAW: u64 = 64 << 20;

/// Values that may lie in one another.
const MOST_DEPTH: usize = 32;

/// Bytes that an element counts for, whatever is in it.
const ELEMENT: usize = 32;

/// Filters of minijinja, and what each is called where it is held to the budget.
const FILTERS: [(&str, &str); 39] = [
    ("lower", "bounded_lower"),
    ("upper", "bounded_upper"),
    ("title", "bounded_title"),
    ("capitalize", "bounded_capitalize"),
    ("replace", "bounded_replace"),
    ("length", "bounded_length"),
    ("count", "bounded_count"),
    ("dictsort", "bounded_dictsort"),
    ("items", "bounded_items"),
    ("reverse", "bounded_reverse"),
    ("trim", "bounded_trim"),
    ("join", "bounded_join"),
    ("split", "bounded_split"),
    ("lines", "bounded_lines"),
    ("default", "bounded_default"),
    ("d", "bounded_d"),
    ("round", "bounded_round"),
    ("abs", "bounded_abs"),
    ("int", "bounded_int"),
    ("float", "bounded_float"),
    ("attr", "bounded_attr"),
    ("first", "bounded_first"),
    ("last", "bounded_last"),
    ("min", "bounded_min"),
    ("max", "bounded_max"),
    ("sort", "bounded_sort"),
    ("list", "bounded_list"),
    ("string", "bounded_string"),
    ("bool", "bounded_bool"),
    ("sum", "bounded_sum"),
    ("indent", "bounded_indent"),
    ("select", "bounded_select"),
    ("reject", "bounded_reject"),
    ("selectattr", "bounded_selectattr"),
    ("rejectattr", "bounded_rejectattr"),
    ("map", "bounded_map"),
    ("unique", "bounded_unique"),
    ("tojson", "bounded_tojson"),
    ("safe", "bounded_safe"),
];

/// Comparisons: what minijinja calls them as tests, and as what they run here.
const COMPARISONS: [(&str, &str); 7] = [
    ("==", "bounded_eq"),
    ("!=", "bounded_ne"),
    ("<", "bounded_lt"),
    ("<=", "bounded_le"),
    (">", "bounded_gt"),
    (">=", "bounded_ge"),
    ("in", "bounded_in"),
];

/// Whether a text is a template; nothing of it is run.
pub(super) fn check(source: &str) -> Result<(), Error> {
    parse(source, "chat", syntax()).map(drop)
}

/// What a template writes of these values in an environment that [`bound`] has bounded.
pub(super) fn render(mut environment: Environment<'_>, source: &str, values: Value) -> Result<String, Error> {
    let budget = bound(&mut environment);
    let tree = parse(source, "chat", syntax())?;
    let mut generator = CodeGenerator::new("chat", source);
    generator.compile_stmt(&tree);
    let (mut instructions, mut blocks) = generator.finish();
    let mut longest = exchange(&mut instructions)?;
    for block in blocks.values_mut() {
        longest = longest.max(exchange(block)?);
    }
    environment.set_fuel(Some(MOST_STEPS.min(MOST_RAW / longest.max(1) as u64)));
    let mut written = String::new();
    eval(&environment, &instructions, values, &blocks, &mut make_string_output(&mut written), AutoEscape::None)?;
    drop(budget);
    Ok(written)
}

/// As transformers does; these settings cannot fail.
fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default()
}

/// Puts what is held to the budget in place of what is not. The length of the longest text that is written as it is.
fn exchange(instructions: &mut Instructions<'_>) -> Result<usize, Error> {
    const UNCACHED: u8 = u8::MAX;
    let (mut at, mut longest) = (0, 0);
    while let Some(instruction) = instructions.get_mut(at) {
        let filter = |name, count| Instruction::ApplyFilter(name, Some(count), UNCACHED);
        let count = |n: usize| u16::try_from(n).map_err(|_| refused("it has a list that is too long"));
        let bounded = match instruction {
            Instruction::Add => filter("bounded_add", 2),
            Instruction::StringConcat => filter("bounded_concat", 2),
            Instruction::Mul => filter("bounded_mul", 2),
            Instruction::Slice => filter("bounded_slice", 4),
            Instruction::GetItem => filter("bounded_item", 2),
            Instruction::BuildList(Some(n)) => filter("bounded_build_list", count(*n)?),
            Instruction::BuildTuple(Some(n)) => filter("bounded_build_tuple", count(*n)?),
            Instruction::BuildMap(n) => filter("bounded_build_map", count(n.saturating_mul(2))?),
            Instruction::Eq => filter("bounded_eq", 2),
            Instruction::Ne => filter("bounded_ne", 2),
            Instruction::Lt => filter("bounded_lt", 2),
            Instruction::Lte => filter("bounded_le", 2),
            Instruction::Gt => filter("bounded_gt", 2),
            Instruction::Gte => filter("bounded_ge", 2),
            Instruction::In => filter("bounded_in", 2),
            Instruction::ApplyFilter(name, count, id) => Instruction::ApplyFilter(named(name)?, *count, *id),
            Instruction::PerformTest(name, Some(2), _) => match compares(name) {
                Some(name) => filter(name, 2),
                None => instruction.clone(),
            },
            Instruction::CompareAndPreserve(_) => {
                return Err(refused("it compares more than two things at once"));
            }
            Instruction::EmitRaw(text) => {
                longest = longest.max(text.len());
                instruction.clone()
            }
            _ => instruction.clone(),
        };
        *instruction = bounded;
        at += 1;
    }
    Ok(longest)
}

/// What a filter is called where it is held to the budget.
fn named(name: &str) -> Result<&'static str, Error> {
    let found = FILTERS.iter().find(|(plain, _)| *plain == name).map(|(_, bounded)| *bounded);
    found.ok_or_else(|| refused(&format!("it uses the filter `{name}`, which is not known")))
}

/// The comparison that a test is.
fn compares(test: &str) -> Option<&'static str> {
    let sign = match test {
        "eq" | "equalto" | "==" => "==",
        "ne" | "!=" => "!=",
        "lt" | "lessthan" | "<" => "<",
        "le" | "<=" => "<=",
        "gt" | "greaterthan" | ">" => ">",
        "ge" | ">=" => ">=",
        "in" => "in",
        _ => return None,
    };
    COMPARISONS.iter().find(|(plain, _)| *plain == sign).map(|(_, bounded)| *bounded)
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.to_owned())
}

fn too_much() -> Error {
    refused("it makes more than 2 MiB of what it is given")
}

/// What is left to be made.
#[derive(Debug)]
struct Budget(AtomicUsize);

impl Budget {
    fn charge(&self, bytes: usize) -> Result<(), Error> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| too_much())
    }

    /// A value that was made.
    fn made(&self, value: Value) -> Result<Value, Error> {
        self.charge(weight(&value)?)?;
        Ok(value)
    }
}

/// How large a value is, all that lies in it counted each time that it lies there.
fn weight(value: &Value) -> Result<usize, Error> {
    let mut left = MOST_BYTES;
    weigh(value, MOST_DEPTH, &mut left)?;
    Ok(MOST_BYTES - left)
}

fn weigh(value: &Value, depth: usize, left: &mut usize) -> Result<(), Error> {
    let own = ELEMENT + value.as_str().map_or(0, str::len) + value.as_bytes().map_or(0, <[u8]>::len);
    *left = left.checked_sub(own).ok_or_else(too_much)?;
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or_else(|| refused("it puts values too deep into one another"))?;
    for key in value.try_iter()? {
        weigh(&key, depth, left)?;
        if value.kind() == ValueKind::Map {
            weigh(&value.get_item(&key)?, depth, left)?;
        }
    }
    Ok(())
}

/// Refuses what a call could make too much of.
fn fits(given: &[Value]) -> Result<(), Error> {
    let size = |value: &Value| match value.as_i64() {
        Some(number) => Ok(usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX)),
        None => weight(value),
    };
    let mut product = 1_usize;
    for value in given {
        // What is smaller than an element cannot multiply anything.
        let times = size(value)?.div_ceil(ELEMENT).max(1);
        product =
            product.checked_mul(times).filter(|&product| product <= MOST_PRODUCT / ELEMENT).ok_or_else(too_much)?;
    }
    Ok(())
}

/// Makes an environment know everything that [`exchange`] puts in, and charge what is written.
fn bound(environment: &mut Environment<'_>) -> Arc<Budget> {
    let budget = Arc::new(Budget(AtomicUsize::new(MOST_BYTES)));
    for (plain, bounded) in FILTERS {
        let budget = Arc::clone(&budget);
        environment.add_filter(bounded, move |state: &mut State<'_, '_>, given: Rest<Value>| {
            fits(&given)?;
            budget.made(state.apply_filter(plain, &given)?)
        });
    }
    for (plain, bounded) in COMPARISONS {
        environment.add_filter(bounded, move |state: &mut State<'_, '_>, one: Value, other: Value| {
            weight(&one)?;
            weight(&other)?;
            state.perform_test(plain, &[one, other])
        });
    }
    operators(environment, &budget);
    builders(environment, &budget);
    environment.remove_global("debug");
    let charged = Arc::clone(&budget);
    environment.set_unknown_method_callback(move |state, value, method, given| {
        fits(&[std::slice::from_ref(value), given].concat())?;
        charged.made(minijinja_contrib::pycompat::unknown_method_callback(state, value, method, given)?)
    });
    let charged = Arc::clone(&budget);
    environment.set_formatter(move |output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value| {
        charged.charge(weight(value)?)?;
        minijinja::escape_formatter(output, state, value)
    });
    budget
}

fn operators(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    let charged = Arc::clone(budget);
    environment.add_filter("bounded_concat", move |one: Value, other: Value| {
        charged.charge(weight(&one)? + weight(&other)?)?;
        Ok::<_, Error>(Value::from(format!("{one}{other}")))
    });
    for (name, expression) in
        [("bounded_add", "a + b"), ("bounded_mul", "a * b"), ("bounded_slice", "a[b:c:d]"), ("bounded_item", "a[b]")]
    {
        let charged = Arc::clone(budget);
        // Minijinja's own operator, once what it works on is known to be small enough.
        environment.add_filter(name, move |given: Rest<Value>| {
            match name {
                "bounded_mul" => fits(&given)?,
                _ => charged.charge(given.iter().map(weight).sum::<Result<usize, Error>>()?)?,
            }
            let mut plain = Environment::new();
            plain.set_fuel(Some(100));
            let names = ["a", "b", "c", "d"].into_iter().zip(given.iter().cloned());
            let made = plain.compile_expression(expression)?.eval(Value::from_pairs(names))?;
            if name == "bounded_mul" { charged.made(made) } else { Ok(made) }
        });
    }
}

fn builders(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    let charged = Arc::clone(budget);
    environment.add_filter("bounded_build_list", move |given: Rest<Value>| charged.made(Value::from(given.0)));
    let charged = Arc::clone(budget);
    environment
        .add_filter("bounded_build_tuple", move |given: Rest<Value>| charged.made(Value::from(Tuple::from(given.0))));
    let charged = Arc::clone(budget);
    environment.add_filter("bounded_build_map", move |given: Rest<Value>| {
        given.iter().try_for_each(|value| weight(value).map(drop))?;
        let pairs = given.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        charged.made(Value::from_pairs(pairs))
    });
}
