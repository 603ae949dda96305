//! Output validation: no list leaves that breaks a rule.

use crate::catalogue::RowSet;
use crate::model::Scored;

/// Checks a list of candidates: as long as can be, distinct known rows, none excluded, finite scores. Which rule is
/// broken comes back as words for the log.
///
/// `reachable` is how many the caller asked for or the catalogue has; fewer are right only when the rules leave fewer.
pub(super) fn output(items: &[Scored], reachable: usize, excluded: &RowSet) -> Result<(), &'static str> {
    if items.len() > reachable {
        return Err("too many items");
    }
    if items.iter().any(|item| !item.score.is_finite()) {
        return Err("a score is not finite");
    }
    if items.iter().any(|item| item.row as usize >= excluded.rows()) {
        return Err("an unknown row");
    }
    if items.iter().any(|item| excluded.contains(item.row)) {
        return Err("an excluded row");
    }
    let mut rows: Vec<_> = items.iter().map(|item| item.row).collect();
    rows.sort_unstable();
    if rows.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a repeated row");
    }
    if items.len() < reachable && items.len() < excluded.rows() - excluded.count() {
        return Err("too few items");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(rows: &[u32]) -> Vec<Scored> {
        rows.iter().map(|&row| Scored { row, score: 1.0 }).collect()
    }

    #[test]
    fn each_broken_rule_is_named() {
        let mut excluded = RowSet::none(4);
        excluded.insert(3);
        assert_eq!(output(&scored(&[0, 1]), 2, &excluded), Ok(()));
        assert_eq!(output(&scored(&[0, 1, 2]), 4, &excluded), Ok(()), "the rules leave three");
        assert_eq!(output(&scored(&[0, 1, 2]), 2, &excluded), Err("too many items"));
        assert_eq!(output(&scored(&[0]), 2, &excluded), Err("too few items"));
        assert_eq!(output(&scored(&[0, 0]), 2, &excluded), Err("a repeated row"));
        assert_eq!(output(&scored(&[0, 3]), 2, &excluded), Err("an excluded row"));
        assert_eq!(output(&scored(&[0, 9]), 2, &excluded), Err("an unknown row"));
        let infinite = [Scored { row: 0, score: f32::INFINITY }];
        assert_eq!(output(&infinite, 1, &excluded), Err("a score is not finite"));
    }
}
