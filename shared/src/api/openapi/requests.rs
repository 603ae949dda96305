//! Examples of bodies, over the demo's films. Tests hold them to the schemas and to the parser.

use serde_json::json;

use super::operations::Example;

pub(super) const RECOMMENDATIONS: &[Example] = &[
    Example {
        name: "history",
        summary: "From what somebody liked",
        value: || json!({"history": ["alien-1979", "blade-runner-1982"], "k": 5, "explain": true}),
    },
    Example {
        name: "user",
        summary: "From what is stored of a person, and what they just did",
        value: || {
            json!({
                "user_id": "somebody@example.org",
                "history": [{"item_id": "heat-1995", "type": "play", "occurred_at": "2026-03-12T19:05:43Z"}],
            })
        },
    },
    Example {
        name: "filters",
        summary: "Only some items, and varied ones",
        value: || {
            json!({
                "history": [
                    {"item_id": "alien-1979", "type": "rating", "value": 4.5},
                    {"item_id": "predator-1987", "type": "dislike"},
                ],
                "filters": {
                    "genres_any": ["Science Fiction", "Thriller"],
                    "genres_none": ["Comedy"],
                    "year": {"min": 1980, "max": 1999},
                    "exclude_items": ["aliens-1986"],
                },
                "diversity": 0.3,
                "deadline_ms": 500,
            })
        },
    },
    Example { name: "popular", summary: "What is popular", value: || json!({}) },
];

pub(super) const RANKINGS: &[Example] = &[Example {
    name: "history",
    summary: "A shelf of four, for somebody who liked two others",
    value: || {
        json!({
            "history": ["alien-1979", "blade-runner-1982"],
            "items": ["toy-story-1995", "aliens-1986", "seven-samurai-1954", "predator-1987"],
        })
    },
}];

pub(super) const EVENTS: &[Example] = &[Example {
    name: "two",
    summary: "One that can be sent again, and one that the server names and dates",
    value: || {
        json!({"events": [
            {
                "event_id": "5e0a6f1c",
                "user_id": "somebody@example.org",
                "item_id": "alien-1979",
                "type": "rating",
                "value": 4.5,
                "occurred_at": "2026-03-12T19:05:43Z",
            },
            {"user_id": "somebody@example.org", "item_id": "heat-1995", "type": "view"},
        ]})
    },
}];

pub(super) const BATCHES: &[Example] = &[
    Example {
        name: "people",
        summary: "Two people, and four items to put in order for a third",
        value: || {
            json!({
                "people": [
                    {"user_id": "somebody@example.org"},
                    {"history": ["alien-1979", "blade-runner-1982"], "filters": {"genres_none": ["Comedy"]}},
                    {"history": ["heat-1995"], "items": ["toy-story-1995", "aliens-1986", "seven-samurai-1954"]},
                ],
                "k": 5,
            })
        },
    },
    Example {
        name: "input",
        summary: "The people of a file, answered as Amazon Personalize would write it",
        value: || json!({"input": "s3://my-bucket/requests/newsletter.jsonl", "format": "personalize"}),
    },
    Example {
        name: "everybody",
        summary: "Everybody of whom something is stored",
        value: || json!({"all_users": true}),
    },
];
