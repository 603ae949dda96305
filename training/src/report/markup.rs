//! Markup that is balanced and escaped by construction: text enters through [`text`], elements through [`tag`].

use std::fmt::{self, Display};

/// A piece of HTML or SVG.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup(String);

/// Attribute names and values; values are escaped.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

impl Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn text(content: impl Display) -> Markup {
    Markup(escape(&content.to_string()))
}

pub(super) fn tag(name: &str, attributes: Attributes, content: impl IntoIterator<Item = Markup>) -> Markup {
    let attributes: String = attributes
        .iter()
        .map(|(name, value)| format!(" {name}=\"{}\"", escape(&value.to_string())))
        .collect();
    if matches!(name, "meta" | "line" | "path" | "polyline") {
        return Markup(format!("<{name}{attributes}/>"));
    }
    let content: String = content.into_iter().map(|part| part.0).collect();
    Markup(format!("<{name}{attributes}>{content}</{name}>"))
}

/// A style sheet, which HTML takes as it stands; ours has nothing to escape.
pub(super) fn style(sheet: &'static str) -> Markup {
    Markup(format!("<style>{sheet}</style>"))
}

/// Also replaces what neither HTML nor XML can hold: control characters.
fn escape(content: &str) -> String {
    let mut escaped = String::with_capacity(content.len());
    for letter in content.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter if letter.is_control() && !letter.is_whitespace() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
