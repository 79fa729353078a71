// One run, stepped through: the journal, where the reader stands in it, and every machine there.
import { useEffect, useRef, useState } from "preact/hooks";
import { note, to } from "./address";
import { ask, type Listing, type Filter, type Moment, type Summary, type Told } from "./api";
import { EntryPanel } from "./EntryPanel";
import { useAnswer, useKeys, type Key } from "./hooks";
import { Journal, useRows } from "./Journal";
import { Machines } from "./Machines";
import { Outcome } from "./Outcome";
import { Help, Problem, Spoken, useTitle, Verdict } from "./parts";
import { canDraw, Picture } from "./Picture";
import { Scrub } from "./Scrub";
import { count, PHASES, result, sentence, what, where } from "./words";

const EVERYTHING: Filter = { node: "", message: "", kind: "", text: "" };
/** Milliseconds between two entries while it plays by itself. */
const PACE = 350;

export function Run({ run, at }: { run: string; at: number | null }) {
  const { value: summary, problem } = useAnswer<Summary>("run", { run });
  useTitle(summary ? `${summary.status} ${summary.scenario} (seed ${summary.seed})` : "fedsim: a run");
  if (!summary) {
    return (
      <>
        <header class="top"><p class="over"><a href={to("")}>all runs</a></p><h1>{run}</h1></header>
        <main>{problem ? <Problem text={problem} /> : <p role="status">Reading the run …</p>}</main>
      </>
    );
  }
  return <Stepped key={run} summary={summary} at={at} />;
}

function Stepped({ summary, at }: { summary: Summary; at: number | null }) {
  const { run } = summary;
  const [n, setN] = useState(at ?? summary.violation ?? summary.ready ?? summary.first);
  const [place, setPlace] = useState(0);
  const [filter, setFilter] = useState(EVERYTHING);
  const [plays, setPlays] = useState(false);
  const [help, setHelp] = useState(false);
  const text = useRef<HTMLInputElement>(null);
  const rows = useRows(run, filter);
  const asked = summary.entries > 0 ? { run, n } : null;
  const { value: moment, problem } = useAnswer<Moment>("state", asked);
  const { value: told } = useAnswer<Told>("entry", asked);
  const entry = told?.entry.n === n ? told.entry : null;

  // Where the entry is among those that pass the filter: the program knows.
  const find = async (wanted: number, of: Filter) => {
    const answer = await ask<Listing>("entries", { run, ...of, near: wanted, count: 1 });
    if (answer.place === null || answer.total === 0) return;
    const found = await ask<Listing>("entries", { run, ...of, offset: answer.place, count: 1 });
    const nearest = found.entries[0];
    setPlace(answer.place);
    if (nearest) setN(nearest.n);
  };
  useEffect(() => { if (summary.entries > 0) find(n, filter).catch(() => undefined); }, [JSON.stringify(filter)]);
  useEffect(() => note({ at: n }), [n]);
  useEffect(() => { if (at !== null && at !== n) goTo(at); }, [at]);

  const step = (by: number) => goPlace(place + by);
  const goPlace = (wanted: number) => {
    const next = Math.max(0, Math.min(rows.total - 1, wanted));
    setPlace(next);
    const known = rows.at(next);
    if (known) setN(known.n);
    else ask<Listing>("entries", { run, ...filter, offset: next, count: 1 }).then((answer) => {
      const [found] = answer.entries;
      if (found) setN(found.n);
    }).catch(() => undefined);
  };
  const goTo = (wanted: number) => {
    setPlays(false);
    const isAll = JSON.stringify(filter) === JSON.stringify(EVERYTHING);
    if (!isAll) return setFilter(EVERYTHING), setN(wanted);
    setN(wanted);
    find(wanted, filter).catch(() => undefined);
  };
  const follow = () => {
    const message = filter.message ? "" : entry?.message;
    if (message !== null && message !== undefined) setFilter({ ...filter, message });
  };
  const nextFault = (by: number) => {
    const ends = summary.spans.flatMap((it) => [it.began, it.ended ?? it.began]).sort((one, other) => one - other);
    const next = by > 0 ? ends.find((it) => it > n) : ends.reverse().find((it) => it < n);
    if (next !== undefined) goTo(next);
  };
  useEffect(() => {
    if (!plays) return;
    if (place >= rows.total - 1) return setPlays(false);
    const timer = setTimeout(() => step(1), PACE);
    return () => clearTimeout(timer);
  }, [plays, place, rows.total]);

  const keys: Key[] = [
    ["j", "next entry", () => step(1)],
    ["k", "entry before", () => step(-1)],
    ["ArrowDown", "next entry", () => step(1)],
    ["ArrowUp", "entry before", () => step(-1)],
    ["PageDown", "20 entries on", () => step(20)],
    ["PageUp", "20 entries back", () => step(-20)],
    ["Home", "the first entry", () => goPlace(0)],
    ["End", "the last entry", () => goPlace(rows.total - 1)],
    [" ", "play, or stop", () => setPlays(!plays)],
    ["v", "the violation", () => { if (summary.violation !== null) goTo(summary.violation); }],
    ["n", "where the next fault begins or ends", () => nextFault(1)],
    ["p", "where the fault before began or ended", () => nextFault(-1)],
    ["c", "the entry that led to this one", () => { if (entry?.cause) goTo(entry.cause); }],
    ["f", "only entries about this one's message, or all again", follow],
    ["/", "filter the journal", () => text.current?.focus()],
    ["Escape", "show all entries", () => { setPlays(false); setFilter(EVERYTHING); }],
    ["g", "all runs", () => { location.hash = to(""); }],
    ["?", "these keys", () => setHelp(true)],
  ];
  useKeys(keys);
  // A link to an entry of this run is a step, and not another page.
  const steps = (event: MouseEvent) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-at]") : null;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goTo(Number(link.getAttribute("data-at")));
  };

  const isFiltered = rows.total < summary.entries;
  return (
    <div onClick={steps}>
      <a class="skip" href="#stepping" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>(".list")?.focus(); }}>Skip to the journal</a>
      <header class="top">
        <p class="over"><a href={to("")}>all runs</a> / {summary.folder}</p>
        <h1>{summary.scenario} <span class="seed">seed {summary.seed}</span></h1>
        <p class="about">{summary.about}</p>
        <p class="facts">{count(summary.machines.length, "machine")}, {count(summary.messages.length + summary.more_messages, "message")}, {count(summary.faults.length, "fault")}, {count(summary.entries, "entry", "entries")}; {summary.simulated} simulated by {summary.program}</p>
      </header>
      <main>
        <section class={`verdict ${summary.status.toLowerCase()}`} aria-label="Verdict">
          <p class="word"><Verdict status={summary.status} /></p>
          <p class="sentence">{summary.sentence ?? (summary.weaknesses.length > 0 ? "Everything that was promised was kept, but this proves less than it seems." : "Everything that was promised was kept.")}</p>
          {summary.weaknesses.length > 0 && summary.status !== "FAIL" && <ul>{summary.weaknesses.slice(0, 10).map((it) => <li key={it}>{it}</li>)}</ul>}
        </section>
        {summary.entries === 0 ? <p>Its journal is empty: nothing happened.</p> : (
          <section class="stepping" id="stepping" aria-label="Step by step">
            <div class="cockpit">
              <Scrub summary={summary} n={n} go={goTo} />
              <div class="buttons" role="group" aria-label="Steps">
                <button type="button" onClick={() => step(-1)} disabled={place <= 0}><span aria-hidden="true">◂ </span>before</button>
                <button type="button" class="main" onClick={() => step(1)} disabled={place >= rows.total - 1}>next<span aria-hidden="true"> ▸</span></button>
                <button type="button" onClick={() => setPlays(!plays)} aria-pressed={plays}>{plays ? "stop" : "play"}</button>
                {summary.violation !== null && <button type="button" class="to-violation" onClick={() => goTo(summary.violation ?? 0)}><span aria-hidden="true">✕ </span>the violation</button>}
                <span class="position"><b>#{n}</b> of {summary.last.toLocaleString("en")}{entry && <>, {entry.at}</>}{moment && <>; {PHASES[moment.phase]}</>}</span>
              </div>
              {entry && <p class="sentence-now"><b>{where(entry)}</b> {what(entry)} <span class="result">{result(entry)}</span></p>}
            </div>
            <h2 class="unseen">Step by step</h2>
            <Spoken text={entry ? sentence(entry) : ""} />
            <Problem text={problem ?? rows.problem} />
            <div class="split">
              <div class="left">
                <form class="filter" role="search" aria-label="Journal" onSubmit={(event) => event.preventDefault()}>
                  <label>machine <select value={filter.node} onChange={(event) => setFilter({ ...filter, node: event.currentTarget.value })}>
                    <option value="">any</option>{summary.machines.map((it) => <option key={it.name}>{it.name}</option>)}
                  </select></label>
                  <label>message <select value={filter.message} onChange={(event) => setFilter({ ...filter, message: event.currentTarget.value })}>
                    <option value="">any</option>{summary.messages.map((it) => <option key={it.id}>{it.id}</option>)}
                  </select></label>
                  <label>kind <select value={filter.kind} onChange={(event) => setFilter({ ...filter, kind: event.currentTarget.value })}>
                    <option value="">any</option><option value="requests">requests</option><option value="clients">clients</option>
                    <option value="faults">faults, starts</option><option value="disks">disks</option><option value="evidence">evidence</option>
                  </select></label>
                  <label>says <input ref={text} type="search" value={filter.text} onInput={(event) => setFilter({ ...filter, text: event.currentTarget.value })} /></label>
                </form>
                <p class="hint" role="status">{isFiltered ? <>{count(rows.total, "entry", "entries")} of {summary.entries.toLocaleString("en")} <button type="button" onClick={() => setFilter(EVERYTHING)}>show all</button></> : count(rows.total, "entry", "entries")}</p>
                <Journal rows={rows} place={place} go={goPlace} violation={summary.violation} label="Journal" />
                {told && <EntryPanel told={told} go={goTo} />}
              </div>
              <div class="right">
                {moment && (canDraw(summary.machines)
                  ? <Picture summary={summary} moment={moment} entry={entry} />
                  : <p class="hint">{count(summary.machines.length, "machine")} are too many for a picture; those that something happens to are told below.</p>)}
                {moment && moment.faults.length > 0 && (
                  <p class="in-force"><b>! in force:</b> {moment.faults.map((it, index) => <span key={it.began}>{index > 0 && "; "}{it.what} <a href={to("run", { run, at: it.began })} data-at={it.began}>#{it.began}</a></span>)}</p>
                )}
                {moment && <h2 class="after">Machines after entry {moment.n}</h2>}
                {moment && <Machines run={run} moment={moment} />}
              </div>
            </div>
          </section>
        )}
        <Outcome summary={summary} go={(wanted) => { goTo(wanted); document.getElementById("stepping")?.scrollIntoView(); }} />
        <p class="hint">Keys: press <kbd>?</kbd> for a list.</p>
      </main>
      <Help keys={keys.slice(0, -1)} open={help} close={() => setHelp(false)} />
    </div>
  );
}
