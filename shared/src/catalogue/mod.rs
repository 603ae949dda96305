//! The items a model knows: ids to rows and back, title, year, genres, popularity.
//!
//! A catalogue is columns over a mapped file. Opening it checks the columns' types and lengths and touches no row, so
//! that it takes the same time for ten items as for ten million; a row that a damaged file gets wrong reads as unknown.

mod columns;
mod filter;
mod id_index;
mod row_set;

pub use columns::CatalogueColumns;
pub use filter::GenreSet;
pub use id_index::{IdIndex, slot_count};
pub use row_set::RowSet;

use crate::api::recommendation::Filters;
use crate::model::error::ArtifactError;
use crate::model::tensors::{Tensor, TensorFile};
use sha2::{Digest, Sha256};

/// An item's index in the catalogue.
pub type Row = u32;

/// Most items of a catalogue: rows travel to accelerators as INT32, 0 meaning none.
pub const ITEMS_LIMIT: usize = i32::MAX as usize - 1;
/// Most genres: one bit each.
pub const GENRES_LIMIT: usize = 64;

/// The metadata of `catalogue.safetensors` that lists the genres' names, as a JSON array.
pub(crate) const GENRES_KEY: &str = "genres";

/// The items a model knows.
#[derive(Debug)]
pub struct Catalogue {
    genre_names: Vec<String>,
    id_bytes: Tensor<u8, 1>,
    id_offsets: Tensor<u32, 1>,
    id_order: Tensor<u32, 1>,
    title_bytes: Tensor<u8, 1>,
    title_offsets: Tensor<u32, 1>,
    year: Tensor<u16, 1>,
    genres: Tensor<u64, 1>,
    popularity: Tensor<u32, 1>,
    popularity_order: Tensor<u32, 1>,
    id_index: Option<IdIndex>,
}

impl Catalogue {
    /// The tensors of `catalogue.safetensors`.
    pub const TENSORS: [&str; 9] = [
        "id_bytes",
        "id_offsets",
        "id_order",
        "title_bytes",
        "title_offsets",
        "year",
        "genres",
        "popularity",
        "popularity_order",
    ];

    /// Takes the columns of an open file.
    ///
    /// # Errors
    /// When a tensor is missing or has another type or shape than the format says.
    pub fn new(file: &TensorFile) -> Result<Self, ArtifactError> {
        file.expect_only(&Self::TENSORS)?;
        let year = file.tensor("year", [None])?;
        let [items] = year.shape();
        if items > ITEMS_LIMIT {
            return Err(ArtifactError::tensor(
                file.name(),
                "year",
                format_args!("more than {ITEMS_LIMIT} items"),
            ));
        }
        let genre_names: Vec<String> = file
            .metadata(GENRES_KEY)
            .ok_or_else(|| ArtifactError::file(file.name(), "the header's metadata lacks `genres`"))
            .and_then(|text| {
                serde_json::from_str(text)
                    .map_err(|e| ArtifactError::file(file.name(), format_args!("metadata `genres`: {e}")))
            })?;
        if genre_names.len() > GENRES_LIMIT {
            let detail = format_args!("{} genres; at most {GENRES_LIMIT} are taken", genre_names.len());
            return Err(ArtifactError::file(file.name(), detail));
        }
        let catalogue = Self {
            genre_names,
            id_bytes: file.tensor("id_bytes", [None])?,
            id_offsets: file.tensor("id_offsets", [Some(items + 1)])?,
            id_order: file.tensor("id_order", [Some(items)])?,
            title_bytes: file.tensor("title_bytes", [None])?,
            title_offsets: file.tensor("title_offsets", [Some(items + 1)])?,
            year,
            genres: file.tensor("genres", [Some(items)])?,
            popularity: file.tensor("popularity", [Some(items)])?,
            popularity_order: file.tensor("popularity_order", [Some(items)])?,
            id_index: None,
        };
        for (name, offsets, bytes) in [
            ("id_offsets", &catalogue.id_offsets, &catalogue.id_bytes),
            ("title_offsets", &catalogue.title_offsets, &catalogue.title_bytes),
        ] {
            let (offsets, bytes) = (offsets.as_slice(), bytes.as_slice());
            if offsets.first() != Some(&0) || offsets.last().copied() != u32::try_from(bytes.len()).ok() {
                let detail = format_args!("must run from 0 to the {} bytes it points into", bytes.len());
                return Err(ArtifactError::tensor(file.name(), name, detail));
            }
        }
        Ok(catalogue)
    }

    /// With a table by which ids are found in one step.
    #[must_use]
    pub fn with_id_index(mut self, index: Option<IdIndex>) -> Self {
        self.id_index = index;
        self
    }

    /// The slots of an [`IdIndex`] of these items.
    #[must_use]
    pub fn id_slots(&self) -> Vec<u32> {
        let (bytes, offsets) = (self.id_bytes.as_slice(), self.id_offsets.as_slice());
        let id = |row| piece(bytes, offsets, row as Row).unwrap_or_default();
        id_index::slots((0..self.len()).map(id))
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.year.as_slice().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of a row; `None` past the last.
    #[must_use]
    pub fn id(&self, row: Row) -> Option<&str> {
        text(self.id_bytes.as_slice(), self.id_offsets.as_slice(), row)
    }

    /// The row of an id: by its slot, or else by binary search. What is not in a slot is no item's id, or the table is missing
    /// or damaged; a search is the same for all three.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<Row> {
        let (bytes, offsets) = (self.id_bytes.as_slice(), self.id_offsets.as_slice());
        let by_slot = self
            .id_index
            .as_ref()
            .and_then(|index| index.find(id.as_bytes(), |row| piece(bytes, offsets, row)));
        by_slot.or_else(|| self.row_by_search(id))
    }

    fn row_by_search(&self, id: &str) -> Option<Row> {
        let (bytes, offsets) = (self.id_bytes.as_slice(), self.id_offsets.as_slice());
        let order = self.id_order.as_slice();
        let id_of = |row: Row| piece(bytes, offsets, row).unwrap_or_default();
        let found = order.binary_search_by(|&row| id_of(row).cmp(id.as_bytes())).ok()?;
        order.get(found).copied()
    }

    /// The title of a row; `None` when unknown.
    #[must_use]
    pub fn title(&self, row: Row) -> Option<&str> {
        text(self.title_bytes.as_slice(), self.title_offsets.as_slice(), row)
            .filter(|title| !title.is_empty())
    }

    /// The year of a row; `None` when unknown.
    #[must_use]
    pub fn year(&self, row: Row) -> Option<u16> {
        self.year.as_slice().get(row as usize).copied().filter(|&year| year != 0)
    }

    /// The names of the genres of a row.
    #[must_use]
    pub fn genres(&self, row: Row) -> Vec<&str> {
        let bits = self.genres.as_slice().get(row as usize).copied().unwrap_or_default();
        let named = self.genre_names.iter().enumerate();
        named.filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| name.as_str()).collect()
    }

    /// The names of all genres, in the order of their bits.
    #[must_use]
    pub fn genre_names(&self) -> &[String] {
        &self.genre_names
    }

    /// How many interactions a row had in training.
    #[must_use]
    pub fn popularity(&self, row: Row) -> u32 {
        self.popularity.as_slice().get(row as usize).copied().unwrap_or_default()
    }

    /// The rows, most popular first, equals by row.
    #[must_use]
    pub fn by_popularity(&self) -> &[Row] {
        self.popularity_order.as_slice()
    }

    /// The rows that a filter leaves out, but for `include_seen`, which is the caller's to apply.
    #[must_use]
    pub fn filtered_out(&self, filters: &Filters) -> RowSet {
        filter::filtered_out(self, filters)
    }

    /// The rows that have none of these genres.
    #[must_use]
    pub fn outside(&self, genres: GenreSet) -> RowSet {
        let bits = self.genres.as_slice();
        RowSet::of(self.len(), |row| bits[row] & genres.0 == 0)
    }

    /// SHA-256 over each id followed by a line feed, in row order, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut sha = Sha256::new();
        for row in 0..self.len() as Row {
            sha.update(self.id(row).unwrap_or_default());
            sha.update(b"\n");
        }
        crate::model::manifest::hex(&sha.finalize())
    }

    /// Checks every row, which opening does not: ids of the form, in order and distinct, titles in UTF-8, genres that
    /// have a name, an order of popularity that is one.
    ///
    /// # Errors
    /// Names the file, the tensor and the row.
    pub fn verify(&self, file: &str) -> Result<(), ArtifactError> {
        columns::verify(self, file)
    }
}

/// The text between a row's offsets; `None` when they or the text are not valid.
fn text<'a>(bytes: &'a [u8], offsets: &[u32], row: Row) -> Option<&'a str> {
    str::from_utf8(piece(bytes, offsets, row)?).ok()
}

/// The piece of `bytes` between a row's offsets.
fn piece<'a>(bytes: &'a [u8], offsets: &[u32], row: Row) -> Option<&'a [u8]> {
    let row = row as usize;
    bytes.get(*offsets.get(row)? as usize..*offsets.get(row + 1)? as usize)
}
