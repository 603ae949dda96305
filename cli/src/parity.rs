//! `marquee verify --against`: whether a server gives the answers of an artifact.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use shared::accelerator::parity::{self, Difference};
use shared::accelerator::{Accelerator, contract};
use shared::model::{Artifact, Attraction, Scored};
use tokio::time::Instant;

use crate::accelerators;
use crate::commands::VerifyOptions;

/// How long one batch may take: a server that computes on a busy CPU takes seconds for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the server for lists of the golden histories, and compares them with the artifact's own.
///
/// # Errors
/// When the server can't be asked, has another model, or differs by more than the tolerance.
pub(crate) fn check(artifact: &Artifact, options: &VerifyOptions) -> Result<()> {
    let Some(against) = &options.against else { return Ok(()) };
    let credentials = options.accelerator_credentials.as_deref();
    let clients = accelerators::clients(std::slice::from_ref(against), credentials, artifact)?;
    let client = clients.first().context("one endpoint makes one client")?;
    let rows = artifact.catalogue.len();
    let histories = parity::golden(rows);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut differences = Vec::with_capacity(histories.len());
    let mut stated = false;
    for batch in histories.chunks(contract::BATCH_LIMIT) {
        let Lists { lists, digest } = runtime.block_on(ask(client.as_ref(), batch, rows))?;
        if let Some(digest) = digest {
            stated = true;
            let ours = &artifact.manifest.digest;
            if digest != *ours {
                bail!("{against} answers from the artifact {digest}, and this one is {ours}");
            }
        }
        for (history, theirs) in batch.iter().zip(lists) {
            let ours = artifact.recommender().taste(history).context("a golden history is not empty")?;
            let difference = Difference::of(ours.as_ref(), &theirs, rows);
            differences.push((difference, difference.is_within(options.tolerance, theirs.len())));
        }
    }
    tell(options, &differences, stated)
}

struct Lists {
    lists: Vec<Vec<Scored>>,
    digest: Option<String>,
}

async fn ask(client: &dyn Accelerator, batch: &[Vec<Attraction>], rows: usize) -> Result<Lists> {
    let fault = |words: String| anyhow!("{}: {words}", client.name());
    let histories: Vec<&[Attraction]> = batch.iter().map(Vec::as_slice).collect();
    let request = contract::request(&histories, parity::TOP, PATIENCE);
    let response = client.infer(&request, Instant::now() + PATIENCE).await;
    let response = response.map_err(|error| fault(error.to_string()))?;
    let lists = contract::lists(&response, batch.len(), rows).map_err(|error| fault(error.to_string()))?;
    Ok(Lists { lists, digest: contract::digest(&response) })
}

/// Prints how the lists differ; an error where one differs too much.
fn tell(options: &VerifyOptions, differences: &[(Difference, bool)], stated: bool) -> Result<()> {
    let count = differences.len();
    let all = || differences.iter().map(|(difference, _)| difference);
    let mean = all().map(|difference| difference.overlap as f64).sum::<f64>() / count as f64;
    let least = all().map(|difference| difference.overlap).min().unwrap_or(0);
    let of = all().map(|difference| difference.of).max().unwrap_or(0);
    let score = all().map(|difference| difference.score).fold(0.0, f32::max);
    let regret = all().map(|difference| difference.regret).fold(0.0, f32::max);
    let tolerance = options.tolerance;
    if let Some(against) = &options.against {
        let digest = if stated { "the same artifact" } else { "it does not say which artifact answers" };
        println!("{against}: {count} golden histories, {digest}");
    }
    println!("top-{of} overlap: mean {mean:.2}, least {least}");
    println!("largest score difference: {score:.1e} of the best score; tolerance {tolerance:.1e}");
    let beyond = differences.iter().filter(|(_, within)| !within).count();
    if beyond > 0 {
        bail!(
            "{beyond} of {count} lists differ by more than the tolerance (scores {score:.1e}, items {regret:.1e})"
        );
    }
    Ok(())
}
