//! Plain tables: padded columns, of which the last one is wrapped under itself.

use crate::{
    COLUMNS,
    words::{clean, cut, wrap},
};

/// The space between two columns.
const GAP: usize = 3;
/// The space before the first column.
const INDENT: usize = 2;
/// The last column gets at least this width, whatever comes before it.
const LAST_AT_LEAST: usize = 20;
/// A column of words is not made narrower than this to make room for the last one.
const WORDS_AT_LEAST: usize = 8;
/// The most lines of one wrapped cell, unless [`Table::wrapping`] says otherwise.
const WRAPPED_LINES: usize = 4;

/// On which side a column's cells begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    align: Align,
    most: usize,
}

/// Returns a column of words, cut after `most` characters.
pub(crate) fn left(most: usize) -> Column {
    Column { align: Align::Left, most }
}

/// Returns a column of numbers, cut after `most` characters.
pub(crate) fn right(most: usize) -> Column {
    Column { align: Align::Right, most }
}

/// Rows of cells; every row has a cell for each column.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    wrapped_lines: usize,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new(), wrapped_lines: WRAPPED_LINES }
    }

    /// Limits each cell of the last column to `lines` lines.
    pub(crate) fn wrapping(self, lines: usize) -> Self {
        Self { wrapped_lines: lines, ..self }
    }

    pub(crate) fn push(&mut self, cells: &[String]) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        let cells = cells.iter().zip(&self.columns);
        self.rows.push(cells.map(|(cell, column)| cut(&clean(cell), column.most)).collect());
    }

    /// Returns the width of the widest line if no cell is wrapped.
    pub(crate) fn width(&self) -> usize {
        let widths = self.widths();
        INDENT + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// Returns the lines of each row. Columns that are empty in every row are left out.
    pub(crate) fn lines(&self) -> Vec<Vec<String>> {
        let widths = self.fitting(self.widths());
        self.rows.iter().map(|row| self.row(row, &widths)).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let width = |index: usize| self.rows.iter().map(move |row| row[index].chars().count());
        (0..self.columns.len()).map(|index| width(index).max().unwrap_or(0)).collect()
    }

    /// Narrows the widest columns of words until the last column has room.
    fn fitting(&self, mut widths: Vec<usize>) -> Vec<usize> {
        let Some(before) = widths.len().checked_sub(1) else { return widths };
        // The last column wraps, and gets no more room than its words need.
        let last = widths[before].min(LAST_AT_LEAST);
        let room = COLUMNS - last - INDENT - GAP * before;
        while widths[..before].iter().sum::<usize>() > room {
            let words = |index: &usize| self.columns[*index].align == Align::Left;
            let widest = (0..before).filter(words).max_by_key(|index| widths[*index]);
            match widest {
                Some(index) if widths[index] > WORDS_AT_LEAST => widths[index] -= 1,
                _ => break,
            }
        }
        widths
    }

    fn row(&self, cells: &[String], widths: &[usize]) -> Vec<String> {
        let Some((last, before)) = cells.split_last() else { return Vec::new() };
        let mut head = " ".repeat(INDENT);
        for ((cell, width), column) in before.iter().zip(widths).zip(&self.columns) {
            if *width > 0 {
                head.push_str(&pad(&cut(cell, *width), *width, column.align));
                head.push_str(&" ".repeat(GAP));
            }
        }
        let margin = head.chars().count();
        let room = COLUMNS.saturating_sub(margin).max(LAST_AT_LEAST);
        let last = match (self.columns.last(), widths.last()) {
            (Some(column), Some(width)) if *width <= room => pad(last, *width, column.align),
            _ => last.clone(),
        };
        hang(&head, &last, room, self.wrapped_lines)
    }
}

/// Returns `text` after `head`, with its further lines under its first.
fn hang(head: &str, text: &str, room: usize, most: usize) -> Vec<String> {
    let margin = head.chars().count();
    if text.chars().count() <= room {
        return vec![format!("{head}{text}").trim_end().to_owned()];
    }
    let mut pieces = wrap(text, room);
    if pieces.len() > most {
        let rest = pieces.split_off(most.saturating_sub(1)).join(" ");
        pieces.push(cut(&rest, room));
    }
    let mut lines = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let before = if index == 0 { head.to_owned() } else { " ".repeat(margin) };
        lines.push(format!("{before}{piece}").trim_end().to_owned());
    }
    lines
}

fn pad(cell: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

/// Returns as many whole rows as fit into `most` lines; a last line, made by `more`, says how many
/// are left.
pub(crate) fn bound(
    rows: Vec<Vec<String>>,
    most: usize,
    more: impl Fn(usize) -> String,
) -> Vec<String> {
    let needed: usize = rows.iter().map(Vec::len).sum();
    let room = if needed <= most { most } else { most.saturating_sub(1) };
    let total = rows.len();
    let mut lines = Vec::new();
    let mut shown = 0;
    for row in rows {
        if lines.len() + row.len() > room {
            break;
        }
        lines.extend(row);
        shown += 1;
    }
    if shown < total {
        lines.push(format!("{}{}", " ".repeat(INDENT), more(total - shown)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: [&str; 2]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(vec![right(9), left(9)]);
        table.push(&cells(["1s", "short"]));
        table.push(&cells(["10s", "longer"]));
        assert_eq!(table.lines().concat(), ["   1s   short", "  10s   longer"]);
    }

    #[test]
    fn a_long_last_cell_hangs_under_itself_within_the_width() {
        let mut table = Table::new(vec![left(9), left(usize::MAX)]);
        table.push(&cells(["fact", &"word ".repeat(30)]));
        let lines = table.lines().concat();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS));
        assert!(lines[1].starts_with("         word"), "{lines:?}");
    }

    #[test]
    fn wide_columns_leave_room_for_the_last_one() {
        let mut table = Table::new(vec![left(90), left(30), left(usize::MAX)]);
        table.push(&["a".repeat(90), "b".repeat(30), "word ".repeat(9)]);
        let lines = table.lines().concat();
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let rows = vec![vec!["a".to_owned()]; 5];
        assert_eq!(bound(rows, 3, |left| format!("and {left} more")), ["a", "a", "  and 3 more"]);
    }
}
