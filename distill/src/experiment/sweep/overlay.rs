//! Changing a value deep inside an experiment.

use toml::{Table, Value};

/// Puts `value` where `path` leads, over what is there; the error names the part that leads nowhere.
pub(super) fn set(table: &mut Table, path: &str, value: &Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_once('.') else {
        overlay(table, path, value);
        return Ok(());
    };
    match table.get_mut(first) {
        None => {
            let mut inner = Table::new();
            set(&mut inner, rest, value)?;
            table.insert(first.to_owned(), Value::Table(inner));
            Ok(())
        }
        Some(Value::Table(inner)) => set(inner, rest, value),
        Some(Value::Array(elements)) => set_elements(elements, first, rest, value),
        Some(other) => Err(format!("`{first}`, which is `{other}`")),
    }
}

/// Puts `value` at `key`, over what is there.
pub(super) fn overlay(table: &mut Table, key: &str, value: &Value) {
    lay_over(table.entry(key).or_insert_with(|| Value::Table(Table::new())), value);
}

fn set_elements(elements: &mut [Value], name: &str, path: &str, value: &Value) -> Result<(), String> {
    let (place, rest) = path.split_once('.').unwrap_or((path, ""));
    let count = elements.len();
    let chosen: Vec<&mut Value> = match (place, place.parse::<usize>()) {
        ("*", _) => elements.iter_mut().collect(),
        (_, Ok(place)) if place < count => elements.iter_mut().skip(place).take(1).collect(),
        _ => return Err(format!("`{place}`, while `{name}` is a list of {count}")),
    };
    for element in chosen {
        match element {
            Value::Table(inner) if !rest.is_empty() => set(inner, rest, value)?,
            element if rest.is_empty() => lay_over(element, value),
            other => return Err(format!("an element of `{name}`, which is `{other}`")),
        }
    }
    Ok(())
}

/// A table goes over a table key by key; anything else takes the place of what is there.
fn lay_over(place: &mut Value, value: &Value) {
    match (place, value) {
        (Value::Table(under), Value::Table(over)) => {
            over.iter().for_each(|(key, value)| overlay(under, key, value));
        }
        (place, value) => *place = value.clone(),
    }
}
