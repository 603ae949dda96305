//! Every variable, for people: `.env.example` is made of this (`cargo run -p shared --example env > .env.example`).

use super::{VARIABLES, accelerator, release, secrets, store};

/// A variable that Marquee reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Who reads it, what it means, its range, and what it is to leave it unset.
    pub meaning: &'static str,
    /// A value that can be used.
    pub example: &'static str,
    /// Whether that is what holds when it is unset.
    pub is_default: bool,
}

/// All of them, by subsystem.
pub fn variables() -> impl Iterator<Item = Variable> {
    VARIABLES
        .into_iter()
        .chain(store::VARIABLES)
        .chain(secrets::VARIABLES)
        .chain(accelerator::VARIABLES)
        .chain(release::VARIABLES)
}

/// Longest line of a comment in the file.
const WIDTH: usize = 118;

/// The text of `.env.example`.
#[must_use]
pub fn env_example() -> String {
    let mut text = String::from(
        "# Every variable that Marquee reads: what it means, and its default. All are optional unless they say otherwise, and a\n\
         # value that can't be read is one sentence at start that names its variable. Set to nothing is not unset.\n",
    );
    for Variable { name, meaning, example, is_default } in variables() {
        let said = if is_default { "Default:" } else { "For example:" };
        text.push('\n');
        text.push_str(&comment(&format!("{meaning} {said}")));
        text.push_str(&format!("#{name}={example}\n"));
    }
    text
}

/// Words as lines of a comment.
fn comment(words: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The code that reads variables, and nothing of its tests.
    const SOURCES: [&str; 5] = [
        include_str!("mod.rs"),
        include_str!("accelerator.rs"),
        include_str!("release.rs"),
        include_str!("secrets.rs"),
        include_str!("store.rs"),
    ];

    #[test]
    fn the_committed_example_is_current() {
        let committed = include_str!("../../../.env.example");
        assert_eq!(committed, env_example(), "run: cargo run -p shared --example env > .env.example");
    }

    #[test]
    fn every_variable_that_is_read_is_listed_and_no_other() {
        let mut read = BTreeSet::new();
        for source in SOURCES {
            let code = source.split("#[cfg(test)]").next().unwrap();
            let code = code.split("const VARIABLES").enumerate().map(|(part, text)| match part {
                0 => text,
                // What is listed is no proof that it is read.
                _ => text.split_once("\n];").or_else(|| text.split_once("\n}];")).unwrap().1,
            });
            for text in code.flat_map(|code| code.split('"').skip(1).step_by(2).collect::<Vec<_>>()) {
                let is_name = text.len() > 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
                if is_name {
                    read.insert(text);
                }
            }
        }
        let listed: Vec<_> = variables().map(|variable| variable.name).collect();
        let distinct: BTreeSet<_> = listed.iter().copied().collect();
        assert_eq!(distinct.len(), listed.len(), "one is there twice");
        assert_eq!(distinct, read);
    }

    #[test]
    fn lines_are_no_longer_than_a_screen() {
        assert!(env_example().lines().all(|line| line.chars().count() <= 120), "{}", env_example());
    }
}
