//! MovieLens titles as people write them: "City of Lost Children, The (Cité des enfants perdus, La) (1995)" is "The
//! City of Lost Children (La Cité des enfants perdus)" of 1995.

/// Articles that MovieLens moves to the end, as written there. What follows `'` is joined without a space.
const ARTICLES: [&str; 35] = [
    "The", "A", "An", // English
    "Le", "La", "Les", "L'", "Un", "Une", "De", // French
    "Il", "Lo", "I", "Gli", "Uno", "Una", // Italian
    "El", "Los", "Las", // Spanish
    "O", "Os", "As", "Um", "Uma", // Portuguese
    "Der", "Die", "Das", "Ein", "Eine", // German
    "Het", "En", "Ett", "Det", "Den", "Da", // Dutch, Swedish, Danish; and "Hip Hop Witch, Da"
];

/// Years that a bracket at the end may mean; "(3000)" is part of a title.
const YEARS: std::ops::RangeInclusive<u16> = 1850..=2100;

/// Takes the year off: the last bracket with a year or a span of years ("(2006–2007)", the first counts) that has
/// only brackets after it. No such bracket: 0, and the title as it was.
pub(super) fn split_year(title: &str) -> (String, u16) {
    let title = title.trim();
    let (main, brackets) = brackets(title);
    let found =
        brackets.iter().enumerate().rev().find_map(|(place, text)| Some((place, bracket_year(text)?)));
    let Some((place, year)) = found.filter(|_| !main.is_empty()) else { return (title.to_owned(), 0) };
    let mut name = main.to_owned();
    for (_, text) in brackets.iter().enumerate().filter(|(other, _)| *other != place) {
        name.push_str(&format!(" ({text})"));
    }
    (name, year)
}

/// Moves trailing articles to the front, in the title and in each of the brackets that follow it.
pub(super) fn article_first(title: &str) -> String {
    let (main, brackets) = brackets(title.trim());
    if main.is_empty() {
        return title.to_owned();
    }
    let mut name = part(main);
    for text in brackets {
        let (known_as, text) = match text.split_at_checked("a.k.a. ".len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case("a.k.a. ") => (start, rest),
            _ => ("", text),
        };
        name.push_str(&format!(" ({known_as}{})", part(text)));
    }
    name
}

/// The title and the brackets that end it, without their parentheses. One with others inside is one bracket.
fn brackets(title: &str) -> (&str, Vec<&str>) {
    let (mut rest, mut found) = (title, Vec::new());
    while let Some(inner) = rest.strip_suffix(')') {
        let mut depth = 1;
        let open = inner.char_indices().rev().find(|(_, character)| {
            match character {
                ')' => depth += 1,
                '(' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some((open, _)) = open else { break };
        found.insert(0, inner[open + 1..].trim());
        rest = inner[..open].trim_end();
    }
    (rest, found)
}

fn bracket_year(text: &str) -> Option<u16> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = year.bytes().all(|byte| byte.is_ascii_digit()).then(|| year.parse().ok())??;
    let spanned = rest.is_empty() || rest.starts_with(['-', '–']);
    (spanned && YEARS.contains(&year)).then_some(year)
}

/// One part of a title: "Crow, The", "Crow, The: Wicked Prayer".
fn part(text: &str) -> String {
    move_article(text)
        .or_else(|| {
            let (first, rest) = text.split_once(": ")?;
            Some(format!("{}: {rest}", move_article(first)?))
        })
        .unwrap_or_else(|| text.to_owned())
}

fn move_article(text: &str) -> Option<String> {
    let (rest, article) = text.rsplit_once(", ")?;
    let known = !rest.is_empty() && ARTICLES.contains(&article);
    let space = if article.ends_with('\'') { "" } else { " " };
    known.then(|| format!("{article}{space}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(title: &str) -> String {
        let (name, year) = split_year(title);
        format!("{} / {year}", article_first(&name))
    }

    #[test]
    fn the_year_comes_off_the_end() {
        assert_eq!(shown("Toy Story (1995)"), "Toy Story / 1995");
        assert_eq!(shown("1984 (Nineteen Eighty-Four) (1984) "), "1984 (Nineteen Eighty-Four) / 1984");
        assert_eq!(shown("Death Note: Desu nôto (2006–2007)"), "Death Note: Desu nôto / 2006");
        assert_eq!(shown("Fawlty Towers (1975-1979)"), "Fawlty Towers / 1975");
        assert_eq!(shown("Land Before Time III: The Time of the Great Giving (1995) (V)"), {
            "Land Before Time III: The Time of the Great Giving (V) / 1995"
        });
    }

    #[test]
    fn a_title_without_a_year_keeps_all_it_has() {
        for title in
            ["Babylon 5", "2046", "Cosmos (3000)", "(500) Days", "Odd ) one (", "Half (open", ")", ""]
        {
            assert_eq!(shown(title), format!("{title} / 0"));
        }
        assert_eq!(shown("(2012)"), "(2012) / 0");
    }

    #[test]
    fn articles_go_to_the_front_in_the_title_and_in_its_brackets() {
        for (title, want) in [
            ("Matrix, The (1999)", "The Matrix / 1999"),
            ("Bug's Life, A (1998)", "A Bug's Life / 1998"),
            ("American in Paris, An (1951)", "An American in Paris / 1951"),
            ("Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)", {
                "The Good, the Bad and the Ugly (Il Buono, il brutto, il cattivo) / 1966"
            }),
            ("City of Lost Children, The (Cité des enfants perdus, La) (1995)", {
                "The City of Lost Children (La Cité des enfants perdus) / 1995"
            }),
            ("Seven Samurai (Shichinin no samurai) (1954)", "Seven Samurai (Shichinin no samurai) / 1954"),
            ("Avventura, L' (Adventure, The) (1960)", "L'Avventura (The Adventure) / 1960"),
            ("City of the Living Dead (a.k.a. Gates of Hell, The) (Paura, La) (1980)", {
                "City of the Living Dead (a.k.a. The Gates of Hell) (La Paura) / 1980"
            }),
            ("Crow, The: Wicked Prayer (2005)", "The Crow: Wicked Prayer / 2005"),
            ("Lord of the Rings: The Two Towers, The (2002)", "The Lord of the Rings: The Two Towers / 2002"),
            ("Boot, Das (Boat, The) (1981)", "Das Boot (The Boat) / 1981"),
        ] {
            assert_eq!(shown(title), want);
        }
    }

    #[test]
    fn a_comma_that_is_no_article_stays() {
        for title in [
            "Monsters, Inc.",
            "Corrina, Corrina",
            "Me, Myself and I",
            ", The",
            "The",
            "Dude, Where's My Car?",
        ] {
            assert_eq!(article_first(title), title);
        }
    }

    #[test]
    fn brackets_inside_brackets_stay_together() {
        assert_eq!(shown("Film, The (a.k.a. Other (Part 2), A) (2001)"), {
            "The Film (a.k.a. A Other (Part 2)) / 2001"
        });
    }
}
