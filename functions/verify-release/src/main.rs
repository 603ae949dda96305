//! The Lambda binary that CodeDeploy invokes before callers reach a new version.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::config::{ModelSettings, ReleaseSettings};
use shared::lambda;
use verify_release::{Aws, State};

fn main() -> ExitCode {
    lambda::handle(
        async || -> Result<_, Box<dyn Error>> {
            let (model, release) = (ModelSettings::from_env()?, ReleaseSettings::from_env()?);
            let aws = Arc::new(Aws::of_environment().await);
            Ok(State {
                model: model.dir,
                versions: release.versions,
                functions: aws.clone(),
                deployments: aws,
            })
        },
        verify_release::handle,
    )
}
