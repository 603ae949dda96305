//! LightGCN's and NGCF's `train.txt`: `user item item …`, separated by spaces, a user's items in order of time.
//!
//! There are no times, so the order in the file stands for them.

use super::build::{Builder, NewEvent};
use super::lines::{Lines, Walk};
use super::parse::{self, Fault};
use super::{DataError, NO_KIND};

/// Reads `train.txt`. A line with a user alone is a user without events, as those files have them.
pub(super) fn events(lines: &mut Lines<'_>, builder: &mut Builder) -> Result<(), DataError> {
    builder.set_timed(false);
    let walk = Walk { headed: false, skip: builder.skip, across_lines: false };
    let bad = lines.each(walk, |row| {
        // Checked whole before any of it is taken: a row is good or bad, not half of it.
        let mut ids = Vec::new();
        for token in row.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty()) {
            let id = parse::id(token, "").map_err(|fault| place(fault, ids.len()))?;
            ids.push(id);
        }
        let Some((user, items)) = ids.split_first() else { return Ok(()) };
        builder.user(user)?;
        items.iter().try_for_each(|item| {
            builder.event(&NewEvent { user, item, value: f32::NAN, kind: NO_KIND, time: None })
        })
    })?;
    builder.add_skipped(bad);
    Ok(())
}

/// Names the column: `user`, or `item` with its place from 1.
fn place(fault: Fault, index: usize) -> Fault {
    match fault {
        Fault::Column { problem, .. } if index == 0 => Fault::column("user", problem),
        Fault::Column { problem, .. } => Fault::column(&format!("item {index}"), problem),
        fault => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{events, read_files, read_skipping, sentence};

    #[test]
    fn a_line_is_a_user_and_its_items_in_order() {
        let data = read_files(&[("train.txt", b"0 5 3 5\n1\n2 3 \n"), ("test.txt", b"0 9\n")]).unwrap();
        assert_eq!(events(&data), ["0 5 NaN 0", "0 3 NaN 1", "0 5 NaN 2", "2 3 NaN 3"]);
        assert_eq!(data.users, ["0", "1", "2"], "a user without items is a user");
        assert!(!data.timed);
    }

    #[test]
    fn a_bad_line_is_named_and_no_part_of_it_is_taken() {
        let text = b"0 1 2\n3 4 5 ;\n6 7\n".as_slice();
        let said = sentence(&[("train.txt", text)]);
        let not = "is not an id (letters, digits and . _ : @ - alone, a letter or digit first)";
        assert_eq!(said, format!("train.txt, line 2, column item 3: `;` {not}"));
        assert_eq!(
            sentence(&[("train.txt", b"-1 2\n")]),
            format!("train.txt, line 1, column user: `-1` {not}")
        );
        let data = read_skipping(&[("train.txt", text)]).unwrap();
        assert_eq!((data.users.len(), data.items.len(), data.events.len(), data.skipped), (2, 3, 3, 1));
    }
}
