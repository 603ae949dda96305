//! Every operator beside the plain candle form: what it makes, and what it hands back.

use std::collections::HashMap;

use candle_core::{D, DType, Device, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shared::model::config::SasrecConfig;
use shared::model::sasrec::network::{Affine, Batch, Network, Operators, Plain};
use shared::model::sasrec::tensors;

use super::*;

const CPU: Device = Device::Cpu;

fn random(shape: &[usize], seed: u64) -> Var {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|_| random.random::<f32>() * 2.0 - 1.0).collect();
    Var::from_vec(values, shape, &CPU).unwrap()
}

fn affine(inputs: &[usize], outputs: usize, seed: u64) -> (Var, Var, Affine) {
    let (weight, bias) = (random(inputs, seed), random(&[outputs], seed + 1));
    let layer = Affine { weight: weight.as_tensor().clone(), bias: bias.as_tensor().clone() };
    (weight, bias, layer)
}

/// A loss that treats every number differently.
fn weighed(y: &Tensor) -> Tensor {
    (y * random(y.dims(), 99).as_tensor()).unwrap().sum_all().unwrap()
}

/// That two forms make the same, and hand the same back to each of the variables. Sums of at most a few thousand
/// products of numbers about 1, in another order: 1e-4 of the largest.
fn same(plain: &Tensor, fused: &Tensor, variables: &[&Var]) {
    close("value", plain, fused);
    let (plain, fused) = (weighed(plain).backward().unwrap(), weighed(fused).backward().unwrap());
    for (index, variable) in variables.iter().enumerate() {
        let of = |store: &candle_core::backprop::GradStore| {
            store
                .get(variable.as_tensor())
                .unwrap_or_else(|| panic!("variable {index} has no gradient"))
                .clone()
        };
        close(&format!("gradient of variable {index}"), &of(&plain), &of(&fused));
    }
}

fn close(what: &str, expected: &Tensor, found: &Tensor) {
    assert_eq!(expected.dims(), found.dims(), "{what}");
    let (expected, found) = (copied(expected).unwrap(), copied(found).unwrap());
    let largest = expected.iter().fold(1e-3_f32, |most, v| most.max(v.abs()));
    for (place, (expected, found)) in expected.iter().zip(&found).enumerate() {
        assert!((expected - found).abs() <= 1e-4 * largest, "{what} at {place}: {expected} {found}");
    }
}

fn batch(lengths: &[usize], length: usize, items: u32) -> Batch {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let histories: Vec<Vec<u32>> =
        lengths.iter().map(|n| (0..*n).map(|_| random.random_range(0..items)).collect()).collect();
    Batch::of(histories.iter().map(Vec::as_slice), length, &CPU).unwrap()
}

const LENGTHS: [usize; 5] = [70, 1, 130, 64, 3];

fn fused() -> Fused {
    Fused::new(0.0, 1)
}

#[test]
fn embedding_is_the_plain_form() {
    let (items, positions) = (random(&[40, 10], 1), random(&[150, 10], 2));
    let batch = batch(&LENGTHS, 150, 40);
    let plain = Plain::default().embed(&items, &positions, &batch).unwrap();
    same(&plain, &fused().embed(&items, &positions, &batch).unwrap(), &[&items, &positions]);
}

#[test]
fn normalization_is_the_plain_form() {
    for d in [10, 64] {
        let x = random(&[5_000, d], 1);
        let (weight, bias, norm) = affine(&[d], d, 2);
        let plain = Plain::default().normalize(&x, &norm, 1e-5).unwrap();
        same(&plain, &fused().normalize(&x, &norm, 1e-5).unwrap(), &[&x, &weight, &bias]);
    }
}

#[test]
fn a_linear_layer_is_the_plain_form() {
    for (inputs, outputs) in [(10, 7), (64, 192)] {
        let x = random(&[5_000, inputs], 1);
        let (weight, bias, layer) = affine(&[inputs, outputs], outputs, 2);
        let plain = Plain::default().linear(&x, &layer).unwrap();
        same(&plain, &fused().linear(&x, &layer).unwrap(), &[&x, &weight, &bias]);
    }
}

#[test]
fn attention_is_the_plain_form_with_one_head_and_with_several() {
    for (d, heads) in [(10, 1), (12, 3), (64, 2)] {
        let packed = random(&[LENGTHS.iter().sum(), 3 * d], 1);
        let batch = batch(&LENGTHS, 150, 40);
        let plain = Plain::default().attend(&packed, &batch, heads).unwrap();
        same(&plain, &fused().attend(&packed, &batch, heads).unwrap(), &[&packed]);
    }
}

#[test]
fn rectification_and_addition_are_the_plain_forms() {
    let (x, y) = (random(&[5_000, 10], 1), random(&[5_000, 10], 2));
    same(&Plain::default().rectify(&x).unwrap(), &fused().rectify(&x).unwrap(), &[&x]);
    same(&Plain::default().add(&x, &y).unwrap(), &fused().add(&x, &y).unwrap(), &[&x, &y]);
}

/// The plain forms, multiplied with the very masks that the operators make.
#[test]
fn dropped_numbers_are_dropped_in_both_directions() {
    let count = LENGTHS.iter().sum::<usize>();
    let (x, y) = (random(&[count, 12], 1), random(&[count, 12], 2));
    let ones = Tensor::ones((count, 12), DType::F32, &CPU).unwrap();
    let zeros = ones.zeros_like().unwrap();
    let operators = || Fused::new(0.4, 3);
    let mask = operators().add(&zeros, &ones).unwrap();
    assert!(copied(&mask).unwrap().iter().all(|m| *m == 0.0 || (m - 1.0 / 0.6).abs() < 1e-6));

    let plain = (x.as_tensor() + (y.as_tensor() * &mask).unwrap()).unwrap();
    same(&plain, &operators().add(&x, &y).unwrap(), &[&x, &y]);
    let plain = (x.relu().unwrap() * &mask).unwrap();
    same(&plain, &operators().rectify(&x).unwrap(), &[&x]);

    let (items, positions) = (random(&[40, 12], 4), random(&[150, 12], 5));
    let batch = batch(&LENGTHS, 150, 40);
    let ones = (Tensor::ones((40, 12), DType::F32, &CPU).unwrap() / 12_f64.sqrt()).unwrap();
    let mask =
        operators().embed(&ones, &Tensor::zeros((150, 12), DType::F32, &CPU).unwrap(), &batch).unwrap();
    let plain = (Plain::default().embed(&items, &positions, &batch).unwrap() * mask).unwrap();
    same(&plain, &operators().embed(&items, &positions, &batch).unwrap(), &[&items, &positions]);
}

/// Attention's weights after dropout are seen by attending to unit vectors.
#[test]
fn attention_drops_weights_in_both_directions() {
    let n = 12;
    let operators = || Fused::new(0.3, 3);
    let packed = random(&[n, 3 * n], 1);
    let batch = batch(&[n], n, 40);
    let unit = Tensor::eye(n, DType::F32, &CPU).unwrap();
    let with_unit_values =
        Tensor::cat(&[&packed.narrow(1, 0, 2 * n).unwrap(), &unit], 1).unwrap().contiguous();
    let with_unit_values = with_unit_values.unwrap();
    let kept = operators().attend(&with_unit_values, &batch, 1).unwrap();
    let weights = Plain::default().attend(&with_unit_values, &batch, 1).unwrap();
    let factors: Vec<f32> = copied(&kept)
        .unwrap()
        .iter()
        .zip(copied(&weights).unwrap())
        .map(|(k, w)| if w > 0.0 { k / w } else { 0.0 })
        .collect();
    assert!(factors.iter().all(|f| *f == 0.0 || (f - 1.0 / 0.7).abs() < 1e-4), "{factors:?}");
    let mask = Tensor::from_vec(factors, (n, n), &CPU).unwrap();

    let part = |index: usize| packed.narrow(1, index * n, n).unwrap();
    let scores = (part(0).matmul(&part(1).t().unwrap()).unwrap() / (n as f64).sqrt()).unwrap();
    let future: Vec<f32> =
        (0..n * n).map(|at| if at % n > at / n { f32::NEG_INFINITY } else { 0.0 }).collect();
    let future = Tensor::from_vec(future, (n, n), &CPU).unwrap();
    let weights = candle_nn::ops::softmax(&(scores + future).unwrap(), D::Minus1).unwrap();
    let plain = (weights * mask).unwrap().matmul(&part(2)).unwrap();
    same(&plain, &operators().attend(&packed, &batch, 1).unwrap(), &[&packed]);
}

#[test]
fn the_softmax_loss_is_the_plain_form_whatever_the_size_of_its_pieces() {
    let (count, items, d) = (300, 75, 10);
    let (hidden, table) = (random(&[count, d], 1), random(&[items, d], 2));
    let targets: Vec<u32> = (0..count as u32).map(|row| row * 7 % items as u32).collect();
    let logits = hidden.matmul(&table.t().unwrap()).unwrap();
    let target = Tensor::from_slice(&targets, count, &CPU).unwrap();
    let plain = candle_nn::loss::cross_entropy(&logits, &target).unwrap();
    for rows in [1, 16, 1_000] {
        let fused = softmax_loss(&hidden, &table, targets.clone(), rows).unwrap();
        same(&plain, &fused, &[&hidden, &table]);
    }
}

#[test]
fn the_sampled_loss_is_the_plain_form() {
    let (items, d, negatives) = (50, 10, 20);
    let count = LENGTHS.iter().sum::<usize>();
    let (hidden, table) = (random(&[count, d], 1), random(&[items, d], 2));
    let targets: Vec<u32> = (0..count as u32).map(|row| row * 7 % items as u32).collect();
    let drawn: Vec<u32> = (0..(LENGTHS.len() * negatives) as u32).map(|n| n * 11 % items as u32).collect();
    let beta = calibration(0.75, negatives, items);
    let loss = SampledLoss {
        targets: targets.clone(),
        lengths: LENGTHS.to_vec(),
        negatives: drawn.clone(),
        calibration: beta as f32,
    };

    // ln σ(x) = −ln(1 + e^−x)
    let log_sigmoid =
        |x: &Tensor| (x.neg().unwrap().exp().unwrap() + 1.0).unwrap().log().unwrap().neg().unwrap();
    let mut terms = Vec::new();
    let mut start = 0;
    for (length, drawn) in LENGTHS.iter().zip(drawn.chunks(negatives)) {
        let rows = hidden.narrow(0, start, *length).unwrap();
        let of_targets = &targets[start..start + length];
        let rows_of =
            |ids: &[u32]| table.index_select(&Tensor::from_slice(ids, ids.len(), &CPU).unwrap(), 0).unwrap();
        let positive = (&rows * rows_of(of_targets)).unwrap().sum(1).unwrap();
        terms.push((log_sigmoid(&positive) * -beta).unwrap().sum_all().unwrap());
        let scores = rows.matmul(&rows_of(drawn).t().unwrap()).unwrap();
        let counts: Vec<f32> = of_targets
            .iter()
            .flat_map(|target| drawn.iter().map(move |item| f32::from(u8::from(item != target))))
            .collect();
        let counts = Tensor::from_vec(counts, (*length, negatives), &CPU).unwrap();
        let negative = (log_sigmoid(&scores.neg().unwrap()) * counts).unwrap().neg().unwrap();
        terms.push(negative.sum_all().unwrap());
        start += length;
    }
    let sum = Tensor::stack(&terms, 0).unwrap().sum_all().unwrap();
    let plain = (sum / (count * (negatives + 1)) as f64).unwrap();
    same(&plain, &loss.of(&hidden, &table).unwrap(), &[&hidden, &table]);
}

/// The paper's formula at its ends: t = 0 is the plain loss, t = 1 the sampling rate.
#[test]
fn calibration_is_between_the_plain_loss_and_the_sampling_rate() {
    assert!((calibration(0.0, 256, 3_417) - 1.0).abs() < 1e-12);
    assert!((calibration(1.0, 256, 3_417) - 256.0 / 3_416.0).abs() < 1e-12);
    let half = calibration(0.5, 256, 3_417);
    assert!(half > 256.0 / 3_416.0 && half < 1.0);
}

fn network(config: &SasrecConfig, items: usize) -> (HashMap<String, Var>, Network) {
    let named = tensors(config, items).into_iter().enumerate();
    let variables: HashMap<String, Var> =
        named.map(|(seed, (name, shape))| (name, random(&shape, seed as u64))).collect();
    let tensors = variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let network = Network::new(config, &tensors).unwrap();
    (variables, network)
}

fn config() -> SasrecConfig {
    let json = r#"{"dimensions": 12, "length": 150, "blocks": 2, "heads": 2, "feed_forward": 20}"#;
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_network_is_the_same_in_both_forms_and_every_parameter_has_a_gradient() {
    let config = config();
    let (variables, network) = network(&config, 40);
    let batch = batch(&LENGTHS, 150, 40);
    let (plain, fused) =
        (network.hidden(&batch, &Plain::default()).unwrap(), network.hidden(&batch, &fused()).unwrap());
    let all: Vec<&Var> = variables.values().collect();
    same(&plain, &fused, &all);
    let gradients = weighed(&network.hidden(&batch, &Fused::new(0.2, 1)).unwrap()).backward().unwrap();
    for (name, variable) in &variables {
        let gradient =
            gradients.get(variable.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
        assert!(copied(gradient).unwrap().iter().any(|g| *g != 0.0), "{name}: the gradient is 0 throughout");
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let config = config();
    let (variables, network) = network(&config, 40);
    let lengths: Vec<usize> = (0..60).map(|n| 1 + n * 37 % 150).collect();
    let batch = batch(&lengths, 150, 40);
    let targets: Vec<u32> = (0..lengths.iter().sum::<usize>() as u32).map(|row| row * 7 % 40).collect();
    let step = || {
        let hidden = network.hidden(&batch, &Fused::new(0.2, 9)).unwrap();
        let gradients =
            softmax_loss(&hidden, network.items(), targets.clone(), 64).unwrap().backward().unwrap();
        let mut names: Vec<&String> = variables.keys().collect();
        names.sort();
        let of = |name: &String| copied(gradients.get(variables[name].as_tensor()).unwrap()).unwrap();
        names.into_iter().flat_map(of).map(f32::to_bits).collect::<Vec<_>>()
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(step);
    let one = with(1);
    assert!(one == with(2) && one == with(5));
}
