//! The tables of the store, and what makes a file one of ours.

/// `PUPR`: tells a rationale store from any other SQLite database.
pub(super) const APPLICATION_ID: i64 = 0x5055_5052;

/// Version of the tables below; a store with another one is refused.
pub(super) const VERSION: i64 = 1;

/// Bits of a completion's key that are its index, and of an example's key that are its position.
const INDEX_BITS: u32 = 20;
const POSITION_BITS: u32 = 28;

/// Completions of one example are numbered below this.
pub const MOST_COMPLETIONS: u32 = 1 << INDEX_BITS;
/// Examples of one source are numbered below this.
pub const MOST_EXAMPLES: u64 = 1 << POSITION_BITS;
/// Sources of one store are numbered below this.
pub const MOST_SOURCES: u32 = 1 << (63 - POSITION_BITS - INDEX_BITS);

/// The key of the example at `position` of `source`: keys in order are examples in the order of the experiment.
pub(super) fn example_key(source: u32, position: u64) -> i64 {
    (i64::from(source) << POSITION_BITS) | position as i64
}

/// The source of the example with this key.
pub(super) fn source_of(example: i64) -> u32 {
    (example >> POSITION_BITS) as u32
}

/// The position of the example with this key.
pub(super) fn position_of(example: i64) -> u64 {
    (example & (MOST_EXAMPLES as i64 - 1)) as u64
}

/// The key of completion `index` of an example.
pub(super) fn completion_key(example: i64, index: u32) -> i64 {
    (example << INDEX_BITS) | i64::from(index)
}

/// The key of the example that a completion is about.
pub(super) fn example_of(completion: i64) -> i64 {
    completion >> INDEX_BITS
}

/// Everything that a run's teachers were asked and wrote.
///
/// Keys are made of positions, so that the order of rows does not depend on the order in which completions arrived.
pub(super) const TABLES: &str = "
CREATE TABLE source (
    id INTEGER PRIMARY KEY,          -- position in the experiment file, from 0
    teacher TEXT NOT NULL,
    settings TEXT NOT NULL           -- JSON: what decides what is asked
) STRICT;
CREATE TABLE example (
    id INTEGER PRIMARY KEY,          -- source * 2^28 + position
    source INTEGER NOT NULL REFERENCES source (id),
    example TEXT NOT NULL,           -- such as coin_flip/12
    task TEXT NOT NULL,
    question TEXT NOT NULL,
    gold TEXT NOT NULL,
    UNIQUE (source, example)
) STRICT;
CREATE TABLE completion (
    id INTEGER PRIMARY KEY,          -- example * 2^20 + completion_index
    example INTEGER NOT NULL REFERENCES example (id),
    completion_index INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('partial', 'done', 'failed')),
    prompt TEXT,                     -- exact text of the (first) request
    parameters TEXT,                 -- JSON: model, temperature, ...
    seed INTEGER,
    rationale TEXT NOT NULL,         -- raw text of the reasoning
    finish TEXT,
    marker TEXT,                     -- announces the answer within the rationale
    prediction TEXT,                 -- raw text of the answer, where it came apart from the reasoning
    answer_finish TEXT,
    failure TEXT,                    -- a code, if failed
    failure_detail TEXT,
    model TEXT,                      -- as the teacher reports it
    response TEXT,                   -- the teacher's own ids of its replies
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cost_usd REAL,
    mean_logprob REAL,
    arrived_ms INTEGER               -- Unix time
) STRICT;
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY REFERENCES completion (id),
    keep INTEGER NOT NULL,
    reason TEXT,                     -- a code, if rejected, or kept with less weight
    detail TEXT,
    weight REAL NOT NULL DEFAULT 1   -- of the training sample's loss
) STRICT;
CREATE TABLE fault (                 -- attempts that brought nothing, counted
    source INTEGER NOT NULL REFERENCES source (id),
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";
