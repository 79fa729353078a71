//! Delivery policies side by side, as a picture: what became of the messages, and how long they
//! took. A file of SVG that needs nothing else.

use std::fmt::Write as _;

use checks::price::Price;

use super::{Compared, percent, short};

/// One color for each policy, told apart also by people who see few colors (Okabe and Ito, 2008).
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// What can become of a message, with its color.
const FATES: [(&str, &str); 4] = [
    ("delivered", "#009e73"),
    ("partial", "#d55e00"),
    ("shown to nobody, refused", "#bbbbbb"),
    ("shown to nobody", "#e69f00"),
];

const WIDTH: u64 = 760;
const LEFT: u64 = 90;
const PLOT: u64 = 620;
const BAR: u64 = 26;
const CURVES: u64 = 200;

/// Returns the picture.
pub fn svg(title: &str, policies: &[Compared]) -> String {
    let count = policies.len() as u64;
    let top = 60;
    let curves = top + count * (BAR + 8) + 60;
    let height = curves + CURVES + 60;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    put(&mut text, 16, 24, "start", &format!("{title}: what became of the messages"));
    for ((name, price), n) in policies.iter().zip(0..) {
        bar(&mut text, top + n * (BAR + 8), name, price);
    }
    legend(&mut text, top + count * (BAR + 8) + 10);
    put(&mut text, 16, curves - 12, "start", "share of copies seen within a time after the send");
    axes(&mut text, curves, longest(policies));
    for ((name, price), n) in policies.iter().zip(0..) {
        curve(&mut text, curves, longest(policies), (name, price), n);
    }
    text.push_str("</svg>\n");
    text
}

fn put(svg: &mut String, x: u64, y: u64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>")
        .expect("a String takes all text");
}

/// Draws what became of the messages under one policy.
fn bar(svg: &mut String, y: u64, name: &str, price: &Price) {
    put(svg, LEFT - 8, y + BAR - 9, "end", name);
    let nobody = price.sent.saturating_sub(price.delivered + price.partial);
    let refused = price.refused.min(nobody);
    let counts = [price.delivered, price.partial, refused, nobody - refused];
    let mut x = LEFT;
    for ((fate, color), count) in FATES.iter().zip(counts) {
        let width = (count * PLOT).checked_div(price.sent).unwrap_or(0);
        let share = percent(count, price.sent);
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" fill=\"{color}\">\
             <title>{fate}: {share}</title></rect>"
        )
        .expect("a String takes all text");
        if width > 48 {
            put(svg, x + width / 2, y + BAR - 9, "middle", &share);
        }
        x += width;
    }
}

fn legend(svg: &mut String, y: u64) {
    for ((fate, color), n) in FATES.iter().zip(0..) {
        let x = LEFT + n * 155;
        writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{color}\"/>")
            .expect("a String takes all text");
        put(svg, x + 14, y + 9, "start", fate);
    }
}

/// Returns the longest delay in nanoseconds, and at least a second.
fn longest(policies: &[Compared]) -> u64 {
    let delays = policies.iter().filter_map(|(_, price)| price.delay(100));
    delays.max().unwrap_or_default().max(1_000_000_000)
}

/// The shortest delay that is told apart, in nanoseconds: the left end of a logarithmic axis.
const SHORTEST: u64 = 1_000_000;

/// Returns where a delay is on the axis.
fn x(delay: u64, longest: u64) -> u64 {
    let log = |ns: u64| u64::from(ns.max(SHORTEST).ilog2()) * 16 + mantissa(ns.max(SHORTEST));
    LEFT + (log(delay) - log(SHORTEST)) * PLOT / (log(longest) - log(SHORTEST)).max(1)
}

/// Returns the sixteenths between this power of two and the next one.
fn mantissa(ns: u64) -> u64 {
    let power = 1 << ns.ilog2();
    (ns - power) * 16 / power
}

fn axes(svg: &mut String, top: u64, longest: u64) {
    for quarter in 0..=4 {
        let y = top + CURVES - quarter * CURVES / 4;
        writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"#dddddd\"/>",
            LEFT + PLOT
        )
        .expect("a String takes all text");
        put(svg, LEFT - 8, y + 4, "end", &format!("{}%", quarter * 25));
    }
    let mut tick = SHORTEST;
    while tick <= longest {
        put(svg, x(tick, longest), top + CURVES + 18, "middle", &short(tick));
        tick *= 10;
    }
}

/// Draws how many copies were seen within which time.
fn curve(svg: &mut String, top: u64, longest: u64, (name, price): (&str, &Price), n: u64) {
    let total: u64 = price.delays().map(|(_, times)| times).sum();
    let color = COLORS[usize::try_from(n).unwrap_or(0) % COLORS.len()];
    let mut points = format!("{LEFT},{}", top + CURVES);
    let (mut so_far, mut y) = (0, top + CURVES);
    for (delay, times) in price.delays() {
        so_far += times;
        let x = x(delay, longest);
        let next = top + CURVES - (so_far * CURVES).checked_div(total).unwrap_or(0);
        write!(points, " {x},{y} {x},{next}").expect("a String takes all text");
        y = next;
    }
    writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\n\
         <rect x=\"{0}\" y=\"{1}\" width=\"14\" height=\"3\" fill=\"{color}\"/>",
        LEFT + n * 155,
        top + CURVES + 34
    )
    .expect("a String takes all text");
    put(svg, LEFT + n * 155 + 18, top + CURVES + 40, "start", name);
}
