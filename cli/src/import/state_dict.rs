//! The state dict of a PyTorch module of SASRec's shape, in either of two sets of names, as the tensors of an artifact.
//!
//! One set is the artifact's own, as a module has them whose parts are called so: linear layers `[out, in]`, embeddings
//! with or without `.weight`. The other is that of SASRec.pytorch (<https://github.com/pmixer/SASRec.pytorch>), whose
//! embeddings begin with a row for padding, and whose attention does not mask the padding.

use anyhow::{Result, bail};
use shared::model::config::{NORM_EPSILON, SasrecConfig};
use shared::model::sasrec::{ITEM_EMBEDDINGS, POSITION_EMBEDDINGS, tensors};
use shared::model::tensors::TensorFile;

/// The ε of layer normalisation in SASRec.pytorch.
const PYTORCH_EPSILON: f64 = 1e-8;
/// The item embeddings of SASRec.pytorch.
const PYTORCH_ITEMS: &str = "item_emb.weight";
/// Its position embeddings.
const PYTORCH_POSITIONS: &str = "pos_emb.weight";

/// A model as an artifact takes it.
#[derive(Debug)]
pub(super) struct StateDict {
    pub(super) config: SasrecConfig,
    /// Number of items.
    pub(super) items: usize,
    /// Name, shape and numbers.
    pub(super) tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

/// Takes the tensors of a state dict, of which none may be missing or left over.
///
/// # Errors
/// One sentence that names the file and the first tensor that is not as it must be.
pub(super) fn convert(file: &TensorFile, heads: usize, norm_epsilon: Option<f64>) -> Result<StateDict> {
    let names = if file.info(PYTORCH_ITEMS).is_some() { Names::SasrecPytorch } else { Names::Ours };
    let padding = names.padding_rows();
    let [items, dimensions] = matrix_shape(file, &names.source(file, ITEM_EMBEDDINGS))?;
    let [length, _] = matrix_shape(file, &names.source(file, POSITION_EMBEDDINGS))?;
    if items <= padding || length <= padding {
        bail!("{}: no embeddings of items or of positions", file.name());
    }
    let config = SasrecConfig {
        dimensions,
        length: length - padding,
        blocks: names.blocks(file),
        heads,
        feed_forward: names.feed_forward(file, dimensions)?,
        norm_epsilon: norm_epsilon.unwrap_or(names.norm_epsilon()),
        attended_padding: names == Names::SasrecPytorch,
        dropout: None,
        learning_rate: None,
        batch: None,
        epochs: None,
        negatives: None,
        seed: None,
    };
    let items = items - padding;
    let wanted = tensors(&config, items);
    let sources: Vec<String> = wanted.iter().map(|(name, _)| names.source(file, name)).collect();
    file.expect_only(&sources)?;
    let read = |((name, shape), source): ((String, Vec<usize>), &String)| -> Result<_> {
        let values = names.values(file, &name, &shape, source)?;
        Ok((name, shape, values))
    };
    let tensors = wanted.into_iter().zip(&sources).map(read).collect::<Result<_>>()?;
    Ok(StateDict { config, items, tensors })
}

fn matrix_shape(file: &TensorFile, name: &str) -> Result<[usize; 2]> {
    Ok(file.tensor::<f32, 2>(name, [None, None])?.shape())
}

/// How the tensors of a state dict are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Ours,
    SasrecPytorch,
}

impl Names {
    /// Rows at the start of either embedding that stand for padding.
    const fn padding_rows(self) -> usize {
        match self {
            Self::Ours => 0,
            Self::SasrecPytorch => 1,
        }
    }

    const fn norm_epsilon(self) -> f64 {
        match self {
            Self::Ours => NORM_EPSILON,
            Self::SasrecPytorch => PYTORCH_EPSILON,
        }
    }

    /// What the blocks' names begin with, before their numbers.
    const fn block_prefix(self) -> &'static str {
        match self {
            Self::Ours => "blocks.",
            Self::SasrecPytorch => "attention_layers.",
        }
    }

    /// One more than the largest number of a block, at least 1: so many must be there.
    fn blocks(self, file: &TensorFile) -> usize {
        let number = |name: &str| {
            let (number, _) = name.strip_prefix(self.block_prefix())?.split_once('.')?;
            number.parse::<u16>().ok().map(usize::from)
        };
        file.names().filter_map(number).max().unwrap_or(0) + 1
    }

    /// Numbers between the two layers of the first feed-forward network.
    fn feed_forward(self, file: &TensorFile, dimensions: usize) -> Result<usize> {
        match self {
            Self::Ours => Ok(matrix_shape(file, "blocks.0.feed_forward_in.weight")?[0]),
            Self::SasrecPytorch => Ok(dimensions),
        }
    }

    /// What one of our tensors is called there.
    fn source(self, file: &TensorFile, name: &str) -> String {
        if self == Self::Ours {
            let embedding = [ITEM_EMBEDDINGS, POSITION_EMBEDDINGS].contains(&name);
            let bare = !embedding || file.info(name).is_some();
            return if bare { name.to_owned() } else { format!("{name}.weight") };
        }
        match name {
            ITEM_EMBEDDINGS => PYTORCH_ITEMS.to_owned(),
            POSITION_EMBEDDINGS => PYTORCH_POSITIONS.to_owned(),
            _ => pytorch_layer(name).unwrap_or_else(|| name.to_owned()),
        }
    }

    /// The numbers of one of our tensors.
    fn values(self, file: &TensorFile, name: &str, shape: &[usize], source: &str) -> Result<Vec<f32>> {
        let [rows, columns] = *shape else {
            return Ok(file.elements::<f32>(source, shape)?.as_slice().to_vec());
        };
        if [ITEM_EMBEDDINGS, POSITION_EMBEDDINGS].contains(&name) {
            let padding = self.padding_rows();
            let all = file.elements::<f32>(source, &[rows + padding, columns])?;
            let (padding, values) = all.as_slice().split_at(padding * columns);
            if padding.iter().any(|v| *v != 0.0) {
                bail!("{}: tensor `{source}`: row 0 is the padding's and must be zeros", file.name());
            }
            return Ok(values.to_vec());
        }
        // Linear layers are [out, in] there; a convolution over one position has a third dimension.
        let convolution = self == Self::SasrecPytorch && source.contains(".conv");
        let shape: &[usize] = if convolution { &[columns, rows, 1] } else { &[columns, rows] };
        let layer = file.elements::<f32>(source, shape)?;
        let layer = layer.as_slice();
        Ok((0..rows * columns).map(|place| layer[place % columns * rows + place / columns]).collect())
    }
}

/// What one of our layers' tensors is called in SASRec.pytorch.
fn pytorch_layer(name: &str) -> Option<String> {
    let (layer, part) = name.rsplit_once('.')?;
    if layer == "norm" {
        return Some(format!("last_layernorm.{part}"));
    }
    let (block, layer) = layer.strip_prefix("blocks.")?.split_once('.')?;
    Some(match layer {
        "attention_norm" => format!("attention_layernorms.{block}.{part}"),
        "query_key_value" => format!("attention_layers.{block}.in_proj_{part}"),
        "attention_output" => format!("attention_layers.{block}.out_proj.{part}"),
        "feed_forward_norm" => format!("forward_layernorms.{block}.{part}"),
        "feed_forward_in" => format!("forward_layers.{block}.conv1.{part}"),
        "feed_forward_out" => format!("forward_layers.{block}.conv2.{part}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use shared::catalogue::Row;
    use shared::model::sasrec::Sasrec;
    use shared::model::tensors::{self, TensorData};
    use shared::testing::{SasrecWeights, sasrec_config};

    use super::*;

    type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

    fn saved(folder: &Path, tensors: &Tensors) -> TensorFile {
        let path = folder.join("state.safetensors");
        let data = tensors.iter().map(|(name, shape, values)| TensorData::new(name, shape, values));
        tensors::write(&mut File::create(&path).unwrap(), &Default::default(), data.collect()).unwrap();
        TensorFile::open(&path).unwrap()
    }

    fn transposed(shape: &[usize], values: &[f32]) -> Vec<f32> {
        let (rows, columns) = (shape[0], shape[1]);
        (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
    }

    /// The weights as a PyTorch module of our names has them.
    fn as_module(weights: &SasrecWeights) -> Tensors {
        let convert = |(name, shape, values): &(String, Vec<usize>, Vec<f32>)| match **shape {
            [_, _] if name.contains("embeddings") => {
                (format!("{name}.weight"), shape.clone(), values.clone())
            }
            [inputs, outputs] => (name.clone(), vec![outputs, inputs], transposed(shape, values)),
            _ => (name.clone(), shape.clone(), values.clone()),
        };
        weights.tensors.iter().map(convert).collect()
    }

    /// The weights as SASRec.pytorch has them.
    fn as_sasrec_pytorch(weights: &SasrecWeights) -> Tensors {
        let convert = |(name, shape, values): (String, Vec<usize>, Vec<f32>)| {
            let name = match name.split('.').collect::<Vec<_>>()[..] {
                ["item_embeddings", ..] => "item_emb.weight".to_owned(),
                ["position_embeddings", ..] => "pos_emb.weight".to_owned(),
                ["norm", part] => format!("last_layernorm.{part}"),
                [_, block, "attention_norm", part] => format!("attention_layernorms.{block}.{part}"),
                [_, block, "query_key_value", part] => format!("attention_layers.{block}.in_proj_{part}"),
                [_, block, "attention_output", part] => format!("attention_layers.{block}.out_proj.{part}"),
                [_, block, "feed_forward_norm", part] => format!("forward_layernorms.{block}.{part}"),
                [_, block, "feed_forward_in", part] => format!("forward_layers.{block}.conv1.{part}"),
                [_, block, "feed_forward_out", part] => format!("forward_layers.{block}.conv2.{part}"),
                _ => panic!("{name} has no counterpart"),
            };
            if name.ends_with("_emb.weight") {
                let zeros = vec![0.0; shape[1]];
                return (name, vec![shape[0] + 1, shape[1]], [zeros, values].concat());
            }
            let shape =
                if name.contains("conv") && shape.len() == 2 { [shape, vec![1]].concat() } else { shape };
            (name, shape, values)
        };
        as_module(weights).into_iter().map(convert).collect()
    }

    /// The largest difference between what the model of a state dict makes of histories and the formulas.
    fn difference(weights: &SasrecWeights, state: &Tensors) -> f64 {
        let folder = tempfile::tempdir().unwrap();
        let found = convert(&saved(folder.path(), state), weights.config.heads, None).unwrap();
        assert_eq!(found.config, weights.config);
        let file = saved(folder.path(), &found.tensors);
        let model = Sasrec::new(&found.config, &file, found.items, None).unwrap();
        let mut most = 0.0_f64;
        for length in 1..=weights.config.length {
            let history: Vec<Row> = (0..length as Row).map(|place| place * 3 % 9).collect();
            let query = model.query(&history).unwrap();
            let expected = weights.query(&history);
            most = query.iter().zip(expected).fold(most, |most, (q, e)| most.max((f64::from(*q) - e).abs()));
        }
        most
    }

    fn pytorch_weights() -> SasrecWeights {
        let config = SasrecConfig {
            feed_forward: 8,
            norm_epsilon: PYTORCH_EPSILON,
            attended_padding: true,
            ..sasrec_config()
        };
        SasrecWeights::random(config, 9, 2)
    }

    #[test]
    fn either_set_of_names_becomes_the_same_function() {
        let weights = SasrecWeights::random(sasrec_config(), 9, 1);
        assert!(difference(&weights, &as_module(&weights)) < 1e-5);
        let weights = pytorch_weights();
        assert!(difference(&weights, &as_sasrec_pytorch(&weights)) < 1e-5);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ours = as_module(&SasrecWeights::random(sasrec_config(), 9, 1));
        let theirs = as_sasrec_pytorch(&pytorch_weights());
        let refused = |state: &Tensors, change: &dyn Fn(&mut Tensors), expected: &[&str]| {
            let mut state = state.clone();
            change(&mut state);
            let error = convert(&saved(folder.path(), &state), 2, None).unwrap_err().to_string();
            assert!(expected.iter().all(|part| error.contains(part)), "{error}; expected {expected:?}");
        };
        let at = |state: &Tensors, name: &str| state.iter().position(|(n, ..)| n == name).unwrap();
        let without = |name: &'static str| move |state: &mut Tensors| drop(state.remove(at(state, name)));
        refused(
            &ours,
            &without("blocks.0.feed_forward_out.bias"),
            &["`blocks.0.feed_forward_out.bias`", "missing"],
        );
        refused(&ours, &without("item_embeddings.weight"), &["`item_embeddings.weight`", "missing"]);
        refused(&ours, &without("blocks.0.feed_forward_in.weight"), &["feed_forward_in.weight`", "missing"]);
        refused(&theirs, &without("pos_emb.weight"), &["`pos_emb.weight`", "missing"]);
        refused(
            &theirs,
            &without("attention_layers.0.in_proj_weight"),
            &["`attention_layers.0.in_proj_weight`", "missing"],
        );
        let extra = |state: &mut Tensors| state.push(("user_emb.weight".into(), vec![1], vec![0.0]));
        refused(&ours, &extra, &["`user_emb.weight`", "not a tensor of this format"]);
        let ours_layout = |state: &mut Tensors| {
            let place = at(state, "blocks.1.query_key_value.weight");
            state[place].1 = vec![8, 24];
        };
        refused(
            &ours,
            &ours_layout,
            &["`blocks.1.query_key_value.weight`", "expected shape [24, 8], found [8, 24]"],
        );
        let flat = |state: &mut Tensors| {
            let place = at(state, "forward_layers.1.conv2.weight");
            state[place].1 = vec![8, 8];
        };
        refused(&theirs, &flat, &["`forward_layers.1.conv2.weight`", "expected shape [8, 8, 1]"]);
        let padded = |state: &mut Tensors| {
            let place = at(state, "item_emb.weight");
            state[place].2[3] = 0.5;
        };
        refused(&theirs, &padded, &["`item_emb.weight`", "row 0 is the padding's"]);
    }
}
