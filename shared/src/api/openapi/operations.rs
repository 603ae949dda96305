//! What the document says of each route.

mod batches;

use serde_json::Value;

use super::answers as answer;
use super::requests as request;
use super::schemas::Schemas;
use crate::api::error::ProblemCode;
use crate::api::events::{EventsAnswer, EventsRequest};
use crate::api::health::{Health, Ready};
use crate::api::items::{Item, ItemList, ItemQuery, PopularQuery, ScoredList, SimilarQuery};
use crate::api::ranking::{RankingAnswer, RankingRequest};
use crate::api::routes::Route;
use crate::api::users::{ErasedUser, User, UserEvents, UserEventsQuery};
use crate::api::{Answer, ItemId, RecommendationRequest, UserId};

/// One route, described.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) tag: Tag,
    pub(super) path: Option<fn(&mut Schemas) -> Vec<Value>>,
    pub(super) query: Option<fn(&mut Schemas) -> Vec<Value>>,
    pub(super) header: Option<fn(&mut Schemas) -> Vec<Value>>,
    pub(super) body: Option<Body>,
    pub(super) answer: Answered,
    /// Problems beyond those of every route of its kind.
    pub(super) problems: &'static [ProblemCode],
}

/// What a body is read as.
pub(super) struct Body {
    pub(super) schema: fn(&mut Schemas) -> Value,
    pub(super) examples: &'static [Example],
}

/// One example of a body.
pub(super) struct Example {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) value: fn() -> Value,
}

/// What is answered when all is well.
pub(super) struct Answered {
    pub(super) status: &'static str,
    pub(super) media: &'static str,
    pub(super) description: &'static str,
    pub(super) schema: fn(&mut Schemas) -> Value,
    pub(super) example: fn() -> Value,
}

/// How the operations are grouped.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    Recommendations,
    Catalogue,
    People,
    Batches,
    Service,
}

impl Tag {
    pub(super) const ALL: [Self; 5] =
        [Self::Recommendations, Self::Catalogue, Self::People, Self::Batches, Self::Service];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Recommendations => "recommendations",
            Self::Catalogue => "catalogue",
            Self::People => "people",
            Self::Batches => "batches",
            Self::Service => "service",
        }
    }

    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Recommendations => "What should this person have next?",
            Self::Catalogue => "The items that the model knows.",
            Self::People => "What people did, what is held about them, and its erasure.",
            Self::Batches => "Many people at once, answered in the background.",
            Self::Service => "The service itself. Public.",
        }
    }
}

const JSON: &str = "application/json";

const NOTHING: Operation = Operation {
    id: "",
    summary: "",
    description: "",
    tag: Tag::Service,
    path: None,
    query: None,
    header: None,
    body: None,
    answer: Answered {
        status: "200",
        media: JSON,
        description: "",
        schema: |_| Value::Bool(true),
        example: || Value::Null,
    },
    problems: &[],
};

const fn answered(
    description: &'static str,
    schema: fn(&mut Schemas) -> Value,
    example: fn() -> Value,
) -> Answered {
    Answered { status: "200", media: JSON, description, schema, example }
}

const ITEM: Option<fn(&mut Schemas) -> Vec<Value>> = Some(Schemas::path::<ItemId>);
const USER: Option<fn(&mut Schemas) -> Vec<Value>> = Some(Schemas::path::<UserId>);
const NEEDS_STORE: &[ProblemCode] = &[ProblemCode::StoreUnavailable];
const NEEDS_STORE_AND_ID: &[ProblemCode] = &[ProblemCode::InvalidRequest, ProblemCode::StoreUnavailable];

impl Operation {
    /// The description of a route; `None` for one that nobody described, which a test forbids.
    pub(super) fn of(route: &Route) -> Option<Self> {
        Some(match (route.method, route.path) {
            ("POST", "/v1/recommendations") => recommend(),
            ("POST", "/v1/rankings") => rank(),
            ("GET", "/v1/items") => list_items(),
            ("GET", "/v1/items/{id}") => get_item(),
            ("GET", "/v1/items/{id}/similar") => list_similar_items(),
            ("GET", "/v1/popular") => list_popular_items(),
            ("POST", "/v1/events") => send_events(),
            ("GET", "/v1/users/{id}") => get_user(),
            ("GET", "/v1/users/{id}/events") => list_user_events(),
            ("DELETE", "/v1/users/{id}") => erase_user(),
            ("POST", "/v1/batches") => batches::create(),
            ("GET", "/v1/batches") => batches::list(),
            ("GET", "/v1/batches/{id}") => batches::get(),
            ("GET", "/v1/batches/{id}/results") => batches::results(),
            ("DELETE", "/v1/batches/{id}") => batches::cancel(),
            ("GET", "/v1/health") => health(),
            ("GET", "/v1/ready") => ready(),
            ("GET", "/openapi.json") => openapi(),
            _ => return None,
        })
    }
}

fn recommend() -> Operation {
    Operation {
        id: "recommend",
        summary: "What should this person have next?",
        description: "From a stored history, a given one, or both; from neither, what is popular.",
        tag: Tag::Recommendations,
        body: Some(Body {
            schema: Schemas::request::<RecommendationRequest>,
            examples: request::RECOMMENDATIONS,
        }),
        answer: answered("Items, best first.", Schemas::answer::<Answer>, answer::recommendations),
        ..NOTHING
    }
}

fn rank() -> Operation {
    Operation {
        id: "rank",
        summary: "These items, in which order for this person?",
        description: "Unknown items come last and are marked.",
        tag: Tag::Recommendations,
        body: Some(Body { schema: Schemas::request::<RankingRequest>, examples: request::RANKINGS }),
        answer: answered("The items, best first.", Schemas::answer::<RankingAnswer>, answer::ranking),
        ..NOTHING
    }
}

fn list_items() -> Operation {
    Operation {
        id: "list_items",
        summary: "Search and browse",
        description: "The items whose titles have the words that are searched for, most popular first.",
        tag: Tag::Catalogue,
        query: Some(Schemas::query::<ItemQuery>),
        answer: answered("A page of items.", Schemas::answer::<ItemList>, answer::items),
        ..NOTHING
    }
}

fn get_item() -> Operation {
    Operation {
        id: "get_item",
        summary: "One item",
        description: "What the catalogue holds about it.",
        tag: Tag::Catalogue,
        path: ITEM,
        answer: answered("The item.", Schemas::answer::<Item>, answer::item),
        problems: &[ProblemCode::UnknownItem],
        ..NOTHING
    }
}

fn list_similar_items() -> Operation {
    Operation {
        id: "list_similar_items",
        summary: "Items like this one",
        description: "By the cosine of what the model learned of both; an item is not like itself.",
        tag: Tag::Catalogue,
        path: ITEM,
        query: Some(Schemas::query::<SimilarQuery>),
        answer: answered("Items, most similar first.", Schemas::answer::<ScoredList>, answer::similar_items),
        problems: &[ProblemCode::UnknownItem],
        ..NOTHING
    }
}

fn list_popular_items() -> Operation {
    Operation {
        id: "list_popular_items",
        summary: "What is popular",
        description: "By the number of interactions in training.",
        tag: Tag::Catalogue,
        query: Some(Schemas::query::<PopularQuery>),
        answer: answered("Items, most popular first.", Schemas::answer::<ScoredList>, answer::popular_items),
        ..NOTHING
    }
}

fn send_events() -> Operation {
    Operation {
        id: "send_events",
        summary: "What people did",
        description: "An event with an id can be sent again without harm.",
        tag: Tag::People,
        body: Some(Body { schema: Schemas::request::<EventsRequest>, examples: request::EVENTS }),
        answer: Answered {
            status: "202",
            media: JSON,
            description: "What became of each event. What is accepted survives any crash.",
            schema: Schemas::answer::<EventsAnswer>,
            example: answer::events,
        },
        problems: NEEDS_STORE,
        ..NOTHING
    }
}

fn get_user() -> Operation {
    Operation {
        id: "get_user",
        summary: "The history that recommendations stand on",
        description: "Of a person about whom nothing is held, an empty one.",
        tag: Tag::People,
        path: USER,
        answer: answered("The person's profile.", Schemas::answer::<User>, answer::user),
        problems: NEEDS_STORE_AND_ID,
        ..NOTHING
    }
}

fn list_user_events() -> Operation {
    Operation {
        id: "list_user_events",
        summary: "Every event that is held about a person",
        description: "In the order of their ids.",
        tag: Tag::People,
        path: USER,
        query: Some(Schemas::query::<UserEventsQuery>),
        answer: answered("A page of events.", Schemas::answer::<UserEvents>, answer::user_events),
        problems: NEEDS_STORE,
        ..NOTHING
    }
}

fn erase_user() -> Operation {
    Operation {
        id: "erase_user",
        summary: "Forget a person",
        description: "Removes events and profiles; events of that time and before are taken no more. Asking again \
                      finishes an erasure that failed half-way.",
        tag: Tag::People,
        path: USER,
        answer: answered("What was removed.", Schemas::answer::<ErasedUser>, answer::erased_user),
        problems: NEEDS_STORE_AND_ID,
        ..NOTHING
    }
}

fn health() -> Operation {
    Operation {
        id: "health",
        summary: "Alive",
        description: "Says nothing of dependencies.",
        answer: answered("The process answers.", Schemas::answer::<Health>, answer::health),
        ..NOTHING
    }
}

fn ready() -> Operation {
    Operation {
        id: "ready",
        summary: "An answer is possible",
        description: "And how each dependency fares.",
        answer: answered("Recommendations are answered.", Schemas::answer::<Ready>, answer::ready),
        ..NOTHING
    }
}

fn openapi() -> Operation {
    Operation {
        id: "openapi",
        summary: "This document",
        description: "OpenAPI 3.1.",
        answer: answered(
            "The document.",
            |_| serde_json::json!({"type": "object", "required": ["openapi", "info", "paths"]}),
            || serde_json::json!({"openapi": "3.1.1", "info": {}, "paths": {}}),
        ),
        ..NOTHING
    }
}
