// A search: how far it is, what it reached, and what it found; live while it goes on.
import { useState } from "preact/hooks";
import { to } from "./address";
import { ask, type Search as Told } from "./api";
import { useAnswer, useKeys } from "./hooks";
import { Command, Problem, Scroll, Section, useTitle } from "./parts";
import { searchWord } from "./Runs";
import { count, lasted } from "./words";

const HIGH = 236;
/** As wide as there is room: a picture that is drawn smaller than it is has figures that nobody can read. */
const wide = () => (document.documentElement.clientWidth < 640 ? 420 : 900);

export function Search({ file }: { file: string }) {
  const { value, problem } = useAnswer<Told>("exploration", { file }, (it) =>
    it?.state === "finished" ? 5000 : document.hidden ? 3000 : 600);
  useTitle(value ? `${value.kinds > 0 ? `✕ ${value.kinds} ` : ""}fedsim: ${value.state}` : "fedsim: a search");
  useKeys([["g", "all runs", () => { location.hash = to(""); }]]);
  return (
    <>
      <header class="top">
        <p class="over"><a href={to("")}>all runs</a> / {file}</p>
        <h1>{value?.campaign.id ? `Campaign ${value.campaign.id}` : "Exploration"}</h1>
      </header>
      <main>
        <Problem text={problem} />
        {value ? <Progress told={value} /> : !problem && <p role="status">Reading …</p>}
      </main>
    </>
  );
}

function Progress({ told }: { told: Told }) {
  const { campaign } = told;
  const [sign, word] = searchWord(told);
  const runs = told.passed + told.failed + told.unknown;
  const part = campaign.part[1] > 1 ? `, part ${campaign.part[0]} of ${campaign.part[1]}` : "";
  const goal = campaign.runs !== null ? runs / campaign.runs : campaign.time_ms !== null ? told.wall_ms / campaign.time_ms : null;
  const last = campaign.id ? "The last blocks" : "The last runs";
  const rate = told.wall_ms > 0 ? Math.round((runs * 1000) / told.wall_ms) : 0;
  return (
    <>
      <p><span class={`state ${told.is_silent ? "silent" : told.state}`} role="status"><span aria-hidden="true">{sign}</span> {word}</span></p>
      <p class="facts">
        {count(campaign.scenarios.length, "scenario")}, {campaign.ways.join(" + ")}, seed {campaign.seed}{part}{campaign.threads > 0 && `, ${count(campaign.threads, "thread")}`}; {lasted(told.wall_ms)}
      </p>
      {goal !== null && told.state !== "finished" && (
        <p><progress max={1} value={Math.min(1, goal)} aria-label="How far it is" /><span class="hint"> {campaign.runs !== null ? `of at most ${count(campaign.runs, "run")}` : `of at most ${lasted(campaign.time_ms ?? 0)}`}</span></p>
      )}
      <ul class="figures">
        <li><b>{runs.toLocaleString("en")}</b><span>runs, {rate.toLocaleString("en")}/s</span></li>
        <li><b>{told.passed.toLocaleString("en")}</b><span>passed</span></li>
        <li><b class={told.failed > 0 ? "bad" : ""}>{told.failed > 0 && <span aria-hidden="true">✕ </span>}{told.failed.toLocaleString("en")}</b><span>failed, in {count(told.kinds, "kind")}</span></li>
        {told.unknown > 0 && <li><b class="doubtful">? {told.unknown.toLocaleString("en")}</b><span>unknown</span></li>}
        <li><b>{told.situations.toLocaleString("en")}</b><span>situations{told.unseen !== null && `, about ${told.unseen.toLocaleString("en")} more in reach`}</span></li>
      </ul>
      <Curve told={told} />
      <Section id="failures" title="What it found">
        {told.failures.length === 0 ? <p>{told.state === "finished" ? "No failure." : "No failure so far."}</p>
          : told.failures.map((it) => <Kind key={`${it.found_at} ${it.check} ${it.sentence}`} kind={it} told={told} />)}
        {told.kinds > told.failures.length && <p class="hint">and {count(told.kinds - told.failures.length, "more kind")}</p>}
      </Section>
      <Section id="last" title={last}>
        <Scroll label={last}><table>
          <thead><tr><th class="num">{campaign.id ? "block" : "run"}</th><th>way</th><th>scenario</th><th>what came of it</th>{!campaign.id && <th class="num">new situations</th>}</tr></thead>
          <tbody>{[...told.last].reverse().map((it) => (
            <tr key={it.number}>
              <td class="num">{it.number.toLocaleString("en")}</td><td>{it.way}</td><th scope="row">{it.scenario}</th>
              <td class={it.end === "passed" ? "" : "bad"}>{it.end === "passed" ? "✓ passed" : it.end === "unknown" ? "? unknown" : `✕ ${it.end}`}</td>
              {!campaign.id && <td class="num">{it.news > 0 ? it.news : ""}</td>}
            </tr>
          ))}</tbody>
        </table></Scroll>
      </Section>
      <Section id="ways" title="Runs by way of searching" open={false}>
        <Scroll label="Runs by way of searching"><table>
          <thead><tr><th>way</th><th class="num">runs</th></tr></thead>
          <tbody>{Object.entries(told.ways).map(([way, runs]) => <tr key={way}><th scope="row">{way}</th><td class="num">{runs.toLocaleString("en")}</td></tr>)}</tbody>
        </table></Scroll>
      </Section>
    </>
  );
}

/** Situations over runs, with a line where each kind of failure was first found. */
function Curve({ told }: { told: Told }) {
  const { points } = told.curve;
  const last = points.at(-1);
  if (points.length < 2 || !last) return <p class="hint">A curve is drawn from the second run on.</p>;
  const [WIDE, left, right, top, bottom] = [wide(), 48, 12, 34, 24];
  const x = (runs: number) => left + (runs / Math.max(1, last.runs)) * (WIDE - left - right);
  const y = (situations: number) => HIGH - bottom - (situations / Math.max(1, last.situations)) * (HIGH - top - bottom);
  const path = points.map((it, index) => `${index === 0 ? "M" : "L"}${x(it.runs).toFixed(1)} ${y(it.situations).toFixed(1)}`).join("");
  return (
    <svg class="curve" viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="xMinYMid meet" role="img" aria-label={`Situations reached over runs: ${last.situations} after ${last.runs} runs, ${points[Math.floor(points.length / 2)]?.situations} at half of that.`}>
      <line class="axis" x1={left} x2={WIDE - right} y1={HIGH - bottom} y2={HIGH - bottom} />
      <line class="axis" x1={left} x2={left} y1={top} y2={HIGH - bottom} />
      <text x={left - 6} y={y(last.situations) + 4} text-anchor="end">{last.situations.toLocaleString("en")}</text>
      <text x={left - 6} y={HIGH - bottom} text-anchor="end">0</text>
      <text x={left} y={12}>situations</text>
      <text x={WIDE - right} y={HIGH - 6} text-anchor="end">{last.runs.toLocaleString("en")} runs</text>
      {told.failures.filter((it) => it.found_at <= last.runs).slice(0, 40).map((it) => (
        <g key={`${it.found_at} ${it.check} ${it.sentence}`}>
          <title>{told.campaign.id ? `after ${count(it.found_at, "run")}: ${it.check}` : `run ${it.found_at}: ${it.check}`}</title>
          <line class="kind" x1={x(it.found_at)} x2={x(it.found_at)} y1={top} y2={HIGH - bottom} />
          <text class="kind" x={x(it.found_at)} y={top - 4} text-anchor="middle">✕</text>
        </g>
      ))}
      <path class="line" d={path} />
    </svg>
  );
}

function Kind({ kind, told }: { kind: Told["failures"][number]; told: Told }) {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const path = kind.file === null ? null : `${told.way}${told.way ? "/" : ""}${kind.file}`;
  const show = async () => {
    if (text !== null || path === null) return setText(null);
    try {
      setText((await ask<{ text: string }>("scenario", { file: path })).text);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <article class="kind-of">
      <h3><span class="bad"><span aria-hidden="true">✕</span> {kind.check}</span></h3>
      {kind.story.length > 0 ? kind.story.map((line) => <p key={line}>{line}</p>) : <p>{kind.sentence}</p>}
      <p class="hint">Seen in {count(kind.runs, "run")}, first {told.campaign.id ? `after ${count(kind.found_at, "run")}` : `in run ${kind.found_at.toLocaleString("en")}`} ({kind.way}).</p>
      {path !== null && (
        <>
          <p><Command text={`fedsim run ${told.folder}/${kind.file}`} /> <button type="button" onClick={show} aria-expanded={text !== null}>{text === null ? "show the scenario" : "hide it"}</button></p>
          <Problem text={problem} />
          {text !== null && <pre tabIndex={0} aria-label="The scenario">{text}</pre>}
        </>
      )}
    </article>
  );
}
