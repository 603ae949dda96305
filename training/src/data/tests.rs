//! Whole sources: order of events, and the real MovieLens data where it is at hand.

use std::path::Path;

use super::testing::{read_files, read_path};
use super::{NO_KIND, ReadOptions, read};

#[test]
fn by_user_sorts_by_time_and_keeps_file_order_among_equal_times() {
    let ratings =
        b"userId,movieId,rating,timestamp\n1,a,1,9\n2,a,1,5\n1,b,1,3\n1,c,1,9\n1,d,1,3\n2,b,1,5\n1,a,1,1\n";
    let data = read_files(&[("ratings.csv", ratings)]).unwrap();
    assert_eq!(data.by_user(), [vec![6, 2, 4, 0, 3], vec![1, 5]]);
}

#[test]
fn by_user_keeps_file_order_where_there_are_no_times_and_has_a_place_for_every_user() {
    let data = read_files(&[("train.txt", b"5 9 8 7\n6\n5 1\n")]).unwrap();
    assert_eq!(data.by_user(), [vec![0, 1, 2, 3], vec![]]);
}

#[test]
fn reading_twice_gives_the_same() {
    let rows: String =
        (0..5000).map(|row| format!("u{},i{},1\n", row * 7919 % 613, row * 104_729 % 997)).collect();
    let text = format!("userId,movieId,rating\n{rows}");
    let read = || read_files(&[("ratings.csv", text.as_bytes())]).unwrap();
    let (a, b) = (read(), read());
    assert_eq!((a.users, a.items, a.events), (b.users, b.items, b.events));
}

#[test]
fn movielens_latest_small_is_read_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/ml-latest-small.zip");
    if !path.exists() {
        eprintln!(
            "not tested: {} is not at hand (marquee data fetch ml-latest-small brings it)",
            path.display()
        );
        return;
    }
    let data = read_path(&path).unwrap();
    assert_eq!(data.source, "ml-latest-small.zip");
    assert_eq!((data.users.len(), data.items.len(), data.events.len()), (610, 9742, 100_836));
    assert!(data.timed && data.skipped == 0);
    let title =
        |id: &str| data.items.iter().find(|item| item.id == id).map(|item| (item.title.as_str(), item.year));
    assert_eq!(title("1"), Some(("Toy Story", 1995)));
    assert_eq!(title("2571"), Some(("The Matrix", 1999)));
    assert_eq!(title("1260"), Some(("M", 1931)));
    assert_eq!(title("171749"), Some(("Death Note: Desu nôto", 2006)));
    assert_eq!(data.genres.len(), 19);
    let first = data.events[0];
    assert_eq!((first.user, first.value, first.kind, first.time), (0, 4.0, NO_KIND, 964_982_703_000));
    assert_eq!(data.items[first.item as usize].id, "1");
    let by_user = data.by_user();
    assert_eq!(by_user.iter().map(Vec::len).sum::<usize>(), data.events.len());
    assert!(
        by_user
            .iter()
            .all(|events| { events.is_sorted_by_key(|&index| (data.events[index as usize].time, index)) })
    );
    let again = read(&path, &ReadOptions { skip_bad_rows: true, items: Some(path.clone()) }).unwrap();
    assert_eq!((again.items, again.events), (data.items, data.events));
}
