//! The linear layers of a student, and what produces the inputs of each: read off the forward pass, not written down again.

use std::collections::HashMap;
use std::convert::Infallible;

use super::{Linear, Ops};
use crate::config::StudentConfig;

/// A linear layer of the student.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The weights.
    pub linear: Linear,
    /// Channels of the input.
    pub columns: usize,
    /// Outputs of each projection.
    pub rows: Vec<usize>,
    /// What produces the input.
    pub producer: Producer,
}

/// What produces the input of a linear layer, and so where a factor of an input channel can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Producer {
    /// The norm with this weight.
    Norm(String),
    /// The gated feed-forward, whose outputs are proportional to the rows of this up projection.
    Gated(String),
    /// Attention, whose outputs are proportional to the rows of this value projection.
    Attended(String),
    /// Something that no weight scales channel by channel.
    Other,
}

/// The weights of a student by their place in the forward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// The embedding table.
    pub embedding: String,
    /// The norms.
    pub norms: Vec<String>,
    /// The linear layers; the output head is the last.
    pub sites: Vec<Site>,
}

impl Anatomy {
    /// The anatomy of a student with this config.
    #[must_use]
    pub fn of(config: &StudentConfig) -> Self {
        let empty = Self { embedding: String::new(), norms: Vec::new(), sites: Vec::new() };
        let shapes = super::weights(config).into_iter().map(|weight| (weight.name, weight.shape)).collect();
        let mut reader = Reader { shapes, anatomy: empty };
        match super::forward(config, &mut reader) {
            Ok(_) => reader.anatomy,
            Err(never) => match never {},
        }
    }

    /// The output head.
    #[must_use]
    pub fn head(&self) -> Option<&Site> {
        self.sites.last()
    }

    /// Whether the output head is the embedding table.
    #[must_use]
    pub fn is_tied(&self) -> bool {
        self.head().is_some_and(|head| head.linear.projections.iter().any(|part| part.weight == self.embedding))
    }
}

impl Site {
    /// Outputs of all projections together.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.rows.iter().sum()
    }
}

/// `Ops` that computes nothing and remembers where values come from.
struct Reader {
    shapes: HashMap<String, Vec<usize>>,
    anatomy: Anatomy,
}

/// Where a value comes from.
enum Origin {
    Products(Linear),
    Input(Producer),
}

impl Origin {
    fn producer(&self) -> Producer {
        match self {
            Self::Products(_) => Producer::Other,
            Self::Input(producer) => producer.clone(),
        }
    }

    /// The weight of a projection of several products.
    fn projection(&self, index: usize) -> Option<String> {
        match self {
            Self::Products(linear) => linear.projections.get(index).map(|part| part.weight.clone()),
            Self::Input(_) => None,
        }
    }
}

impl Ops for Reader {
    type Tensor = Origin;
    type Error = Infallible;

    fn embedding(&mut self, weight: &str) -> Result<Origin, Infallible> {
        weight.clone_into(&mut self.anatomy.embedding);
        Ok(Origin::Input(Producer::Other))
    }

    fn linear(&mut self, input: &Origin, linear: &Linear) -> Result<Origin, Infallible> {
        let shape = |index: usize, side: usize| {
            let weight = linear.projections.get(index).and_then(|part| self.shapes.get(&part.weight));
            weight.and_then(|shape| shape.get(side)).copied().unwrap_or(0)
        };
        let rows = (0..linear.projections.len()).map(|index| shape(index, 0)).collect();
        let site = Site { columns: shape(0, 1), rows, producer: input.producer(), linear: linear.clone() };
        self.anatomy.sites.push(site);
        Ok(Origin::Products(linear.clone()))
    }

    fn rms_norm(&mut self, _input: &Origin, weight: &str, _epsilon: f32) -> Result<Origin, Infallible> {
        self.anatomy.norms.push(weight.to_owned());
        Ok(Origin::Input(Producer::Norm(weight.to_owned())))
    }

    fn attention(&mut self, _layer: usize, qkv: &Origin) -> Result<Origin, Infallible> {
        Ok(Origin::Input(qkv.projection(2).map_or(Producer::Other, Producer::Attended)))
    }

    fn gated_silu(&mut self, gate_up: &Origin) -> Result<Origin, Infallible> {
        Ok(Origin::Input(gate_up.projection(1).map_or(Producer::Other, Producer::Gated)))
    }

    fn add(&mut self, _left: &Origin, _right: &Origin) -> Result<Origin, Infallible> {
        Ok(Origin::Input(Producer::Other))
    }

    fn wanted_rows(&mut self, _hidden: &Origin) -> Result<Origin, Infallible> {
        Ok(Origin::Input(Producer::Other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"model_type":"llama","vocab_size":300,"hidden_size":64,"intermediate_size":160,
        "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":128,
        "rms_norm_eps":1e-5,"tie_word_embeddings":TIED,"eos_token_id":0}"#;

    #[test]
    fn the_anatomy_of_a_llama() {
        for tied in [true, false] {
            let config = StudentConfig::from_json(&CONFIG.replace("TIED", &tied.to_string())).unwrap();
            let anatomy = Anatomy::of(&config);
            assert_eq!((anatomy.sites.len(), anatomy.norms.len()), (4 * 2 + 1, 2 * 2 + 1));
            assert_eq!(anatomy.is_tied(), tied);
            let site = |index: usize| &anatomy.sites[4 + index];
            let name = |part: &str| format!("model.layers.1.{part}.weight");
            assert_eq!(site(0).producer, Producer::Norm(name("input_layernorm")));
            assert_eq!((site(0).columns, site(0).rows.as_slice()), (64, [64, 32, 32].as_slice()));
            assert_eq!(site(1).producer, Producer::Attended(name("self_attn.v_proj")));
            assert_eq!(site(2).producer, Producer::Norm(name("post_attention_layernorm")));
            assert_eq!(site(3).producer, Producer::Gated(name("mlp.up_proj")));
            assert_eq!((site(3).columns, site(3).outputs()), (160, 64));
            let head = anatomy.head().unwrap();
            assert_eq!((head.outputs(), &head.producer), (300, &Producer::Norm("model.norm.weight".to_owned())));
        }
    }
}
