//! The operations of `/v1/batches`.

use serde_json::{Value, json};

use super::{Answered, Body, JSON, NOTHING, Operation, Schemas, Tag, answer, answered, request};
use crate::api::BatchId;
use crate::api::batches::{Batch, BatchList, BatchQuery, NewBatch};
use crate::api::error::ProblemCode;

const BATCH: Option<fn(&mut Schemas) -> Vec<Value>> = Some(Schemas::path::<BatchId>);
const OF_ONE: &[ProblemCode] =
    &[ProblemCode::InvalidRequest, ProblemCode::UnknownBatch, ProblemCode::StoreUnavailable];

pub(super) fn create() -> Operation {
    Operation {
        id: "create_batch",
        summary: "Score many people",
        description: "Up to a thousand people in the body, those of a file, or everybody. With the header \
                      `Idempotency-Key` (1 to 128 visible characters) the same request makes one batch, however often it is \
                      sent.",
        tag: Tag::Batches,
        header: Some(key),
        body: Some(Body { schema: Schemas::request::<NewBatch>, examples: request::BATCHES }),
        answer: Answered {
            status: "202",
            media: JSON,
            description: "The batch. It is kept, and survives any crash.",
            schema: Schemas::answer::<Batch>,
            example: answer::queued_batch,
        },
        problems: &[
            ProblemCode::UnknownInput,
            ProblemCode::IdempotencyConflict,
            ProblemCode::StoreUnavailable,
        ],
        ..NOTHING
    }
}

fn key(_: &mut Schemas) -> Vec<Value> {
    vec![json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "Names the request: a random one for each batch that is meant.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    })]
}

pub(super) fn list() -> Operation {
    Operation {
        id: "list_batches",
        summary: "The batches of the last 90 days",
        description: "Newest first.",
        tag: Tag::Batches,
        query: Some(Schemas::query::<BatchQuery>),
        answer: answered("A page of batches.", Schemas::answer::<BatchList>, answer::batches),
        problems: &[ProblemCode::StoreUnavailable],
        ..NOTHING
    }
}

pub(super) fn get() -> Operation {
    Operation {
        id: "get_batch",
        summary: "How far a batch is",
        description: "State, progress, and where the answers are.",
        tag: Tag::Batches,
        path: BATCH,
        answer: answered("The batch.", Schemas::answer::<Batch>, answer::batch),
        problems: OF_ONE,
        ..NOTHING
    }
}

pub(super) fn results() -> Operation {
    Operation {
        id: "get_batch_results",
        summary: "The answers",
        description: "One JSON object a line, in the order of the input: `{\"input\", \"output\"}` or `{\"input\", \"error\"}`. \
                      Where the service is deployed at most 5 MiB; more are read where the manifest says.",
        tag: Tag::Batches,
        path: BATCH,
        answer: Answered {
            status: "200",
            media: "application/x-ndjson",
            description: "The answers.",
            schema: |_| json!({"type": "string"}),
            example: answer::batch_results,
        },
        problems: &[
            ProblemCode::InvalidRequest,
            ProblemCode::UnknownBatch,
            ProblemCode::BatchUnfinished,
            ProblemCode::ResultsTooLarge,
            ProblemCode::StoreUnavailable,
        ],
        ..NOTHING
    }
}

pub(super) fn cancel() -> Operation {
    Operation {
        id: "cancel_batch",
        summary: "Cancel a batch",
        description: "What was done is kept. A batch that has come to an end stays as it is.",
        tag: Tag::Batches,
        path: BATCH,
        answer: answered("The batch.", Schemas::answer::<Batch>, answer::cancelled_batch),
        problems: OF_ONE,
        ..NOTHING
    }
}
