"""A file of people."""

import json

from playwright.sync_api import Page, Route, expect

PEOPLE = ['{"user_id": "ada", "k": 2}', '{"history": ["alien-1979"]}', "bob"]


def a_file_of_people_is_scored(page: Page) -> None:
    panel = page.get_by_role("region", name="A file of people")
    expect(panel).to_be_visible()
    give(page, '{"user_id": "ada"}\n{oops\n')
    expect(panel.get_by_role("alert")).to_contain_text("Line 2 of the file is no JSON")
    give(page, '{"user_id": "ada"}\n{"k": 0}\n')
    expect(panel.get_by_role("alert")).to_contain_text("/people/1/k")
    give(page, "\n".join(PEOPLE))
    expect(panel).to_contain_text("succeeded: 3 of 3")
    expect(panel.get_by_role("alert")).to_have_count(0)
    expect(panel.locator(".history .title")).to_have_count(3)
    with page.expect_download() as download:
        panel.get_by_role("link", name="Download the 3 answers").click()
    answers = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert [answer["input"] for answer in answers] == [json.loads(PEOPLE[0]), json.loads(PEOPLE[1]), {"user_id": "bob"}]
    assert [len(answer["output"]["items"]) for answer in answers] == [2, 10, 10], answers
    expect(panel.locator(".history .title").nth(1)).to_contain_text(answers[1]["output"]["items"][0]["title"])

    panel.get_by_role("button", name="Invent 200 people").click()
    expect(panel).to_contain_text("succeeded: 200 of 200")
    expect(panel.get_by_role("link", name="Download the 200 answers")).to_be_visible()


def a_slow_batch_is_watched(page: Page) -> None:
    """The routes are played, as the contract has them, so that the batch is slow enough."""
    asked = play(page)
    page.reload()
    panel = page.get_by_role("region", name="A file of people")
    give(page, "\n".join(PEOPLE))
    expect(panel).to_contain_text("running: 1 of 3")
    expect(panel).to_contain_text("succeeded: 3 of 3, 1 with errors")
    assert asked == [{"people": [json.loads(PEOPLE[0]), json.loads(PEOPLE[1]), {"user_id": "bob"}]}], asked
    expect(panel.locator(".history .title")).to_have_text(["Heat, <b>Ran</b>", "not like this"])
    with page.expect_download() as download:
        panel.get_by_role("link", name="Download the 2 answers").click()
    assert download.value.suggested_filename == "b1.jsonl"
    assert download.value.path().read_text() == RESULTS


def give(page: Page, content: str) -> None:
    page.set_input_files("#batch-file", {"name": "people.jsonl", "mimeType": "text/plain", "buffer": content.encode()})


RESULTS = "".join(
    json.dumps(line) + "\n"
    for line in [
        {
            "input": {"user_id": "ada", "k": 2},
            "output": {"items": [{"item_id": "heat", "title": "Heat"}, {"item_id": "ran", "title": "<b>Ran</b>"}]},
        },
        {"input": {"history": ["alien-1979"]}, "error": {"line": 2, "detail": "not like this"}},
    ]
)


def play(page: Page) -> list:
    """The routes; what is asked for is in the list."""
    asked: list = []
    progress = iter([("queued", 0, None), ("running", 1, 3), ("running", 1, 3), ("running", 2, 3), ("succeeded", 3, 3)])

    def batch(route: Route) -> None:
        if route.request.method == "POST":
            asked.append(route.request.post_data_json)
            assert route.request.headers["idempotency-key"]
        state, rows, total = next(progress)
        body = {
            "batch_id": "b1",
            "state": state,
            "reason": None,
            "progress": {"rows": rows, "errors": rows // 3, "total": total},
        }
        route.fulfill(status=202 if asked and state == "queued" else 200, json=body)

    page.route("**/v1/batches", batch)
    page.route("**/v1/batches/b1", batch)
    page.route(
        "**/v1/batches/b1/results", lambda route: route.fulfill(body=RESULTS, content_type="application/x-ndjson")
    )
    return asked
