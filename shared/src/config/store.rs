//! The table that people's state is kept in.

use super::{ConfigError, Variable, read};

/// What is read here.
pub(super) const VARIABLES: [Variable; 5] = [
    Variable {
        name: "MARQUEE_TABLE",
        meaning: "recommend, rank, events, users, update-profiles: name of the DynamoDB table with people's state. Unset: \
                  nobody is remembered.",
        example: "marquee-dev",
        is_default: false,
    },
    Variable {
        name: "MARQUEE_REGION",
        meaning: "Names the profiles that are written here, 1 to 32 characters of a-z 0-9 -. Unset: AWS_REGION, else local.",
        example: "eu-central-1",
        is_default: false,
    },
    Variable {
        name: "AWS_REGION",
        meaning: "The region, as Lambda sets it. The AWS SDK reads it too, with the other variables of its own.",
        example: "eu-central-1",
        is_default: false,
    },
    Variable {
        name: "MARQUEE_REGIONS",
        meaning: "The regions whose profiles are joined when reading, this one among them, with commas. Unset: this one.",
        example: "eu-central-1,us-east-1",
        is_default: false,
    },
    Variable {
        name: "MARQUEE_EVENT_RETENTION_DAYS",
        meaning: "events: days after which an event is dropped, 1 to 3650. Unset: never.",
        example: "730",
        is_default: false,
    },
];

/// The region's name where none is set: a laptop.
const LOCAL: &str = "local";
/// Most regions whose profiles are joined: one batch get answers 16 MiB, and an item holds at most 400 KiB.
const REGIONS_LIMIT: usize = 40;
/// Ten years, as leap years have it. Longer is "for ever": leave the variable unset.
const RETENTION_LIMIT: u32 = 3_650;

/// The table, and this deployment's place among the regions that share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// The table's name: `MARQUEE_TABLE`.
    pub table: String,
    /// Names the profiles that are written here: `MARQUEE_REGION`, else `AWS_REGION`, else `local`.
    pub region: String,
    /// The regions whose profiles are joined when reading, this one first: `MARQUEE_REGIONS`, with commas between them;
    /// this one alone when unset.
    pub regions: Vec<String>,
    /// Days after which an event is dropped, 1 to 3,650: `MARQUEE_EVENT_RETENTION_DAYS`; never when unset.
    pub event_retention_days: Option<u32>,
}

impl TableSettings {
    /// Reads the variables; `None` without `MARQUEE_TABLE`: there is no store then.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        Self::from_variables(&read)
    }

    /// This table, with everything else as the variables say.
    ///
    /// # Errors
    /// When one of the variables can't be used.
    pub fn named(table: String) -> Result<Self, ConfigError> {
        Self::of(table, &read)
    }

    fn from_variables(read: Read) -> Result<Option<Self>, ConfigError> {
        const VARIABLE: &str = "MARQUEE_TABLE";
        let Some(table) = read(VARIABLE)? else { return Ok(None) };
        if !is_table_name(&table) {
            let rule = "a table's name: 3 to 255 characters of A-Z a-z 0-9 . _ -";
            return Err(ConfigError { variable: VARIABLE, detail: format!("is {table:?}, not {rule}") });
        }
        Self::of(table, read).map(Some)
    }

    fn of(table: String, read: Read) -> Result<Self, ConfigError> {
        let region = own_region(read)?;
        let regions = regions(read, &region)?;
        Ok(Self { table, region, regions, event_retention_days: retention(read)? })
    }
}

/// Where variables are read: the environment, or a test's.
type Read<'a> = &'a dyn Fn(&'static str) -> Result<Option<String>, ConfigError>;

/// Whether DynamoDB takes this for a table's name: 3 to 255 characters of A-Z a-z 0-9 . _ -
#[must_use]
pub fn is_table_name(text: &str) -> bool {
    (3..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn own_region(read: Read) -> Result<String, ConfigError> {
    for variable in ["MARQUEE_REGION", "AWS_REGION"] {
        if let Some(text) = read(variable)? {
            return region(variable, &text);
        }
    }
    Ok(LOCAL.to_owned())
}

fn regions(read: Read, own: &str) -> Result<Vec<String>, ConfigError> {
    const VARIABLE: &str = "MARQUEE_REGIONS";
    let mut regions = vec![own.to_owned()];
    let Some(text) = read(VARIABLE)? else { return Ok(regions) };
    let fault =
        |problem: String| ConfigError { variable: VARIABLE, detail: format!("is {text:?}, {problem}") };
    let mut own_is_there = false;
    for name in text.split(',') {
        let name = region(VARIABLE, name.trim())?;
        own_is_there |= name == own;
        if !regions.contains(&name) {
            regions.push(name);
        }
    }
    if !own_is_there {
        return Err(fault(format!("without this region, {own}")));
    }
    if regions.len() > REGIONS_LIMIT {
        return Err(fault(format!("more than {REGIONS_LIMIT} regions")));
    }
    Ok(regions)
}

/// Safe in a key, where `#` separates, and in a list, where the comma does.
fn region(variable: &'static str, text: &str) -> Result<String, ConfigError> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && (1..=32).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    let rule = "a region's name: 1 to 32 characters of a-z 0-9 -";
    Err(ConfigError { variable, detail: format!("has {text:?}, not {rule}") })
}

fn retention(read: Read) -> Result<Option<u32>, ConfigError> {
    const VARIABLE: &str = "MARQUEE_EVENT_RETENTION_DAYS";
    let Some(text) = read(VARIABLE)? else { return Ok(None) };
    match text.parse() {
        Ok(days @ 1..=RETENTION_LIMIT) => Ok(Some(days)),
        _ => Err(ConfigError {
            variable: VARIABLE,
            detail: format!("is {text:?}, not whole days from 1 to {RETENTION_LIMIT}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<TableSettings>, String> {
        let read = |variable: &'static str| {
            Ok(variables.iter().find(|(name, _)| *name == variable).map(|(_, value)| (*value).to_owned()))
        };
        TableSettings::from_variables(&read).map_err(|error| error.to_string())
    }

    fn settings(region: &str, regions: &[&str], event_retention_days: Option<u32>) -> TableSettings {
        let regions = regions.iter().copied().map(String::from).collect();
        TableSettings { table: "people".into(), region: region.into(), regions, event_retention_days }
    }

    #[test]
    fn without_a_table_there_is_no_store() {
        assert_eq!(read(&[("MARQUEE_REGION", "eu-west-1")]), Ok(None));
    }

    #[test]
    fn a_table_alone_is_local_and_keeps_events_for_ever() {
        assert_eq!(read(&[("MARQUEE_TABLE", "people")]), Ok(Some(settings("local", &["local"], None))));
    }

    #[test]
    fn the_region_is_the_functions_unless_another_is_named() {
        let on_lambda = [("MARQUEE_TABLE", "people"), ("AWS_REGION", "eu-west-1")];
        assert_eq!(read(&on_lambda), Ok(Some(settings("eu-west-1", &["eu-west-1"], None))));
        let named = [("MARQUEE_TABLE", "people"), ("AWS_REGION", "eu-west-1"), ("MARQUEE_REGION", "blue")];
        assert_eq!(read(&named), Ok(Some(settings("blue", &["blue"], None))));
    }

    #[test]
    fn the_other_regions_follow_the_own_one_and_none_comes_twice() {
        let variables = [
            ("MARQUEE_TABLE", "people"),
            ("MARQUEE_REGION", "b"),
            ("MARQUEE_REGIONS", "a, b,c,a"),
            ("MARQUEE_EVENT_RETENTION_DAYS", "3650"),
        ];
        assert_eq!(read(&variables), Ok(Some(settings("b", &["b", "a", "c"], Some(3_650)))));
    }

    #[test]
    fn what_cannot_be_used_is_one_sentence_naming_the_variable() {
        let many: Vec<String> = (0..41).map(|i| format!("r{i}")).collect();
        let many = format!("local,{}", many.join(","));
        for (variable, value, sentence) in [
            ("MARQUEE_TABLE", "a b", "MARQUEE_TABLE is \"a b\", not a table's name"),
            ("MARQUEE_REGION", "EU", "MARQUEE_REGION has \"EU\", not a region's name"),
            ("AWS_REGION", "eu#1", "AWS_REGION has \"eu#1\", not a region's name"),
            ("MARQUEE_REGIONS", "local,", "MARQUEE_REGIONS has \"\", not a region's name"),
            ("MARQUEE_REGIONS", "a,b", "MARQUEE_REGIONS is \"a,b\", without this region, local"),
            ("MARQUEE_REGIONS", &many, "more than 40 regions"),
            ("MARQUEE_EVENT_RETENTION_DAYS", "0", "is \"0\", not whole days from 1 to 3650"),
            ("MARQUEE_EVENT_RETENTION_DAYS", "3651", "is \"3651\", not whole days"),
            ("MARQUEE_EVENT_RETENTION_DAYS", "a week", "MARQUEE_EVENT_RETENTION_DAYS is \"a week\""),
        ] {
            let table = if variable == "MARQUEE_TABLE" { value } else { "people" };
            let error = read(&[("MARQUEE_TABLE", table), (variable, value)]).unwrap_err();
            assert!(error.contains(sentence), "{error}");
            assert!(error.starts_with("the variable "), "{error}");
        }
    }
}
