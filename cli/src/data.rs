//! `marquee data`.

use anyhow::Result;
use training::data::fetch::{self, BASE_URL, Checksum, FetchRequest};

use crate::commands::FetchOptions;
use crate::output;

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
