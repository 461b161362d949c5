//! The endpoint's key: read from the environment or a file, shown nowhere.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use reqwest::header::HeaderValue;

use super::{Endpoint, OpenaiError};

/// The variable that holds the key where the experiment file names none.
const DEFAULT_VARIABLE: &str = "OPENAI_API_KEY";

/// Shown in the key's place.
const REDACTED: &str = "[redacted]";

/// A key; neither `Debug` nor any message shows it.
#[derive(Clone)]
pub(super) struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl ApiKey {
    /// The key of `endpoint`: the value of its variable, or else the content of the file named by `<variable>_FILE`. No key
    /// is no error where the experiment file names no variable: local servers need none.
    pub(super) fn of(endpoint: &Endpoint) -> Result<Option<Self>, OpenaiError> {
        Self::find(endpoint, |variable| std::env::var_os(variable))
    }

    fn find(
        endpoint: &Endpoint,
        environment: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Option<Self>, OpenaiError> {
        let variable = endpoint.key_env.as_deref().unwrap_or(DEFAULT_VARIABLE);
        let failed = |variable: &str, expected, found: String| {
            Err(OpenaiError::Key { variable: variable.to_owned(), expected, found })
        };
        if let Some(value) = environment(variable) {
            let Ok(value) = value.into_string() else {
                return failed(variable, "a key", "a value that is no text".to_owned());
            };
            return Self::checked(variable, &value).map(Some);
        }
        let file_variable = format!("{variable}_FILE");
        match environment(&file_variable).map(PathBuf::from) {
            Some(path) => match std::fs::read_to_string(&path) {
                Ok(text) => Self::checked(&file_variable, &text).map(Some),
                Err(error) => failed(&file_variable, "a readable file", format!("`{}`: {error}", path.display())),
            },
            None if endpoint.key_env.is_some() => failed(variable, "a key", "no such variable".to_owned()),
            None => Ok(None),
        }
    }

    fn checked(variable: &str, text: &str) -> Result<Self, OpenaiError> {
        let key = text.trim();
        let is_plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain {
            let found = if key.is_empty() { "an empty one" } else { "blanks or control characters in it" };
            return Err(OpenaiError::Key {
                variable: variable.to_owned(),
                expected: "a key of visible ASCII characters",
                found: found.to_owned(),
            });
        }
        Ok(Self(key.to_owned()))
    }

    /// The `Authorization` header, marked so that no log shows it.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// `text` without the key, should a server echo it.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains(&self.0) { Cow::Owned(text.replace(&self.0, REDACTED)) } else { Cow::Borrowed(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(key_env: Option<&str>) -> Endpoint {
        let key_env = key_env.map(str::to_owned);
        Endpoint { key_env, ..super::super::tests::endpoint("http://127.0.0.1:1/v1") }
    }

    #[test]
    fn the_key_is_shown_nowhere() {
        let key = ApiKey::checked("K", " sk-secret\n").unwrap();
        assert_eq!(format!("{key:?}"), "[redacted]");
        assert_eq!(key.redact("bad key sk-secret!"), "bad key [redacted]!");
        assert!(key.header().unwrap().is_sensitive());
        assert!(!format!("{:?}", key.header()).contains("secret"));
        let error = ApiKey::checked("K", "sk-secret and more").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("secret"));
    }

    #[test]
    fn it_comes_from_the_variable_or_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "sk-file\n").unwrap();
        let file = |variable: &str| (variable == "OPENAI_API_KEY_FILE").then(|| path.clone().into_os_string());
        assert_eq!(ApiKey::find(&endpoint(None), file).unwrap().unwrap().0, "sk-file");
        let named = |variable: &str| (variable == "MINE").then(|| "sk-mine".into());
        assert_eq!(ApiKey::find(&endpoint(Some("MINE")), named).unwrap().unwrap().0, "sk-mine");
        assert!(ApiKey::find(&endpoint(None), |_| None).unwrap().is_none());
        let missing = ApiKey::find(&endpoint(Some("MINE")), |_| None).unwrap_err();
        assert_eq!(missing.to_string(), "environment variable `MINE`: expected a key, found no such variable");
    }
}
