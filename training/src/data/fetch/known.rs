//! The data sets that can be fetched, how each is verified, and what its licence asks.

/// One data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// As on the command line and in the file name.
    pub name: &'static str,
    /// One line on what is in it.
    pub about: &'static str,
    /// How what arrives is verified.
    pub checksum: Checksum,
    /// Whether the licence in its README lets it be passed on (under the same terms) without asking.
    pub may_be_passed_on: bool,
}

/// What a data set's MD5 is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The one GroupLens publishes for a set that never changes, in lower-case hexadecimal.
    Pinned(&'static str),
    /// Whatever `NAME.zip.md5` beside the zip says at the time: GroupLens makes the set anew now and then.
    Published,
}

/// Every data set that [`fetch`](super::fetch) knows, smallest first.
#[must_use]
pub fn datasets() -> &'static [Known] {
    &DATASETS
}

/// Counts are from each set's README; the MD5s are the contents of `NAME.zip.md5` at GroupLens.
const DATASETS: [Known; 5] = [
    Known {
        name: "ml-latest-small",
        about: "100,000 ratings by 600 users of 9,000 films; changes over time, for development",
        checksum: Checksum::Published,
        may_be_passed_on: true,
    },
    Known {
        name: "ml-1m",
        about: "1,000,209 ratings by 6,040 users of 3,900 films, to 2003",
        checksum: Checksum::Pinned("c4d9eecfca2ab87c1945afe126590906"),
        may_be_passed_on: false,
    },
    Known {
        name: "ml-20m",
        about: "20,000,263 ratings by 138,493 users of 27,278 films, to 2015",
        checksum: Checksum::Pinned("cd245b17a1ae2cc31bb14903e1204af3"),
        may_be_passed_on: false,
    },
    Known {
        name: "ml-25m",
        about: "25,000,095 ratings by 162,541 users of 62,423 films, to 2019",
        checksum: Checksum::Pinned("6b51fb2759a8657d3bfcbfc42b592ada"),
        may_be_passed_on: false,
    },
    Known {
        name: "ml-32m",
        about: "32,000,204 ratings by 200,948 users of 87,585 films, to 2023",
        checksum: Checksum::Pinned("d472be332d4daa821edc399621853b57"),
        may_be_passed_on: true,
    },
];

impl Known {
    /// What to print with a fetch: the terms in its README, in short and in lines, and the citation they ask for.
    #[must_use]
    pub fn licence(&self) -> String {
        let passing_on = if self.may_be_passed_on {
            "Pass it on only under these same terms."
        } else {
            "Do not pass it on without their permission."
        };
        format!(
            "{} belongs to GroupLens, University of Minnesota. Research may use it; what earns money only with their\n\
             permission. {passing_on} Say in publications that you used it, and imply no\n\
             endorsement. The full terms are in the zip's README. Cite: F. Maxwell Harper and Joseph A. Konstan (2015),\n\
             The MovieLens Datasets: History and Context. ACM TiiS 5(4), 19. https://doi.org/10.1145/2827872",
            self.name
        )
    }
}

/// The MD5 in an `.md5` file: `MD5 (NAME.zip) = HEX` or `HEX  NAME.zip`. In lower case.
pub(super) fn md5_in(text: &str) -> Option<String> {
    let mut words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let word = words.find(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_an_md5_file_are_read() {
        let md5 = "6b51fb2759a8657d3bfcbfc42b592ada";
        assert_eq!(md5_in(&format!("MD5 (ml-25m.zip) = {md5}\n")).as_deref(), Some(md5));
        assert_eq!(md5_in(&format!("{}  ml-25m.zip", md5.to_uppercase())).as_deref(), Some(md5));
        assert_eq!(md5_in("<html>not found</html>"), None);
    }

    #[test]
    fn each_known_set_has_a_well_formed_checksum_and_a_licence_of_four_lines() {
        for known in datasets() {
            if let Checksum::Pinned(md5) = known.checksum {
                assert_eq!(md5_in(md5).as_deref(), Some(md5), "{}", known.name);
            }
            let licence = known.licence();
            assert!(
                licence.starts_with(known.name) && licence.contains("Harper") && licence.contains("2015")
            );
            assert_eq!(licence.lines().count(), 4);
            assert!(licence.lines().all(|line| line.chars().count() <= 120), "{licence}");
        }
    }
}
