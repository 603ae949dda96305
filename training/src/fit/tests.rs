use shared::model::Artifact;

use super::*;
use crate::demo;
use crate::histories::Selection;

fn job<'a>(data: &'a Dataset, histories: &'a Histories, folder: &'a Path) -> Job<'a> {
    let naming = Naming { name: "small".into(), version: String::new(), simulated: true };
    Job { data, histories, naming, folder, write: WriteOptions { serving: false, sign: None } }
}

fn trainer() -> Trainer {
    Trainer::Als(AlsSettings { factors: 4, epochs: 2, ..AlsSettings::default() })
}

#[test]
fn the_artifact_says_what_it_was_trained_on_and_how_far() {
    let data = demo::dataset();
    let histories = Histories::of(&data, &EventWeights::default(), Selection::default());
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("model");
    let mut reported = Vec::new();
    let last = trainer().fit(&job(&data, &histories, &folder), |report| {
        if let Report::Epoch(progress) = report {
            reported.push(progress);
        }
    });
    let last = last.unwrap();
    assert_eq!(reported.iter().map(|progress| progress.epoch).collect::<Vec<_>>(), [1, 2]);
    assert!(reported[1].loss < reported[0].loss && reported[0].seconds <= reported[1].seconds);
    assert_eq!(reported[1], last);
    let artifact = Artifact::open(&folder).unwrap();
    assert_eq!(artifact.config.kind.name(), trainer().name());
    assert_eq!(artifact.config.metrics, [("loss".to_owned(), last.loss)].into());
    let training = artifact.config.training.unwrap();
    assert_eq!((training.users, training.interactions), (data.users.len(), histories.interactions()));
    assert!(training.simulated);
}

#[test]
fn nothing_is_written_of_no_interactions() {
    let data = demo::dataset();
    let none = Histories { by_user: vec![Vec::new(); 3], items: data.items.len() };
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("model");
    let error = trainer().fit(&job(&data, &none, &folder), |_| {}).unwrap_err();
    assert!(error.to_string().ends_with(": no interaction to train on"), "{error}");
    assert!(!folder.exists());
}

#[test]
fn every_setting_is_listed() {
    let names: Vec<String> = trainer().settings().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["factors", "epochs", "regularization", "alpha0", "init std", "seed", "solver"]);
    assert_eq!((trainer().size(), trainer().epochs()), ("4 factors".to_owned(), 2));
}
