//! `marquee data`.

use anyhow::{Result, anyhow, bail};
use shared::aws;
use shared::store::Loading;
use shared::store::embedded::Embedded;
use training::data::fetch::{self, BASE_URL, Checksum, FetchRequest};
use training::data::{self, ReadOptions};

use crate::commands::{FetchOptions, LoadOptions};
use crate::state::Choice;
use crate::{interactions, output};

pub(crate) fn fetch(options: &FetchOptions) -> Result<()> {
    let request = FetchRequest {
        name: options.name.clone(),
        out: options.out.clone(),
        base_url: options.base_url.clone().unwrap_or_else(|| BASE_URL.to_owned()),
    };
    let bar = fetch::progress_bar();
    let fetched = fetch::fetch(&request, &bar);
    bar.finish_and_clear();
    let fetched = fetched?;
    let against = match fetched.checksum {
        Checksum::Pinned(_) => "as pinned in this build",
        Checksum::Published => "as published beside it",
    };
    let how = if fetched.already { "was there already" } else { "fetched" };
    println!(
        "{} {how}: {}, MD5 {} {against}",
        fetched.path.display(),
        output::bytes(fetched.bytes),
        fetched.md5
    );
    if let Some(known) = fetch::datasets().iter().find(|known| known.name == options.name) {
        println!("\n{}", known.licence());
    }
    Ok(())
}

pub(crate) fn load(options: &LoadOptions) -> Result<()> {
    let read = ReadOptions { skip_bad_rows: options.skip_bad_rows, items: None };
    let found = interactions::of(&data::read(&options.data, &read)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &options.store {
            Choice::None => bail!("there is nothing to load into: --store dynamodb:TABLE or file:PATH"),
            Choice::File(path) => Ok(Embedded::open(path)?.load(&found.events).await?),
            Choice::DynamoDb(name) => {
                let table = aws::table_named(name).map_err(|error| anyhow!("{error}"))?;
                if options.create_table && table.create_table().await? {
                    eprintln!("table {name} made");
                }
                Ok(table.load(&found.events).await?)
            }
        }
    })?;
    println!("{} interactions loaded", found.events.len());
    if found.skipped > 0 {
        println!("{} were left out: the ids of their users or items can't be ids here", found.skipped);
    }
    if matches!(options.store, Choice::DynamoDb(_)) {
        println!("profiles follow as update-profiles reads the table's stream");
    }
    Ok(())
}
