//! AWS, of which nothing is ever heard: neither the table nor the secret answers.

use tokio::runtime::Runtime;

use super::door::Door;

pub(crate) struct Silence {
    endpoint: String,
    /// Held for their ends.
    _jammed: (Door, Runtime),
}

impl Silence {
    pub(crate) fn begin() -> Self {
        let runtime = super::runtime();
        let door = runtime.block_on(async {
            let mut door = Door::open()?;
            door.jam().await?;
            std::io::Result::Ok(door)
        });
        let door = door.unwrap();
        Self { endpoint: format!("http://{}", door.address()), _jammed: (door, runtime) }
    }

    /// The environment in which the AWS SDK turns to it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", "eu-central-1".into()),
            ("AWS_ACCESS_KEY_ID", "nobody".into()),
            ("AWS_SECRET_ACCESS_KEY", "nothing".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("MARQUEE_ERASURE_SECRET", "erasure".into()),
        ]
    }
}
