//! Mistakes as text, in the form that users of rustc know.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::mistake::{Mistake, Mistakes};

/// Lines on the terminal are cut beyond this.
const WIDTH: usize = 120;

/// Returns every mistake, with a blank line between two and a newline at the end.
pub(super) fn all(mistakes: &Mistakes, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let blocks: Vec<_> =
        mistakes.all.iter().map(|mistake| one(mistakes, mistake, &renderer)).collect();
    blocks.join("\n\n") + "\n"
}

fn one(mistakes: &Mistakes, mistake: &Mistake, renderer: &Renderer) -> String {
    let title = Level::ERROR.primary_title(headline(mistake)).id(mistake.code.name());
    let place: Option<Element<'_>> = snippet(mistakes, mistake).map(Into::into);
    match (&mistake.help, place) {
        (Some(help), Some(place)) => renderer.render(&[
            title.element(place),
            Group::with_title(Level::HELP.secondary_title(help.as_str())),
        ]),
        (Some(help), None) => renderer.render(&[title.element(Level::HELP.message(help))]),
        (None, place) => renderer.render(&[title.elements(place)]),
    }
}

/// Returns the headline; if there is no text to point at, it says where by the path of the key.
fn headline(mistake: &Mistake) -> String {
    if mistake.span.is_some() || mistake.at.is_empty() {
        mistake.message.clone()
    } else {
        format!("{} (at {})", mistake.message, mistake.at)
    }
}

fn snippet<'m>(
    mistakes: &'m Mistakes,
    mistake: &'m Mistake,
) -> Option<Snippet<'m, annotate_snippets::Annotation<'m>>> {
    let span = mistake.span.clone()?;
    let label = Some(mistake.label.as_str()).filter(|label| !label.is_empty());
    let context = mistake
        .context
        .iter()
        .map(|(span, label)| AnnotationKind::Context.span(span.clone()).label(label.as_str()));
    Some(
        Snippet::source(mistakes.text.as_str())
            .path(mistakes.path.as_str())
            .annotation(AnnotationKind::Primary.span(span).label(label))
            .annotations(context),
    )
}
