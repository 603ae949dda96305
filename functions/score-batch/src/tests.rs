use shared::api::BatchId;
use shared::api::batches::{BatchSource, BatchState, Format};
use shared::batch::layout::Layout;
use shared::batch::parts::{Found, chain, found};
use shared::store::embedded::Embedded;
use shared::store::jobs::Job;
use shared::testing;
use tempfile::TempDir;

use super::*;

struct World {
    _folders: [TempDir; 2],
    state: State,
    task: Task,
    range: Range,
}

const LINES: usize = 1_000;

impl World {
    async fn new() -> Self {
        let (folder, artifact) = (tempfile::tempdir().unwrap(), testing::artifact());
        let store = Arc::new(Embedded::open(&folder.path().join("store")).unwrap());
        let objects = folder.path().join("objects");
        std::fs::create_dir(&objects).unwrap();
        let state = State {
            recommending: Arc::new(Recommending::open(artifact.path()).unwrap()),
            profiles: None,
            accelerator: None,
            objects: Objects::in_folder(&objects).unwrap(),
            jobs: store,
            at_a_time: 2,
            part_bytes: PART_BYTES,
        };
        let history = |i: usize| format!("{{\"history\": [\"{}\"]}}\n", testing::ITEMS[i % 8]);
        let text: String = (0..LINES).map(history).collect();
        let range = Range { from: 0, to: text.len() as u64, first_line: 1 };
        state.objects.put("input", text.into_bytes()).await.unwrap();
        let task = Task {
            batch_id: BatchId::try_from("b1".to_owned()).unwrap(),
            key: "input".into(),
            tag: state.objects.head("input").await.unwrap().tag,
            layout: Layout::Json,
            format: Format::Marquee,
            k: None,
            backend: Backend::Function,
            model: state.recommending.artifact().manifest.digest.clone(),
        };
        let world = Self { _folders: [folder, artifact], state, task, range };
        assert!(world.state.jobs.create(&world.job()).await.unwrap());
        world
    }

    fn job(&self) -> Job {
        Job {
            state: BatchState::Running,
            run: Some("run".into()),
            rows: Some(LINES as u64),
            ..Job::new(self.task.batch_id.clone(), BatchSource::Input)
        }
    }

    async fn score(&self, range: Range, until: Option<Instant>) -> Scoring {
        let event = Scoring { task: self.task.clone(), range, done: false };
        handle(event, &self.state, until).await.unwrap()
    }

    async fn found(&self) -> Vec<Found> {
        found(&self.state.objects, &self.task.batch_id).await.unwrap()
    }

    /// All answers that make the whole.
    async fn answers(&self) -> Vec<u8> {
        let mut answers = Vec::new();
        for part in chain(&self.found().await, self.range.from, self.range.to) {
            let part = part.read(&self.state.objects).await.unwrap();
            let bytes = self.state.objects.get(&part.key).await.unwrap();
            assert_eq!((part.sha256, part.bytes), (hex(&Sha256::digest(&bytes)), bytes.len() as u64));
            answers.extend(bytes);
        }
        answers
    }
}

#[tokio::test]
async fn a_range_is_one_part_and_again_the_same() {
    let world = World::new().await;
    let done = world.score(world.range, None).await;
    assert!(done.done);
    let (parts, answers) = (world.found().await, world.answers().await);
    assert_eq!((parts.len(), parts[0].rows, parts[0].errors), (1, LINES as u64, 0));
    assert_eq!(count_lines(&answers), LINES);
    assert!(world.score(world.range, None).await.done);
    assert_eq!(world.found().await, parts);
    assert_eq!(world.answers().await, answers);
}

#[tokio::test]
async fn small_parts_make_the_same_whole() {
    let at_once = World::new().await;
    at_once.score(at_once.range, None).await;
    let mut world = World::new().await;
    world.state.part_bytes = 30_000;
    assert!(world.score(world.range, None).await.done);
    assert!(world.found().await.len() > 10);
    assert!(world.answers().await == at_once.answers().await);
}

fn count_lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

#[tokio::test]
async fn when_the_time_is_over_what_is_left_is_handed_back_and_the_parts_make_the_same_whole() {
    let at_once = World::new().await;
    at_once.score(at_once.range, None).await;
    let world = World::new().await;
    let (mut range, mut calls) = (world.range, 0);
    loop {
        let scoring = world.score(range, Some(Instant::now())).await;
        calls += 1;
        if scoring.done {
            break;
        }
        assert!(scoring.range.from > range.from, "each call gets on");
        range = scoring.range;
    }
    assert!(calls > 3, "{calls} calls");
    assert!(world.answers().await == at_once.answers().await);
    // Somebody who begins anew finds that all is done.
    let parts = world.found().await;
    assert!(world.score(world.range, None).await.done);
    assert_eq!(world.found().await, parts);
}

#[tokio::test]
async fn another_model_or_input_ends_the_batch_and_what_is_over_is_not_scored() {
    let world = World::new().await;
    for (change, code) in [
        (Task { model: "0".repeat(64), ..world.task.clone() }, FailureCode::ModelChanged),
        (Task { tag: Some("\"other\"".into()), ..world.task.clone() }, FailureCode::InputChanged),
        (Task { key: "none".into(), ..world.task.clone() }, FailureCode::InputMissing),
        (Task { backend: Backend::Accelerator, ..world.task.clone() }, FailureCode::NoAccelerator),
    ] {
        let batch_id = BatchId::try_from(format!("b1-{code:?}")).unwrap();
        assert!(world.state.jobs.create(&Job { batch_id: batch_id.clone(), ..world.job() }).await.unwrap());
        let task = Task { batch_id: batch_id.clone(), ..change };
        let event = Scoring { task, range: world.range, done: false };
        for _ in 0..2 {
            assert!(handle(event.clone(), &world.state, None).await.unwrap().done);
        }
        let job = world.state.jobs.job(&batch_id).await.unwrap().unwrap().job;
        assert_eq!((job.state, job.reason.map(|reason| reason.code)), (BatchState::Failed, Some(code)));
        assert_eq!(found(&world.state.objects, &batch_id).await.unwrap(), []);
    }
}
