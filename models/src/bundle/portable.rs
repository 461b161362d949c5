//! The weights of a portable bundle: which tensors there must be, and of what type.

use std::collections::BTreeSet;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::config::StudentConfig;
use crate::family::{Anatomy, bias_name};

/// A tensor that is not as it must be.
pub(super) struct Misfit {
    pub(super) tensor: String,
    pub(super) expected: String,
    pub(super) found: String,
}

/// Checks names, element types and leading dimensions; the graph says how blocks are laid out.
pub(super) fn check(metadata: &Metadata, config: &StudentConfig) -> Result<(), Misfit> {
    let anatomy = Anatomy::of(config);
    let mut check = Check { metadata, known: BTreeSet::new() };
    check.matrix(&anatomy.embedding, config.vocab_size, config.hidden_size)?;
    for norm in &anatomy.norms {
        check.tensor(norm, &[Dtype::F32], config.hidden_size)?;
    }
    for site in &anatomy.sites {
        if site.linear.name != anatomy.embedding {
            check.matrix(&site.linear.name, site.outputs(), site.columns)?;
        }
        let biased = site.linear.projections.iter().zip(&site.rows).filter(|(part, _)| part.bias.is_some());
        let length = biased.map(|(_, rows)| rows).sum();
        if length > 0 {
            check.tensor(&bias_name(&site.linear), &[Dtype::F32], length)?;
        }
    }
    check.nothing_else()
}

fn sibling(weight: &str, part: &str) -> String {
    format!("{}.{part}", weight.strip_suffix(".weight").unwrap_or(weight))
}

struct Check<'a> {
    metadata: &'a Metadata,
    known: BTreeSet<String>,
}

impl Check<'_> {
    /// Integers, scales and, if there are any, zero points.
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<(), Misfit> {
        // Channels are stored inputs first.
        let transposed = self.metadata.info(name).is_some_and(|info| info.dtype == Dtype::I8);
        self.tensor(name, &[Dtype::U8, Dtype::I8], if transposed { columns } else { rows })?;
        self.tensor(&sibling(name, "scales"), &[Dtype::F32], rows)?;
        let zero_points = sibling(name, "zero_points");
        if self.metadata.info(&zero_points).is_some() {
            self.tensor(&zero_points, &[Dtype::U8], rows)?;
        }
        Ok(())
    }

    fn tensor(&mut self, name: &str, types: &[Dtype], length: usize) -> Result<(), Misfit> {
        self.known.insert(name.to_owned());
        let info = self.metadata.info(name);
        if info.is_some_and(|info| types.contains(&info.dtype) && info.shape.first() == Some(&length)) {
            return Ok(());
        }
        let types: Vec<String> = types.iter().map(|dtype| format!("{dtype:?}")).collect();
        let expected = format!("{} [{length}, ..]", types.join(" or "));
        Err(Misfit { tensor: name.to_owned(), expected, found: info.map_or("none".to_owned(), describe) })
    }

    fn nothing_else(self) -> Result<(), Misfit> {
        let tensors = self.metadata.tensors();
        match tensors.into_iter().find(|(name, _)| !self.known.contains(name)) {
            Some((tensor, info)) => {
                Err(Misfit { tensor, expected: "no such tensor".to_owned(), found: describe(info) })
            }
            None => Ok(()),
        }
    }
}

fn describe(info: &TensorInfo) -> String {
    format!("{:?} {:?}", info.dtype, info.shape)
}
