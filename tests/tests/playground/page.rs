//! The page in Chromium. What is done and looked at is in `tests/browser`.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use tests::{Service, browse, marquee};

macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[test]
            fn $case() -> anyhow::Result<()> {
                super::passes(concat!(stringify!($module), ".", stringify!($case)), &tests::Service::demo()?)
            })+
        })+
    };
}

cases! {
    answers: three_titles_bring_what_is_like_them, wishes_change_the_answer, browsing_by_genre_and_decade,
        a_person_is_remembered_and_erased, a_late_answer_to_an_old_question_is_not_shown,
        a_service_that_is_gone_is_said_and_found_again;
    trouble: a_pulled_cable_changes_the_rung_and_answers_go_on, slow_and_nonsense_are_seen_through,
        without_the_store_what_was_last_seen_answers;
    manners: a_phone_has_everything_and_scrolls_one_way, a_keyboard_is_enough, axe_finds_nothing,
        the_policy_lets_nothing_else_run_or_ask;
    batch: a_file_of_people_is_scored, a_slow_batch_is_watched;
}

#[test]
fn markup_in_a_title_is_text() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    fs::create_dir(&data)?;
    let mut items = String::from("movieId,title,genres\n");
    let mut ratings = String::from("userId,movieId,rating,timestamp\n");
    for item in 1..=20 {
        let title = match item {
            1 => "<script>window.harm = 1</script>".to_owned(),
            2 => "<img src=x onerror=\"\"window.harm = 2\"\">".to_owned(),
            _ => format!("<b onclick=alert({item})>{item}</b> &amp; Daughters"),
        };
        writeln!(items, "{item},\"{title} (1990)\",<i>Drama</i>|Comedy")?;
        for user in 1..=20 {
            if (user * item) % 3 != 0 {
                writeln!(ratings, "{user},{item},5,{}", 1_000_000_000 + user * 100 + item)?;
            }
        }
    }
    fs::write(data.join("movies.csv"), items)?;
    fs::write(data.join("ratings.csv"), ratings)?;
    let model = folder.path().join("model");
    let trained = marquee([
        "train".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
        "--out".as_ref(),
        model.as_os_str(),
    ])?;
    assert!(trained.status.success(), "{trained}");
    passes("manners.markup_in_a_title_is_text", &Service::start(&model)?)
}

fn passes(case: &str, service: &Service) -> Result<()> {
    let finished = browse(case, service.base(), None)?;
    assert!(finished.status.success(), "{finished}");
    Ok(())
}
