use std::io::Write;
use std::path::Path;

use shared::api::batches::FailureCode;
use shared::api::history::Time;
use shared::batch::layout::{Column, Layout};
use shared::batch::parts::input_key;
use shared::store::embedded::Embedded;
use shared::store::{Event, Loading};
use shared::testing;
use tempfile::TempDir;

use super::*;

struct World {
    folder: TempDir,
    state: State,
    store: Embedded,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(&folder.path().join("store")).unwrap();
        let (objects, jobs) = (folder.path().join("objects"), Arc::new(store.clone()));
        std::fs::create_dir(&objects).unwrap();
        let artifact = testing::artifact();
        let model = receipt(&Artifact::open(artifact.path()).unwrap());
        let objects = Objects::in_folder(&objects).unwrap();
        let state = State { model, objects, jobs: jobs.clone(), everyone: jobs };
        Self { folder, state, store }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join("objects").join(key);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// A batch of an object.
    async fn job(&self, source: BatchSource, key: Option<&str>) -> BatchId {
        let input = key.map(|key| self.state.objects.url(key));
        let job = Job { input, ..Job::new(run::new_id(), source) };
        assert!(self.state.jobs.create(&job).await.unwrap());
        job.batch_id
    }

    async fn plan(&self, batch_id: &BatchId) -> Planned {
        let event = Asked::Batch { batch_id: batch_id.clone() };
        handle(PlanEvent { event, run: "run-1".into() }, &self.state).await.unwrap()
    }

    async fn kept(&self, batch_id: &BatchId) -> Job {
        self.state.jobs.job(batch_id).await.unwrap().unwrap().job
    }

    async fn planned(&self, key: &str, bytes: &[u8]) -> (Planned, Job) {
        self.put(key, bytes);
        let id = self.job(BatchSource::Input, Some(key)).await;
        (self.plan(&id).await, self.kept(&id).await)
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

const LINES: &[u8] = b"{\"user_id\":\"ada\"}\n{\"user_id\":\"bob\"}\nnonsense";

#[tokio::test]
async fn lines_are_counted_and_cut_and_the_batch_is_bound_to_the_model() {
    let world = World::new();
    let (planned, job) = world.planned("requests/a.jsonl", LINES).await;
    let task = planned.task.unwrap();
    assert_eq!(
        (planned.ranges[0].from, planned.ranges[0].to, planned.ranges.len()),
        (0, LINES.len() as u64, 1)
    );
    assert_eq!((task.key.as_str(), &task.layout), ("requests/a.jsonl", &Layout::Json));
    assert_eq!(Some(task.model), world.state.model.digest);
    assert_eq!(
        (job.state, job.rows, job.model),
        (BatchState::Running, Some(3), Some(world.state.model.clone()))
    );
}

#[tokio::test]
async fn what_is_packed_is_unpacked_once_and_csv_keeps_its_lines_numbers() {
    let world = World::new();
    let csv = b"user_id,history\nada,alpha bravo\nbob,\n";
    let (planned, job) = world.planned("requests/a.csv.gz", &gzip(csv)).await;
    let task = planned.task.clone().unwrap();
    assert_eq!(task.key, input_key(&job.batch_id));
    assert_eq!(task.layout, Layout::Csv(vec![Column::UserId, Column::History]));
    assert_eq!((planned.ranges[0].from, planned.ranges[0].first_line, job.rows), (16, 2, Some(2)));
    assert_eq!(world.state.objects.get(&task.key).await.unwrap(), csv);
    // The same run again, as after a crash, comes to the same.
    let again = world.plan(&job.batch_id).await;
    assert_eq!(again.ranges, planned.ranges);
    assert!(again.go);
}

#[tokio::test]
async fn an_object_is_one_batch_however_often_it_is_told_and_one_run_takes_it() {
    let world = World::new();
    // Its bucket is not this folder: the batch is made, and fails with that.
    let text = r#"{"run": "run-1", "event": {"source": "aws.s3", "detail": {"bucket": {"name": "b"}, "object": {"key": "requests/x", "size": 3, "etag": "e"}}}}"#;
    let event: PlanEvent = serde_json::from_str(text).unwrap();
    let first = handle(event.clone(), &world.state).await.unwrap();
    let again = handle(PlanEvent { run: "run-2".into(), ..event }, &world.state).await.unwrap();
    assert_eq!((first.batch_id, first.go, again.go), (again.batch_id.clone(), false, false));
    let reason = world.kept(&again.batch_id).await.reason.unwrap();
    assert_eq!(reason.code, FailureCode::InputMissing);

    let (planned, job) = world.planned("requests/a.jsonl", LINES).await;
    assert!(planned.go);
    let event = Asked::Batch { batch_id: job.batch_id.clone() };
    let other = handle(PlanEvent { event, run: "run-2".into() }, &world.state).await.unwrap();
    assert!(!other.go, "another run has it");
}

#[tokio::test]
async fn what_can_never_be_scored_ends_the_batch_with_the_reason() {
    let world = World::new();
    let cut = &gzip(&LINES.repeat(1_000))[..40];
    for (key, bytes, code, said) in [
        ("requests/empty.jsonl", &b""[..], FailureCode::InputEmpty, "nobody"),
        ("requests/header.csv", b"user_id,history\n", FailureCode::InputEmpty, "nobody"),
        ("requests/empty.jsonl.gz", &gzip(b""), FailureCode::InputEmpty, "nobody"),
        ("requests/plain.jsonl.gz", LINES, FailureCode::InputUnreadable, "is not packed"),
        ("requests/packed.zst", &gzip(LINES), FailureCode::InputUnreadable, "is packed with gzip"),
        ("requests/cut.gz", cut, FailureCode::InputUnreadable, "packed with gzip"),
        ("requests/columns.csv", b"user_id,age\nada,7\n", FailureCode::InputUnreadable, "\"age\""),
    ] {
        let (planned, job) = world.planned(key, bytes).await;
        let reason = job.reason.unwrap();
        assert_eq!(
            (planned.go, job.state, reason.code),
            (false, BatchState::Failed, code),
            "{key}: {reason:?}"
        );
        assert!(reason.detail.contains(said) && reason.detail.contains(key), "{reason:?}");
    }
    let missing = world.job(BatchSource::Input, Some("requests/none.jsonl")).await;
    assert!(!world.plan(&missing).await.go);
    assert_eq!(world.kept(&missing).await.reason.unwrap().code, FailureCode::InputMissing);

    let (_, job) = world.planned("requests/a.jsonl", LINES).await;
    let other = ModelReceipt { digest: Some("0".repeat(64)), ..world.state.model.clone() };
    let state = State { model: other, ..world.state.clone() };
    let event = Asked::Batch { batch_id: job.batch_id.clone() };
    assert!(!handle(PlanEvent { event, run: "run-1".into() }, &state).await.unwrap().go);
    assert_eq!(world.kept(&job.batch_id).await.reason.unwrap().code, FailureCode::ModelChanged);
}

#[tokio::test]
async fn an_input_that_is_exchanged_before_the_run_goes_on_ends_the_batch() {
    let world = World::new();
    let (planned, job) = world.planned("requests/a.jsonl", LINES).await;
    assert!(planned.go && job.input_tag.is_some());
    world.put("requests/a.jsonl", &LINES.repeat(2));
    let again = world.plan(&job.batch_id).await;
    assert_eq!((again.go, again.state), (false, Some(BatchState::Failed)));
    assert_eq!(world.kept(&job.batch_id).await.reason.unwrap().code, FailureCode::InputChanged);
}

#[tokio::test]
async fn a_folder_and_a_batch_that_there_is_not_are_nothing_to_do() {
    let world = World::new();
    let text = r#"{"run": "r", "event": {"detail": {"bucket": {"name": "b"}, "object": {"key": "requests/personalize/"}}}}"#;
    let folder = handle(serde_json::from_str(text).unwrap(), &world.state).await.unwrap();
    assert_eq!((folder.go, folder.state), (false, None));
    let nobody = world.plan(&"b1".to_owned().try_into().unwrap()).await;
    assert_eq!((nobody.go, nobody.state), (false, None));
    assert!(world.state.jobs.jobs(None, 10).await.unwrap().jobs.is_empty());
}

#[tokio::test]
async fn everybody_is_enumerated_once() {
    let world = World::new();
    let event = |user: &str| Event {
        user_id: user.to_owned().try_into().unwrap(),
        event_id: "e1".to_owned().try_into().unwrap(),
        item_id: "alpha".to_owned().try_into().unwrap(),
        kind: shared::api::EventType::Like,
        value: None,
        occurred_at: Time::now(),
        received_at: Time::now(),
        time_given: false,
    };
    let of_nobody = world.job(BatchSource::AllUsers, None).await;
    let planned = world.plan(&of_nobody).await;
    assert_eq!((planned.go, planned.ranges.len(), world.kept(&of_nobody).await.rows), (true, 0, Some(0)));
    let people: Vec<String> = (0..2_500).map(|i| format!("u{i:05}")).collect();
    world.store.load(&people.iter().map(|user| event(user)).collect::<Vec<_>>()).await.unwrap();
    let id = world.job(BatchSource::AllUsers, None).await;
    assert!(world.plan(&id).await.go);
    world.store.load(&[event("somebody-later")]).await.unwrap();
    assert!(world.plan(&id).await.go);
    let expected: String = people.iter().map(|user| format!("{{\"user_id\":\"{user}\"}}\n")).collect();
    let written = world.state.objects.get(&input_key(&id)).await.unwrap();
    assert!(written == expected.as_bytes(), "the batch is of those who were known when it began");
    assert_eq!(world.kept(&id).await.rows, Some(2_500));
}
