//! What several runs are part of: a sweep (`sweep.json`) or a comparison of methods (`compare.json`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Value;

use super::optional;
use crate::report::ReportError;
use crate::report::find::{Found, GROUP_FILES};

/// A sweep or a comparison.
#[derive(Debug, Default)]
pub(in crate::report) struct Group {
    /// Name of its folder.
    pub(in crate::report) name: String,
    /// Its members that came to nothing, with the reason.
    pub(in crate::report) failures: Vec<(String, String)>,
    folder: PathBuf,
    /// Its members, in its own order, with their values on the axes.
    members: Vec<(String, BTreeMap<String, Value>)>,
}

/// `sweep.json`, as far as the report looks at it.
#[derive(Default, Deserialize)]
struct Swept {
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    values: BTreeMap<String, Value>,
    error: Option<String>,
}

/// `compare.json`, as far as the report looks at it.
#[derive(Default, Deserialize)]
struct Compared {
    methods: Vec<Method>,
}

#[derive(Deserialize)]
struct Method {
    method: String,
    error: Option<String>,
}

impl Group {
    /// Reads what the group's folder says about its members; it may not say anything yet.
    pub(in crate::report) fn read(folder: &Path) -> Result<Self, ReportError> {
        let [sweep, compare] = GROUP_FILES.map(|name| folder.join(name));
        let swept: Swept = read(&sweep, "the variants of a sweep")?;
        let compared: Compared = read(&compare, "a comparison of methods")?;
        let variants = swept.variants.iter().map(|variant| (&variant.name, &variant.error));
        let members = variants.chain(compared.methods.iter().map(|method| (&method.method, &method.error)));
        let failures = members.filter_map(|(name, error)| Some((name.clone(), error.clone()?))).collect();
        Ok(Self {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            failures,
            folder: folder.to_owned(),
            members: swept
                .variants
                .into_iter()
                .map(|variant| (variant.name, variant.values))
                .chain(compared.methods.into_iter().map(|method| (method.method, BTreeMap::new())))
                .collect(),
        })
    }

    /// Whether the run that was found is part of it.
    pub(in crate::report) fn is_of(&self, found: &Found) -> bool {
        found.group.as_ref() == Some(&self.folder)
    }

    /// The values of the member `name` on the axes.
    pub(super) fn axes(&self, name: &str) -> BTreeMap<String, Value> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, values)| values.clone()).unwrap_or_default()
    }

    /// The place of a run among the members; those that are not named come last.
    pub(in crate::report) fn place(&self, found: &Found) -> usize {
        let name = found.folder.file_name().unwrap_or_default().to_string_lossy();
        self.members.iter().position(|(member, _)| *member == name).unwrap_or(self.members.len())
    }
}

fn read<T: DeserializeOwned + Default>(path: &Path, expected: &'static str) -> Result<T, ReportError> {
    let Some(text) = optional(path)? else { return Ok(T::default()) };
    serde_json::from_str(&text).map_err(|error| ReportError::damaged(path, expected, error))
}
