//! Columns of a file by their names.

use super::DataError;
use super::fields::{Delimiter, Fields};
use super::lines::Lines;

/// The names in a file's first row.
#[derive(Debug)]
pub(super) struct Header {
    file: String,
    columns: Vec<String>,
}

impl Header {
    /// Takes the first row as header; of RecBole's `user_id:token` the name is what stands before the colon.
    pub(super) fn read(lines: &mut Lines<'_>, delimiter: Delimiter) -> Result<Self, DataError> {
        let file = lines.file().to_owned();
        let mut fields = Fields::default();
        let split = fields.split(lines.first()?, delimiter);
        split.map_err(|fault| fault.at(&file, lines.line()))?;
        let name = |field: &[u8]| {
            let text = String::from_utf8_lossy(field).into_owned();
            match (delimiter, text.split_once(':')) {
                (Delimiter::Tab, Some((name, _))) => name.to_owned(),
                _ => text,
            }
        };
        Ok(Self { columns: fields.iter().map(name).collect(), file })
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The first column of one of these names, upper or lower case.
    pub(super) fn find(&self, names: &[&str]) -> Option<Column> {
        names.iter().find_map(|wanted| self.find_by(|name| name.eq_ignore_ascii_case(wanted)))
    }

    /// The first column whose name fits.
    pub(super) fn find_by(&self, fits: impl Fn(&str) -> bool) -> Option<Column> {
        let index = self.columns.iter().position(|name| fits(name))?;
        Some(Column { index, name: self.columns[index].clone() })
    }

    /// The column of that name, or [`DataError::MissingColumn`].
    pub(super) fn require(&self, name: &str) -> Result<Column, DataError> {
        self.find(&[name]).ok_or_else(|| DataError::MissingColumn {
            file: self.file.clone(),
            column: name.to_owned(),
            columns: self.columns.clone(),
        })
    }
}

/// Where a column is, and its name as the file writes it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) index: usize,
    pub(super) name: String,
}

impl Column {
    /// This column's field.
    pub(super) fn of<'a>(&self, fields: &'a Fields) -> &'a [u8] {
        fields.get(self.index)
    }
}
