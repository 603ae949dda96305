use clap::error::ErrorKind;
use training::als::AlsSettings;
use training::fit::Trainer;

use super::*;

fn read(arguments: &str) -> Result<Cli, clap::Error> {
    Cli::read(arguments.split_whitespace())
}

fn evaluation(arguments: &str) -> EvaluateOptions {
    match read(&format!("marquee evaluate --demo {arguments}")).unwrap().command {
        Command::Evaluate(options) => options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn als_is_evaluated_unless_told_otherwise() {
    assert_eq!(evaluation("").models, [ModelKind::Als]);
    assert_eq!(evaluation("--model als").models, [ModelKind::Als]);
}

#[test]
fn a_list_of_models_is_whole_and_without_repeats() {
    let error = read("marquee evaluate --demo --model als,als").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ValueValidation);
    assert!(error.to_string().starts_with("error: --model names als twice\n"), "{error}");
    for list in ["als,", ",", "als,nobody"] {
        let error = read(&format!("marquee evaluate --demo --model {list}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{list}: {error}");
    }
    let error = read("marquee train --demo --out m --model als,als").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidValue, "train takes one: {error}");
}

#[test]
fn options_of_a_model_that_is_not_asked_for_are_refused() {
    let mut command = Cli::command();
    let arguments = ["marquee", "evaluate", "--demo", "--epochs", "3", "--regularization", "1"];
    let matches = command.try_get_matches_from_mut(arguments).unwrap();
    let (name, matches) = matches.subcommand().unwrap();
    let command = command.find_subcommand_mut(name).unwrap();
    trainer::check(command, matches, &[ModelKind::Als]).unwrap();
    let error = trainer::check(command, matches, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
    let text = error.to_string();
    assert!(text.starts_with("error: --regularization is for --model als\n"), "{text}");
    assert!(text.contains("Usage: marquee evaluate"), "{text}");
}

#[test]
fn the_options_of_a_model_and_no_others_stand_under_its_heading() {
    let command = Cli::command();
    for name in ["train", "evaluate"] {
        let under = |heading: Option<&str>| {
            let arguments = command.find_subcommand(name).unwrap().get_arguments();
            let longs =
                arguments.filter(|arg| arg.get_help_heading() == heading).filter_map(clap::Arg::get_long);
            longs.collect::<Vec<_>>()
        };
        let als = under(Some(ModelKind::Als.heading()));
        assert_eq!(als, ["factors", "regularization", "alpha0", "init-std", "solver"], "{name}");
        assert!(
            ["data", "model", "seed", "epochs", "threads"].iter().all(|of_all| under(None).contains(of_all))
        );
    }
}

#[test]
fn what_is_given_for_any_model_reaches_it() {
    let options = evaluation("--seed 7 --epochs 3 --factors 8");
    let expected = AlsSettings { seed: 7, epochs: 3, factors: 8, ..AlsSettings::default() };
    assert_eq!(options.trainer.trainer(ModelKind::Als), Trainer::Als(expected));
    assert_eq!(evaluation("").trainer.trainer(ModelKind::Als), Trainer::Als(AlsSettings::default()));
}
