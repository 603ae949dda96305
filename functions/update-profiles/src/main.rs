//! The Lambda binary that the table's stream invokes.

use std::{error::Error, process::ExitCode, sync::Arc};

use shared::{aws, lambda, store::Folding};

fn main() -> ExitCode {
    lambda::handle(
        async || -> Result<Arc<dyn Folding>, Box<dyn Error>> {
            let table = aws::table().await?;
            Ok(table
                .map(|table| table as _)
                .ok_or("the variable MARQUEE_TABLE is needed: the table whose stream is folded")?)
        },
        async |event, store| Ok(update_profiles::handle(event, store).await),
    )
}
