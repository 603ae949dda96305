use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;
use shared::accelerator::protocol::{Data, InferRequest, InferResponse, Parameters, Tensor};
use shared::accelerator::{Accelerator, CallError, contract};
use shared::testing;

use super::*;

/// An accelerator in some state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accel {
    Healthy,
    NotReady,
    /// Ready, and answers what it was not asked.
    Confused,
    Silent,
}

#[async_trait]
impl Accelerator for Accel {
    fn name(&self) -> &str {
        match self {
            Self::Healthy => "http://healthy:80",
            Self::NotReady => "http://not-ready:80",
            Self::Confused => "http://confused:80",
            Self::Silent => "http://silent:80",
        }
    }

    fn model(&self) -> &str {
        "m"
    }

    async fn ready(&self, by: Instant) -> Result<(), CallError> {
        match self {
            Self::NotReady => Err(CallError::Rejected { status: 400, said: "loading".into() }),
            Self::Silent => {
                tokio::time::sleep_until(by).await;
                Err(CallError::Timeout)
            }
            _ => Ok(()),
        }
    }

    async fn infer(&self, _: &InferRequest, _: Instant) -> Result<InferResponse, CallError> {
        let rows = if *self == Self::Confused { vec![1_000_000] } else { vec![3] };
        let tensor = |name: &str, data| Tensor { name: name.into(), shape: vec![1, 1], data };
        Ok(InferResponse {
            model_name: "m".into(),
            model_version: None,
            id: None,
            parameters: Parameters::new(),
            outputs: vec![
                tensor(contract::ITEMS, Data::Int32(rows)),
                tensor(contract::SCORES, Data::Fp32(vec![1.0])),
            ],
        })
    }
}

/// A table that keeps what is noted, unless it is broken.
#[derive(Debug, Default)]
struct Table {
    broken: bool,
    noted: Mutex<Vec<LinkNote>>,
}

#[async_trait]
impl NotingLinks for Table {
    async fn note(&self, note: &LinkNote) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::new("the table is gone"));
        }
        self.noted.lock().unwrap().push(note.clone());
        Ok(())
    }
}

fn state(accelerators: &[Accel], table: Arc<Table>) -> State {
    let folder = testing::artifact();
    let recommending = Recommending::open(folder.path()).unwrap();
    let accelerators = accelerators.iter().map(|accelerator| Arc::new(*accelerator) as Arc<dyn Accelerator>);
    State { recommending: recommending.with_accelerators(accelerators), notes: table }
}

fn each_minute() -> EventBridgeEvent {
    let event = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    serde_json::from_value(event).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_link_is_noted_as_it_is_found() {
    let table = Arc::new(Table::default());
    let all = [Accel::Healthy, Accel::NotReady, Accel::Confused, Accel::Silent];
    let report = handle(each_minute(), &state(&all, Arc::clone(&table))).await.unwrap();
    let found: Vec<_> =
        report.links.iter().map(|link| (link.accelerator.as_str(), link.error.as_deref())).collect();
    let expected = [
        ("http://healthy:80", None),
        ("http://not-ready:80", Some("status 400: loading")),
        ("http://confused:80", Some("list 0: an unknown row")),
        ("http://silent:80", Some("no whole reply in time")),
    ];
    assert_eq!(found, expected);
    let noted = table.noted.lock().unwrap().clone();
    let noted: Vec<_> = noted.iter().map(|note| (note.accelerator.as_str(), note.up)).collect();
    let up = expected.map(|(name, error)| (name, error.is_none()));
    assert_eq!(noted, up);
}

#[tokio::test]
async fn what_cannot_be_noted_fails_the_invocation() {
    let table = Arc::new(Table { broken: true, ..Table::default() });
    let error = handle(each_minute(), &state(&[Accel::Healthy], table)).await.unwrap_err();
    assert_eq!(error.to_string(), "the state of 1 of 1 links could not be noted: the table is gone");
}
