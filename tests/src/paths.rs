//! Where things lie: the checkout, the build's target directory, the shared data.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the checkout.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate `tests` lies in the checkout's root")
}

/// MovieLens ml-latest-small beside the checkout, where there is a copy. Its licence keeps it out of the repository.
#[must_use]
pub fn movielens_zip() -> Option<PathBuf> {
    let path = root().parent()?.join("shared/data/ml-latest-small.zip");
    path.is_file().then_some(path)
}

/// The folder below `target/` for what the tests make and keep between runs.
///
/// # Panics
/// When the folder cannot be made.
#[must_use]
pub fn scratch() -> PathBuf {
    let made = Build::of_this_test().and_then(|build| {
        let path = build.target_dir.join("e2e");
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    });
    made.unwrap_or_else(|error| panic!("{error:#}"))
}

/// How the running test was built, read from where its executable lies:
/// `<target dir>[/<triple>]/<profile folder>/deps/<test>`; a program's own lies one level higher.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) target_dir: PathBuf,
    pub(crate) triple: Option<String>,
    pub(crate) profile: String,
}

impl Build {
    pub(crate) fn of_this_test() -> Result<Self> {
        let exe = env::current_exe().context("the path of the test executable is not known")?;
        Self::from_exe(&exe).with_context(|| {
            format!("{} is not inside a Cargo target directory: run the tests with cargo", exe.display())
        })
    }

    fn from_exe(exe: &Path) -> Option<Self> {
        let folder = exe.parent()?;
        let profile_dir = if folder.file_name()? == "deps" { folder.parent()? } else { folder };
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        // Cargo keeps this file in the root of the target directory; a build for another triple lies one level deeper.
        let (target_dir, triple) = if profile_dir.parent()?.join(".rustc_info.json").is_file() {
            (profile_dir.parent()?, None)
        } else {
            (profile_dir.parent()?.parent()?, Some(name(profile_dir.parent()?)?))
        };
        target_dir.join(".rustc_info.json").is_file().then_some(())?;
        // The folder of the profile `dev` is called `debug`; every other has the profile's own name.
        let profile = name(profile_dir)?;
        let profile = if profile == "debug" { "dev".to_owned() } else { profile };
        Some(Self { target_dir: target_dir.to_owned(), triple, profile })
    }
}
