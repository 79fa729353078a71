// The whole journal as a line: where faults were in force, where clients sent, where it went wrong.
import type { Summary } from "./api";

/** How wide the picture is drawn, in units of its own; it is stretched to the room there is. */
const WIDE = 1000;
/** Rows of bands; faults that do not fit are on the last one. */
const ROWS = 4;

export function Scrub({ summary, n, go }: { summary: Summary; n: number; go: (n: number) => void }) {
  const length = Math.max(1, summary.last - summary.first);
  const x = (at: number) => ((at - summary.first) / length) * WIDE;
  const ends: number[] = [];
  const bands = summary.spans.slice(0, 200).map((span) => {
    const end = span.ended ?? summary.last;
    const free = ends.findIndex((before) => before <= span.began);
    const row = free >= 0 ? free : Math.min(ends.length, ROWS - 1);
    ends[row] = Math.max(end, ends[row] ?? 0);
    return { ...span, end, row };
  });
  const height = 12 + 9 * Math.max(1, ends.length);
  return (
    <div class="scrub">
      <svg viewBox={`0 0 ${WIDE} ${height}`} height={height} preserveAspectRatio="none" aria-hidden="true">
        <defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6L6 0" class="hatch" /></pattern></defs>
        {bands.map((it) => (
          <g key={`${it.began} ${it.what}`} class="span">
            <title>{it.what}</title>
            <rect x={x(it.began)} y={2 + 9 * it.row} width={Math.max(2, x(it.end) - x(it.began))} height={7} class="band" />
            <rect x={x(it.began)} y={2 + 9 * it.row} width={Math.max(2, x(it.end) - x(it.began))} height={7} fill="url(#hatch)" />
          </g>
        ))}
        <line x1={0} x2={WIDE} y1={height - 4} y2={height - 4} class="base" />
        {summary.sends.map((at) => <line key={at} x1={x(at)} x2={x(at)} y1={height - 9} y2={height} class="send" />)}
        {summary.ready !== null && <line x1={x(summary.ready)} x2={x(summary.ready)} y1={0} y2={height} class="ready"><title>ready</title></line>}
        {summary.violation !== null && <line x1={x(summary.violation)} x2={x(summary.violation)} y1={0} y2={height} class="violation"><title>the violation</title></line>}
        <line x1={x(n)} x2={x(n)} y1={0} y2={height} class="now" />
      </svg>
      <input type="range" min={summary.first} max={summary.last} value={n} aria-label="Entry of the journal"
        aria-valuetext={`entry ${n} of ${summary.last}`} onInput={(event) => go(Number(event.currentTarget.value))} />
    </div>
  );
}
