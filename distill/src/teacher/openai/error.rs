//! Why an endpoint could not be asked to the end.

use crate::rationale::RationaleError;
use crate::teacher::prompting::ExemplarError;

/// Why an endpoint could not be asked to the end. Whatever had arrived is in the store, and the same command goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenaiError {
    /// A setting with which no endpoint can be asked.
    #[error("`{key}`: expected {expected}, found {found}")]
    Setting {
        /// The key of the experiment file, or the option.
        key: &'static str,
        /// What is accepted.
        expected: &'static str,
        /// What was said; never the key of an endpoint.
        found: String,
    },
    /// The endpoint's key cannot be read.
    #[error("environment variable `{variable}`: expected {expected}, found {found}")]
    Key {
        /// The variable.
        variable: String,
        /// What is accepted.
        expected: &'static str,
        /// What is there, without any part of it.
        found: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up HTTP: {found}")]
    Http {
        /// Why.
        found: String,
    },
    /// Exemplars for few-shot prompts cannot be used.
    #[error(transparent)]
    Exemplars(#[from] ExemplarError),
    /// The endpoint does not let this key ask: 401 or 403.
    #[error("the endpoint refuses the key: expected a reply, found status {status}, {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the endpoint says, without secrets.
        detail: String,
    },
    /// The account is out of money or quota.
    #[error("the account's quota is used up: expected a reply, found status {status}, {detail}")]
    Quota {
        /// The HTTP status; the one that the reply itself names, where it came with status 200.
        status: u16,
        /// What the endpoint says, without secrets.
        detail: String,
    },
    /// The endpoint sends us elsewhere. The key goes to the host of the experiment file and to no other.
    #[error("the endpoint redirects: expected a reply, found status {status} with target `{target}`")]
    Redirect {
        /// The HTTP status.
        status: u16,
        /// Where to, without its query.
        target: String,
    },
    /// Nothing answers at the endpoint's address.
    #[error(
        "the endpoint `{url}` cannot be reached: {attempts} attempts in a row failed, the last one because of {detail}"
    )]
    Unreachable {
        /// What was asked for, without query and credentials.
        url: String,
        /// Attempts since anything was reached.
        attempts: u64,
        /// The last attempt's fault.
        detail: String,
    },
    /// The user's own limit.
    #[error("stopped before exceeding {limit}: {spent}; the same command with a higher limit goes on from there")]
    Budget {
        /// The limit as typed.
        limit: String,
        /// What was used.
        spent: String,
    },
    /// Somebody asked to stop.
    #[error("stopped; every reply that had arrived is kept, and the same command goes on from there")]
    Interrupted,
    /// The store refuses.
    #[error("cannot keep the completions")]
    Store(#[from] RationaleError),
}

impl OpenaiError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "E_TEACH_SETTING",
            Self::Key { .. } => "E_TEACH_KEY",
            Self::Http { .. } => "E_TEACH_HTTP",
            Self::Exemplars(_) => "E_TEACH_EXEMPLARS",
            Self::Refused { .. } => "E_TEACH_REFUSED",
            Self::Quota { .. } => "E_TEACH_QUOTA",
            Self::Redirect { .. } => "E_TEACH_REDIRECT",
            Self::Unreachable { .. } => "E_TEACH_UNREACHABLE",
            Self::Budget { .. } => "E_TEACH_BUDGET",
            Self::Interrupted => "E_TEACH_INTERRUPTED",
            Self::Store(_) => "E_TEACH_STORE",
        }
    }
}
