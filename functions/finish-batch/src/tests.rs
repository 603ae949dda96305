use serde_json::json;
use shared::api::batches::BatchSource;
use shared::batch::run::Planned;
use shared::store::embedded::Embedded;
use tempfile::TempDir;

use super::*;

struct World {
    _folder: TempDir,
    state: State,
    batch_id: BatchId,
}

const RANGES: [Range; 2] =
    [Range { from: 0, to: 10, first_line: 1 }, Range { from: 10, to: 30, first_line: 3 }];

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Arc::new(Embedded::open(&folder.path().join("store")).unwrap());
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).unwrap();
        let state = State { objects: Objects::in_folder(&objects).unwrap(), jobs };
        let job = Job {
            state: BatchState::Running,
            run: Some("run".into()),
            rows: Some(6),
            ..Job::new(run::new_id(), BatchSource::People)
        };
        assert!(state.jobs.create(&job).await.unwrap());
        Self { _folder: folder, state, batch_id: job.batch_id }
    }

    async fn job(&self) -> Job {
        self.state.jobs.job(&self.batch_id).await.unwrap().unwrap().job
    }

    async fn part(&self, from: u64, to: u64, rows: u64) {
        let range = Range { from, to, first_line: 1 };
        let tally = Tally { rows, function: rows, ..Tally::default() };
        let key = Part::key(&self.batch_id, range, &tally);
        let part = Part { key, range, tally, bytes: 3, sha256: String::new(), elapsed_ms: 1 };
        part.write(&self.state.objects, b"{}\n".to_vec()).await.unwrap();
    }

    async fn finish(&self, error: Option<Value>) -> (Job, Manifest) {
        let (batch_id, ranges) = (self.batch_id.clone(), RANGES.to_vec());
        let planned = Some(Planned { batch_id, go: true, state: None, task: None, ranges });
        handle(FinishEvent { planned, event: None, error }, &self.state).await.unwrap();
        let job = self.job().await;
        let manifest = self.state.objects.get(&manifest_key(&self.batch_id)).await.unwrap();
        (job, serde_json::from_slice(&manifest).unwrap())
    }
}

#[tokio::test]
async fn when_every_line_has_its_answer_the_batch_has_succeeded() {
    let world = World::new().await;
    for (from, to, rows) in [(0, 10, 2), (10, 22, 3), (10, 15, 1), (22, 30, 1)] {
        world.part(from, to, rows).await;
    }
    let (job, manifest) = world.finish(None).await;
    let ends: Vec<_> = manifest.parts.iter().map(|part| part.range.to).collect();
    assert_eq!((ends, manifest.missing), (vec![10, 22, 30], vec![]));
    let tally = Tally { rows: 6, function: 6, ..Tally::default() };
    assert_eq!((job.state, job.tally, manifest.tally), (BatchState::Succeeded, Some(tally), tally));
    // Again it is the same batch.
    let (again, _) = world.finish(None).await;
    assert_eq!((again.state, again.updated_at), (job.state, job.updated_at));
}

#[tokio::test]
async fn what_has_no_answer_is_listed_and_the_batch_failed() {
    let world = World::new().await;
    world.part(0, 10, 2).await;
    world.part(10, 15, 1).await;
    let (job, manifest) = world.finish(None).await;
    assert_eq!(manifest.missing, [Range { from: 15, to: 30, first_line: 4 }]);
    assert_eq!(manifest.parts.len(), 2);
    assert_eq!((job.state, job.reason.unwrap().code), (BatchState::Failed, FailureCode::PartsMissing));
}

#[tokio::test]
async fn what_broke_the_run_off_is_its_reason_and_an_earlier_reason_stands() {
    let world = World::new().await;
    let (job, _) = world.finish(Some(json!({"Error": "States.Timeout", "Cause": "too long"}))).await;
    let reason = job.reason.unwrap();
    assert_eq!((reason.code, reason.detail.as_str()), (FailureCode::Broken, "States.Timeout: too long"));

    let world = World::new().await;
    run::fail(world.state.jobs.as_ref(), &world.batch_id, FailureCode::ModelChanged, "two models")
        .await
        .unwrap();
    let (job, _) = world.finish(None).await;
    assert_eq!(job.reason.unwrap().code, FailureCode::ModelChanged);

    let world = World::new().await;
    let event = Some(json!({"batch_id": world.batch_id}));
    let error = Some(json!({"Error": "Lambda.Unknown", "Cause": ""}));
    let state = handle(FinishEvent { planned: None, event, error }, &world.state).await.unwrap();
    assert_eq!(state, Some(BatchState::Failed));
    // The batch of a file that was dropped is found by what told of the file.
    let event =
        json!({"detail": {"bucket": {"name": "b"}, "object": {"key": "requests/a.jsonl", "etag": "1"}}});
    let asked: Asked = serde_json::from_value(event.clone()).unwrap();
    let batch_id = asked.batch_id(world.state.jobs.as_ref()).await.unwrap();
    let job = World::new().await.job().await;
    assert!(world.state.jobs.create(&Job { batch_id: batch_id.clone(), ..job }).await.unwrap());
    let told = FinishEvent { planned: None, event: Some(event), error: None };
    assert_eq!(handle(told, &world.state).await.unwrap(), Some(BatchState::Failed));
    let failed = world.state.jobs.job(&batch_id).await.unwrap().unwrap().job;
    assert_eq!(failed.reason.unwrap().code, FailureCode::Broken);
    assert!(
        handle(FinishEvent { planned: None, event: None, error: None }, &world.state)
            .await
            .unwrap()
            .is_none()
    );
}
