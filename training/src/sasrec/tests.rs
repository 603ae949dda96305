use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use candle_core::{Device, Tensor};
use shared::catalogue::CatalogueColumns;
use shared::model::Artifact;
use shared::model::config::{EventWeights, FORMAT_VERSION, Kind, ModelConfig};
use shared::model::sasrec::Sasrec;
use shared::model::sasrec::network::{Batch, Network, Plain};
use shared::model::tensors::{TensorData, TensorFile};
use shared::model::write::{NewArtifact, WriteOptions};

use super::*;
use crate::histories::Histories;

const ITEMS: u32 = 30;

/// Everybody goes round the catalogue in the same order, from different places: what is next follows from the last item
/// alone.
fn round() -> Histories {
    let history = |user: u32| (0..4 + user % 20).map(|step| ((user * 7 + step) % ITEMS, 1.0)).collect();
    Histories { by_user: (0..80).map(history).collect(), items: ITEMS as usize }
}

fn settings() -> Settings {
    Settings {
        dimensions: 16,
        length: 8,
        dropout: 0.1,
        learning_rate: 0.01,
        batch: Some(16),
        epochs: 3,
        ..Settings::default()
    }
}

fn quietly(settings: &Settings) -> Result<Trained, TrainError> {
    train(&round(), settings, |_| ())
}

fn bits(trained: &Trained) -> Vec<u32> {
    trained.weights.iter().flat_map(|(_, _, numbers)| numbers).map(|number| number.to_bits()).collect()
}

fn fault(histories: &Histories, settings: &Settings) -> String {
    train(histories, settings, |_| ()).unwrap_err().to_string()
}

#[test]
fn what_follows_from_the_last_item_is_learned_with_either_loss() {
    // The loss against few items begins on a plateau, where all scores fall alike.
    for (negatives, epochs) in [(None, 30), (Some(20), 100)] {
        let mut losses = Vec::new();
        let settings = Settings { negatives, epochs, patience: epochs, learning_rate: 5e-3, ..settings() };
        let trained = train(&round(), &settings, |stage| {
            if let Stage::Epoch { loss, .. } = stage {
                losses.push(loss);
            }
        });
        let ndcg = trained.unwrap().ndcg.unwrap();
        assert!(ndcg > 0.9, "{negatives:?}: validation NDCG@10 {ndcg}, losses {losses:?}");
        assert!(losses[losses.len() - 1] < 0.5 * losses[0], "{losses:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_model_whatever_the_number_of_threads() {
    let with = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bits(&pool.install(|| quietly(&Settings { seed, ..settings() })).unwrap())
    };
    let one = with(1, 1);
    assert!(one == with(3, 1));
    assert!(one != with(1, 2));
}

#[test]
fn candles_own_operators_lead_to_the_same_model() {
    for negatives in [None, Some(10)] {
        let of =
            |device| quietly(&Settings { device, negatives, dropout: 0.0, epochs: 1, ..settings() }).unwrap();
        let (fast, plain) = (of(Processor::Cpu), of(Processor::Plain));
        assert!((fast.loss - plain.loss).abs() < 1e-3 * plain.loss, "{} {}", fast.loss, plain.loss);
        for ((name, _, fast), (_, _, plain)) in fast.weights.iter().zip(&plain.weights) {
            for (fast, plain) in fast.iter().zip(plain) {
                // Adam divides gradients by their size: where one is nearly 0 its rounding decides the direction of a
                // step, a hundredth long at most, and few such steps are taken in one epoch.
                assert!((fast - plain).abs() < 0.02, "{name}: {fast} {plain}");
            }
        }
    }
}

/// Trains with a checkpoint after every step, and keeps a copy of the one that is there after `steps` of them.
fn stopped_after(steps: usize, settings: &Settings, folder: &Path) -> Trained {
    let (mut taken, kept) = (0, folder.join("kept"));
    let settings = Settings {
        checkpoint: Some(folder.to_owned()),
        checkpoint_every: Duration::ZERO,
        ..settings.clone()
    };
    fs::create_dir_all(&kept).unwrap();
    let trained = train(&round(), &settings, |stage| {
        if let Stage::Step { .. } = stage {
            taken += 1;
            // Told before the checkpoint of this step is written: what is there is that of the step before.
            if taken == steps + 1 {
                fs::copy(checkpoint::path(folder), checkpoint::path(&kept)).unwrap();
            }
        }
    });
    trained.unwrap()
}

#[test]
fn training_goes_on_after_any_step_as_if_it_had_never_stopped() {
    let uninterrupted = bits(&quietly(&settings()).unwrap());
    for steps in [1, 5, 9, 10, 14, 20] {
        let folder = tempfile::tempdir().unwrap();
        assert!(bits(&stopped_after(steps, &settings(), folder.path())) == uninterrupted);
        let resumed = Settings { checkpoint: Some(folder.path().join("kept")), resume: true, ..settings() };
        let mut first_step = None;
        let trained = train(&round(), &resumed, |stage| {
            if let Stage::Step { epoch, done, .. } = stage {
                first_step.get_or_insert((epoch, done));
            }
        });
        assert!(bits(&trained.unwrap()) == uninterrupted, "after {steps} steps");
        assert_ne!(first_step, Some((1, 1)), "it began anew");
    }
}

#[test]
fn a_checkpoint_of_other_settings_or_data_or_none_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    stopped_after(2, &settings(), folder.path());
    let resumed = Settings { checkpoint: Some(folder.path().to_owned()), resume: true, ..settings() };
    let other = Settings { dropout: 0.25, ..resumed.clone() };
    let path = checkpoint::path(folder.path());
    let said = fault(&round(), &other);
    assert_eq!(
        said,
        format!("{}: made with other settings: dropout was 0.1 and is now 0.25", path.display())
    );

    let mut others = round();
    others.by_user[0].reverse();
    let said = fault(&others, &resumed);
    assert_eq!(said, format!("{}: made on other data than these", path.display()));

    fs::write(&path, b"no checkpoint").unwrap();
    assert!(fault(&round(), &resumed).starts_with(&path.display().to_string()));
    fs::remove_file(&path).unwrap();
    assert_eq!(fault(&round(), &resumed), format!("{}: not there: nothing to go on from", path.display()));
}

#[test]
fn a_loss_that_is_no_number_stops_with_its_step_and_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let wild = Settings {
        learning_rate: 1e30,
        checkpoint: Some(folder.path().to_owned()),
        checkpoint_every: Duration::ZERO,
        ..settings()
    };
    let said = fault(&round(), &wild);
    assert!(said.starts_with("training diverged: the loss of step "), "{said}");
    assert!(
        said.contains(&format!("the last good checkpoint is {}", checkpoint::path(folder.path()).display())),
        "{said}"
    );
    let said = fault(&round(), &Settings { checkpoint: None, ..wild });
    assert!(said.contains("no checkpoint was kept (--checkpoint DIR keeps them)"), "{said}");
}

#[test]
fn what_cannot_be_trained_on_is_said_in_a_sentence() {
    let data = |by_user: Vec<Vec<(u32, f32)>>, items| Histories { by_user, items };
    let one = data(vec![vec![(0, 1.0)], vec![(1, 1.0)], vec![]], 2);
    assert_eq!(fault(&one, &settings()), "no history has two items: there is no next item to learn");
    let alone = data(vec![vec![(0, 1.0)]], 1);
    assert_eq!(fault(&alone, &settings()), "a catalogue of 1: there is nothing to tell apart");
    let said = fault(&round(), &Settings { heads: 3, ..settings() });
    assert_eq!(said, "heads 3 do not divide dimensions 16");
    let said = fault(&round(), &Settings { negatives: Some(30), ..settings() });
    assert_eq!(said, "--sampled-negatives of a catalogue of 30: leave it out to train against all");
    #[cfg(not(feature = "cuda"))]
    assert!(
        fault(&round(), &Settings { device: Processor::Cuda(0), ..settings() })
            .starts_with("this build has no CUDA")
    );
}

#[test]
fn memory_that_is_not_there_is_missed_before_training() {
    let plan = Plan { parameters: 1, batch: 1, negatives: None, rows: 16, bytes: usize::MAX };
    let said = plan.check(&settings()).unwrap_err().to_string();
    assert!(said.starts_with("training needs about ") && said.contains("a smaller --batch"), "{said}");
}

#[test]
fn a_step_has_no_more_windows_than_there_are() {
    let all = quietly(&Settings { batch: Some(usize::MAX), ..settings() }).unwrap();
    let windows = all.config.batch.unwrap();
    assert!(bits(&all) == bits(&quietly(&Settings { batch: Some(windows), ..settings() }).unwrap()));
}

#[test]
fn training_stops_when_patience_is_over_and_keeps_the_best_epoch() {
    let mut epochs = Vec::new();
    let settings = Settings { epochs: 200, patience: 3, ..settings() };
    let trained = train(&round(), &settings, |stage| {
        if let Stage::Epoch { ndcg, .. } = stage {
            epochs.push(ndcg.unwrap());
        }
    });
    let trained = trained.unwrap();
    let best = epochs.iter().copied().fold(0.0, f64::max);
    assert_eq!(trained.ndcg, Some(best));
    assert_eq!(epochs[trained.epoch - 1], best, "epochs count from 1");
    assert_eq!(epochs.len(), trained.epoch + 3, "{epochs:?}");
}

#[test]
fn two_users_are_enough() {
    let histories = Histories { by_user: vec![vec![(0, 1.0), (1, 1.0)], vec![(2, 1.0), (0, 1.0)]], items: 3 };
    let trained = train(&histories, &settings(), |_| ()).unwrap();
    assert_eq!((trained.epoch, trained.ndcg), (3, None), "nobody is kept aside, and the last epoch is taken");
}

/// The encoder that serves, beside the network that was trained, at every length.
#[test]
fn what_is_served_is_what_was_trained() {
    let trained = quietly(&Settings { heads: 2, ..settings() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("model");
    write(&trained, &folder);
    let file = TensorFile::open(&folder.join(shared::model::artifact::MODEL)).unwrap();
    let served = Sasrec::new(&trained.config, &file, ITEMS as usize, None).unwrap();
    let tensors: HashMap<String, Tensor> = trained
        .weights
        .iter()
        .map(|(name, shape, numbers)| {
            (name.clone(), Tensor::from_slice(numbers, shape.clone(), &Device::Cpu).unwrap())
        })
        .collect();
    let network = Network::new(&trained.config, &tensors).unwrap();
    for n in 1..=trained.config.length {
        let rows: Vec<u32> = (0..n as u32).map(|place| place * 7 % ITEMS).collect();
        let batch = Batch::of([rows.as_slice()], trained.config.length, &Device::Cpu).unwrap();
        let expected: Vec<f32> =
            network.queries(&batch, &Plain::default()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        for (served, expected) in served.query(&rows).unwrap().iter().zip(expected) {
            // Numbers of size 1 after some hundred roundings of 2⁻²⁴ in another order.
            assert!((served - expected).abs() < 2e-5, "{n} items: {served} {expected}");
        }
    }
    assert!(Artifact::open(&folder).unwrap().has_serving());
}

fn write(trained: &Trained, folder: &Path) {
    let mut catalogue = CatalogueColumns::new(Vec::new()).unwrap();
    (0..ITEMS).for_each(|item| catalogue.push(&format!("item-{item}"), "", 0, 0, 1).unwrap());
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: Kind::Sasrec(trained.config.clone()),
        name: "round".into(),
        version: String::new(),
        event_weights: EventWeights::default(),
        training: None,
        metrics: Default::default(),
    };
    let weights =
        trained.weights.iter().map(|(name, shape, numbers)| TensorData::new(name.as_str(), shape, numbers));
    let artifact = NewArtifact { config, catalogue, weights: weights.collect() };
    artifact.write(folder, WriteOptions { serving: true, sign: None }).unwrap();
}
