//! Which settings of a source differ from those that the store was made with.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::SourceRecord;

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The setting, such as `generation.temperature`.
    pub key: String,
    /// What the store holds, as JSON.
    pub expected: String,
    /// What is asked for now, as JSON.
    pub found: String,
}

impl Difference {
    /// Every setting in which `found` differs from `expected`, by key.
    #[must_use]
    pub fn between(expected: &SourceRecord, found: &SourceRecord) -> Vec<Self> {
        let (expected, found) = (settings_of(expected), settings_of(found));
        let text =
            |settings: &BTreeMap<String, String>, key| settings.get(key).map_or("nothing", String::as_str).to_owned();
        let mut keys: Vec<&String> = expected.keys().chain(found.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let differing = keys.into_iter().filter(|key| expected.get(*key) != found.get(*key));
        differing
            .map(|key| Self { key: key.clone(), expected: text(&expected, key), found: text(&found, key) })
            .collect()
    }

    /// All of them in one text.
    pub(super) fn list(differences: &[Self]) -> String {
        differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`: expected {}, found {}", self.key, self.expected, self.found)
    }
}

fn settings_of(source: &SourceRecord) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::from([("teacher".to_owned(), Value::from(source.teacher.as_str()).to_string())]);
    // Settings that are no JSON are compared as one text.
    let value = serde_json::from_str(&source.settings).unwrap_or_else(|_| Value::from(source.settings.as_str()));
    flatten("", &value, &mut settings);
    settings
}

fn flatten(prefix: &str, value: &Value, settings: &mut BTreeMap<String, String>) {
    let Value::Object(table) = value else {
        let key = if prefix.is_empty() { "settings" } else { prefix };
        settings.insert(key.to_owned(), value.to_string());
        return;
    };
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        flatten(&key, value, settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_differing_setting_is_named_with_both_values() {
        let source = |teacher: &str, settings: &str| SourceRecord {
            number: 0,
            teacher: teacher.to_owned(),
            settings: settings.to_owned(),
        };
        let expected = source("a", r#"{"api":"chat","generation":{"temperature":0.7,"seed":1}}"#);
        let found = source("b", r#"{"generation":{"temperature":1.0,"seed":1,"top_p":0.9},"api":"chat"}"#);
        let listed = Difference::list(&Difference::between(&expected, &found));
        assert_eq!(
            listed,
            "`generation.temperature`: expected 0.7, found 1.0; `generation.top_p`: expected nothing, found 0.9; \
             `teacher`: expected \"a\", found \"b\""
        );
        assert!(Difference::between(&expected, &expected).is_empty());
    }
}
