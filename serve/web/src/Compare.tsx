// Two runs side by side: what came of each, and where their journals part.
import { useEffect, useMemo, useState } from "preact/hooks";
import { note, to } from "./address";
import type { Difference, Filter, Side } from "./api";
import { beside, sideOf } from "./beside";
import { useAnswer, useKeys, type Key } from "./hooks";
import { Journal, useRows } from "./Journal";
import { Help, Problem, Scroll, Section, Spoken, useTitle, Verdict } from "./parts";
import { count, result, sentence, what, where } from "./words";

const EVERYTHING: Filter = { node: "", message: "", kind: "", text: "" };

export function Compare({ left, right, at }: { left: string; right: string; at: number | null }) {
  useTitle("fedsim: two runs");
  const { value, problem } = useAnswer<Difference>("difference", { left, right });
  return (
    <>
      <header class="top">
        <p class="over"><a href={to("")}>all runs</a></p>
        <h1>Two runs</h1>
      </header>
      <main>
        <Problem text={problem} />
        {value ? <Pair left={left} right={right} difference={value} at={at} /> : !problem && <p role="status">Reading both runs …</p>}
      </main>
    </>
  );
}

/** Says where the journals part. */
function parting(difference: Difference): string {
  const { left, right, same_bytes, same_words } = difference;
  const most = Math.max(left.entries, right.entries);
  if (same_bytes === most) return `Their journals are the same, all ${count(most, "entry", "entries")}.`;
  const words = same_words === most
    ? "but every entry says the same"
    : `and entry #${same_words + 1} is the first that says something else`;
  return same_bytes === same_words
    ? `The first ${count(same_bytes, "entry", "entries")} are the same; entry #${same_bytes + 1} is the first difference.`
    : `Entry #${same_bytes + 1} is the first that carried something else or came at another time, ${words}.`;
}

function Pair({ left, right, difference, at }: { left: string; right: string; difference: Difference; at: number | null }) {
  const { same_words, same_bytes, pieces, outcomes, more_outcomes } = difference;
  const aligned = useMemo(() => beside(pieces), [pieces]);
  const longest = aligned.total;
  const most = Math.max(difference.left.entries, difference.right.entries);
  const first = Math.min(same_words < most ? same_words : same_bytes, Math.max(0, longest - 1));
  const [place, setPlace] = useState(at === null ? first : at - 1);
  const [help, setHelp] = useState(false);
  const all = [useRows(left, EVERYTHING), useRows(right, EVERYTHING)] as const;
  const rows = [sideOf(all[0], aligned, "left"), sideOf(all[1], aligned, "right")] as const;
  useEffect(() => note({ at: place + 1 }), [place]);
  const go = (wanted: number) => setPlace(Math.max(0, Math.min(longest - 1, wanted)));
  const mark = (at: number) => {
    const row = aligned.row(at);
    if (!row || row.same) return "";
    return row.left === null || row.right === null ? "alone" : "differs";
  };
  const leap = (step: 1 | -1) => go(aligned.parting(place, step) ?? place);
  const keys: Key[] = [
    ["j", "next entry of both", () => go(place + 1)],
    ["k", "entry before, of both", () => go(place - 1)],
    ["ArrowDown", "next entry of both", () => go(place + 1)],
    ["ArrowUp", "entry before, of both", () => go(place - 1)],
    ["PageDown", "20 entries on", () => go(place + 20)],
    ["PageUp", "20 entries back", () => go(place - 20)],
    ["Home", "the first entry", () => go(0)],
    ["End", "the last entry", () => go(longest - 1)],
    ["d", "the first difference", () => go(first)],
    ["n", "where they part next, after what is the same again", () => leap(1)],
    ["p", "where they part before", () => leap(-1)],
    ["g", "all runs", () => { location.hash = to(""); }],
    ["?", "these keys", () => setHelp(true)],
  ];
  useKeys(keys);
  const now = [rows[0].at(place), rows[1].at(place)];
  const kind = mark(place);
  const differ = { "": "", differs: "they differ here", alone: `only the run on the ${aligned.row(place)?.left === null ? "right" : "left"} has this` }[kind] ?? "";
  return (
    <>
      <section class="verdict unknown parting" aria-label="The first difference">
        <p class="sentence">{parting(difference)}</p>
        <p class="hint">{difference.same_scenario ? "Both were played from the same scenario" : "They were played from different scenarios"}{difference.left.seed === difference.right.seed ? " with the same seed." : `, with seeds ${difference.left.seed} and ${difference.right.seed}.`}</p>
      </section>
      <div class="cockpit">
        <div class="buttons" role="group" aria-label="Steps">
          <button type="button" onClick={() => go(place - 1)} disabled={place <= 0}><span aria-hidden="true">◂ </span>before</button>
          <button type="button" class="main" onClick={() => go(place + 1)} disabled={place >= longest - 1}>next<span aria-hidden="true"> ▸</span></button>
          <button type="button" onClick={() => go(first)}><span aria-hidden="true">≠ </span>the first difference</button>
          <button type="button" onClick={() => leap(1)} disabled={aligned.parting(place, 1) === null}><span aria-hidden="true">≠ </span>the next one</button>
          <span class="position"><b>#{place + 1}</b> of {longest.toLocaleString("en")}{differ && <b class="bad"> {kind === "alone" ? "+" : "≠"} {differ}</b>}</span>
        </div>
        <Spoken text={["left: ", "right: "].map((side, index) => { const entry = now[index]; return side + (entry ? sentence(entry) : "nothing") + ". "; }).join("") + differ} />
      </div>
      <div class="pair">
        {([[left, difference.left, rows[0], "left"], [right, difference.right, rows[1], "right"]] as const).map(([run, side, its, name], index) => (
          <section key={name} aria-label={`The run on the ${name}`}>
            <Head run={run} side={side} at={now[index]?.n} />
            <p class="sentence-now">{now[index] ? <><b>{where(now[index])}</b> {what(now[index])} <span class="result">{result(now[index])}</span></> : now[index] === null ? "nothing here" : ""}</p>
            <div>
              <Problem text={its.problem} />
              <Journal rows={its} place={Math.min(place, Math.max(0, its.total - 1))} go={go} mark={mark} label={`Journal on the ${name}`} />
            </div>
          </section>
        ))}
      </div>
      {difference.is_cut && <p class="hint">They have so little in common that the end of their journals is not aligned: there, entries stand beside each other as they come.</p>}
      <Section id="outcomes" title="What came of them">
        {outcomes.length === 0 ? <p>The same: every check, every fault, and each message at each device.</p> : (
          <>
            <Scroll label="What came of them"><table class="outcomes">
              <thead><tr><th>what is not the same</th><th>left</th><th>right</th></tr></thead>
              <tbody>{outcomes.map((it) => <tr key={it.what}><th scope="row">{it.what}</th><td>{it.left}</td><td>{it.right}</td></tr>)}</tbody>
            </table></Scroll>
            {more_outcomes > 0 && <p class="hint">and {more_outcomes.toLocaleString("en")} more</p>}
          </>
        )}
      </Section>
      <p class="hint">Keys: press <kbd>?</kbd> for a list.</p>
      <Help keys={keys.slice(0, -1)} open={help} close={() => setHelp(false)} />
    </>
  );
}

function Head({ run, side, at }: { run: string; side: Side; at: number | undefined }) {
  return (
    <>
      <h2><a href={to("run", at === undefined ? { run } : { run, at })}>{side.scenario}</a> <span class="of">seed {side.seed}{run.includes("/") ? `, ${run}` : ""}</span></h2>
      <p class="found"><Verdict status={side.status} /> {side.sentence ?? "Everything that was promised was kept."}</p>
    </>
  );
}
