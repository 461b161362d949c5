//! What the latest filter rejected.

use super::{RationaleError, Reader};

impl Reader {
    /// Calls `visit` with id, reason and detail of every completion that the latest filter rejected, in the order of the
    /// experiment; for one reason's code, or for all.
    ///
    /// # Errors
    /// The first error of `visit`, or the database's.
    pub fn visit_rejected<E: From<RationaleError>>(
        &self,
        reason: Option<&str>,
        mut visit: impl FnMut(&str, &str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self
            .connection()
            .prepare(
                "SELECT example.example || '#' || completion_index, reason, coalesce(detail, '') FROM verdict
                 JOIN completion ON completion.id = verdict.id JOIN example ON example.id = completion.example
                 WHERE NOT keep AND (?1 IS NULL OR reason = ?1) ORDER BY verdict.id",
            )
            .map_err(|source| self.failed(source))?;
        let mut rows = statement.query([reason]).map_err(|source| self.failed(source))?;
        while let Some(row) = rows.next().map_err(|source| self.failed(source))? {
            let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
            let read = || Ok((text(0)?, text(1)?, text(2)?));
            let (id, reason, detail) = read().map_err(|source| self.failed(source))?;
            visit(id, reason, detail)?;
        }
        Ok(())
    }
}
