//! `marquee verify --against`: whether a server gives the answers of an artifact.

use anyhow::Result;
use tests::{Accelerator, Finished, copy_dir, marquee, model_dir};

fn verify(model: &std::path::Path, options: &[&str]) -> Result<Finished> {
    let mut arguments = vec!["verify".as_ref(), model.as_os_str()];
    arguments.extend(options.iter().map(std::ffi::OsStr::new));
    marquee(arguments)
}

#[test]
fn a_server_of_the_same_artifact_gives_the_same_lists() -> Result<()> {
    let server = Accelerator::start(model_dir())?;
    let found = verify(model_dir(), &["--against", server.base()])?;
    assert!(found.status.success(), "{found}");
    for words in ["256 golden histories, the same artifact", "top-10 overlap: mean 10.00, least 10"] {
        assert!(found.stdout.contains(words), "{found}");
    }
    Ok(())
}

#[test]
fn a_server_of_another_artifact_is_refused_by_both_names() -> Result<()> {
    let home = tempfile::tempdir()?;
    let other = home.path().join("model");
    let trained =
        marquee(["train", "--demo", "--factors", "8", "--epochs", "1", "--out", other.to_str().unwrap()])?;
    assert!(trained.status.success(), "{trained}");
    let server = Accelerator::start(&other)?;
    let found = verify(model_dir(), &["--against", server.base()])?;
    assert!(!found.status.success(), "{found}");
    assert!(
        found.stderr.contains("answers from the artifact ") && found.stderr.contains(", and this one is ")
    );
    Ok(())
}

#[test]
fn what_cannot_be_compared_is_one_sentence() -> Result<()> {
    let home = tempfile::tempdir()?;
    let copy = home.path().join("model");
    copy_dir(model_dir(), &copy)?;
    let server = Accelerator::start(&copy)?;
    let base = server.base().to_owned();
    drop(server);
    for (options, words) in [
        (vec!["--against", base.as_str()], "Connection refused"),
        (vec!["--against", "gpu:8000"], "is expected"),
        (vec!["--tolerance", "1"], "--against"),
        (vec!["--against", base.as_str(), "--tolerance=-1"], "0 or more"),
        (
            vec!["--against", base.as_str(), "--accelerator-credentials", "missing.json"],
            "missing.json can't be read",
        ),
    ] {
        let found = verify(&copy, &options)?;
        assert!(!found.status.success() && found.stderr.contains(words), "{options:?}: {found}");
        assert!(!found.stderr.contains("panicked at"), "{found}");
    }
    Ok(())
}
