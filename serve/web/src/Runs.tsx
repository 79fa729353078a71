// What lies in the folder: runs, failures that are the same one together, and searches.
import { useEffect, useRef, useState } from "preact/hooks";
import { to } from "./address";
import type { Glance, Listed, Overview, Status } from "./api";
import { useAnswer, useKeys, type Key } from "./hooks";
import { Command, Help, Problem, Scroll, Section, useTitle, Verdict } from "./parts";
import { ago, count } from "./words";

/** Runs that a table shows before somebody asks for more. */
const SHOWN = 100;

export function Runs() {
  useTitle("fedsim: runs");
  const { value, problem } = useAnswer<Overview>("overview", {}, (it) => {
    if (document.hidden) return 5000;
    if (it && it.unread > 0) return 50;
    return it?.explorations.some((search) => search.state !== "finished" && !search.is_silent) ? 1000 : 3000;
  });
  const [text, setText] = useState("");
  const [status, setStatus] = useState<Status | "">("");
  const [kind, setKind] = useState("");
  const [within, setWithin] = useState<string | null>(null);
  const [chosen, choose] = useState<string[]>([]);
  const [shown, show] = useState(SHOWN);
  const [help, setHelp] = useState(false);
  const filter = useRef<HTMLInputElement>(null);
  useEffect(() => show(SHOWN), [text, status, kind, within]);

  const runs = value?.runs ?? [];
  const fits = (run: Listed) =>
    (!status || run.status === status) && (within === null || folderOf(run.run) === within) && (!kind || run.signature === kind)
    && (!text || `${run.run} ${run.scenario} ${run.seed} ${run.sentence ?? ""}`.toLowerCase().includes(text.toLowerCase()));
  const passing = runs.filter(fits);
  const toggle = (run: string) =>
    choose((before) => (before.includes(run) ? before.filter((it) => it !== run) : [...before, run].slice(-2)));
  const compare = () => {
    const [left, right] = chosen;
    if (left !== undefined && right !== undefined) location.hash = to("compare", { left, right });
  };
  const links = () => [...document.querySelectorAll<HTMLAnchorElement>("a.stop")];
  const step = (by: number) => {
    const all = links();
    const now = all.findIndex((it) => it === document.activeElement);
    all[Math.max(0, Math.min(all.length - 1, now < 0 ? 0 : now + by))]?.focus();
  };
  const keys: Key[] = [
    ["j", "next run", () => step(1)],
    ["k", "run before", () => step(-1)],
    ["x", "choose the run for a comparison, or not", () => {
      const run = document.activeElement?.getAttribute("data-run");
      if (run != null) toggle(run);
    }],
    ["c", "compare the two runs that are chosen", compare],
    ["/", "filter", () => filter.current?.focus()],
    ["?", "these keys", () => setHelp(true)],
  ];
  useKeys(keys);

  const folders = [...new Set(runs.map((run) => folderOf(run.run)))].sort();
  const of = (wanted: Status) => runs.filter((run) => run.status === wanted).length;
  return (
    <>
      <a class="skip" href="#runs" onClick={(event) => { event.preventDefault(); links()[0]?.focus(); }}>Skip to the runs</a>
      <header class="top">
        <p class="over">fedsim serve</p>
        <h1>{value ? value.folder : "…"}</h1>
        {value && (
          <p class="facts" role="status">
            {count(runs.length, "run")}
            {(["FAIL", "UNKNOWN", "WARN", "PASS"] as Status[]).filter((it) => of(it) > 0).map((it) => `, ${of(it).toLocaleString("en")} ${it}`)}
            {value.unread > 0 && `; reading ${count(value.unread, "more run")} …`}
            {value.more > 0 && `; ${count(value.more, "older run")} are not listed`}
            {value.is_cut && "; the folder has more than is looked at"}
          </p>
        )}
      </header>
      <main>
        <Problem text={problem} />
        {value && value.explorations.length > 0 && <Searches all={value.explorations} />}
        {value && <Kinds runs={runs} kind={kind} choose={setKind} />}
        <Section id="runs" title="Runs">
          {value && runs.length === 0 && value.unread === 0 ? <Nothing folder={value.folder} /> : (
            <>
              <form class="filter" onSubmit={(event) => event.preventDefault()}>
                <label>name or sentence <input ref={filter} type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
                <label>verdict <select value={status} onChange={(event) => setStatus(event.currentTarget.value as Status | "")}>
                  <option value="">any</option>
                  {["FAIL", "UNKNOWN", "WARN", "PASS"].map((it) => <option key={it}>{it}</option>)}
                </select></label>
                {folders.length > 1 && (
                  <label>folder <select onChange={(event) => setWithin(event.currentTarget.selectedIndex === 0 ? null : folders[event.currentTarget.selectedIndex - 1] ?? null)}>
                    <option>any</option>
                    {folders.map((it) => <option key={it}>{it || value?.folder}</option>)}
                  </select></label>
                )}
                {kind && <button type="button" onClick={() => setKind("")}>all kinds of failures</button>}
                <span class="grow" />
                <span class="hint" role="status">{chosen.length === 0 ? "choose two runs to compare them" : chosen.length === 1 ? "choose one more" : ""}</span>
                <button type="button" class="main" disabled={chosen.length < 2} onClick={compare}>compare two runs</button>
              </form>
              <Table runs={passing.slice(0, shown)} chosen={chosen} toggle={toggle} />
              {passing.length > shown && (
                <p><button type="button" onClick={() => show(shown + 10 * SHOWN)}>show more of {count(passing.length, "run")}</button></p>
              )}
              {runs.length > 0 && passing.length === 0 && <p class="hint">No run is like that.</p>}
            </>
          )}
        </Section>
        {value && value.problems.length > 0 && (
          <Section id="problems" title="What cannot be read">
            <ul class="problems">{value.problems.map((it) => <li key={it}><span aria-hidden="true">! </span>{it}</li>)}</ul>
          </Section>
        )}
        <p class="hint">Keys: press <kbd>?</kbd> for a list.</p>
      </main>
      <Help keys={keys.slice(0, -1)} open={help} close={() => setHelp(false)} />
    </>
  );
}

function Nothing({ folder }: { folder: string }) {
  return (
    <>
      <p>There is no run in {folder} yet. One that is made while this page is open appears here by itself:</p>
      <p><Command text={`fedsim run --journal always --out ${folder}`} /></p>
    </>
  );
}

function Table({ runs, chosen, toggle }: { runs: Listed[]; chosen: string[]; toggle: (run: string) => void }) {
  return (
    <Scroll label="Runs">
      <table class="runs">
        <thead><tr>
          <th><span class="unseen">compare</span></th><th>verdict</th><th>run</th><th class="num">seed</th><th>found</th>
          <th class="num">simulated</th><th class="num">machines</th><th class="num">entries</th><th class="num">written</th>
        </tr></thead>
        <tbody>
          {runs.map((it) => (
            <tr key={it.run} class={chosen.includes(it.run) ? "chosen" : ""}>
              <td><input type="checkbox" checked={chosen.includes(it.run)} aria-label={`compare ${it.run || it.scenario}`} onChange={() => toggle(it.run)} /></td>
              <td><Verdict status={it.status} /></td>
              <th scope="row"><a class="stop" data-run={it.run} href={to("run", { run: it.run })}>{it.scenario}</a>{folderOf(it.run) && <span class="of"> in {folderOf(it.run)}</span>}</th>
              <td class="num">{it.seed}</td>
              <td class="found">{it.sentence ?? it.fact}</td>
              <td class="num">{it.simulated}</td>
              <td class="num">{it.machines}</td>
              <td class="num">{it.entries === null ? "many" : it.entries.toLocaleString("en")}</td>
              <td class="num">{ago(it.written_ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** The folder that a run's folder lies in: a campaign's, mostly. */
function folderOf(run: string): string {
  return run.includes("/") ? run.slice(0, run.lastIndexOf("/")) : "";
}

function Kinds({ runs, kind, choose }: { runs: Listed[]; kind: string; choose: (kind: string) => void }) {
  const kinds = new Map<string, number>();
  for (const run of runs) if (run.signature) kinds.set(run.signature, (kinds.get(run.signature) ?? 0) + 1);
  if (kinds.size === 0) return null;
  const sorted = [...kinds].sort((one, other) => other[1] - one[1]);
  return (
    <Section id="kinds" title="Failures that are the same one">
      <ul class="kinds">
        {sorted.slice(0, 20).map(([it, runs]) => (
          <li key={it}><button type="button" aria-pressed={kind === it} onClick={() => choose(kind === it ? "" : it)}>{count(runs, "run")}</button> {it}</li>
        ))}
        {sorted.length > 20 && <li class="hint">and {count(sorted.length - 20, "more kind")}</li>}
      </ul>
    </Section>
  );
}

export function searchWord(search: { state: string; doubt: string | null; is_silent: boolean }): [sign: string, word: string] {
  if (search.doubt) return ["?", search.doubt];
  if (search.state === "finished") return ["■", "finished"];
  if (search.is_silent) return ["?", "says nothing any more: it was ended, perhaps"];
  return search.state === "shrinking" ? ["▸", "making failures small"] : ["▸", "searching"];
}

function Searches({ all }: { all: Glance[] }) {
  return (
    <Section id="searches" title="Explorations">
      <ul class="searches">
        {all.map((it) => {
          const [sign, word] = searchWord(it);
          return (
            <li key={it.file}>
              <a class="stop" href={to("search", { file: it.file })}>{it.file}</a>{" "}
              <span class={`state ${it.is_silent || it.doubt ? "silent" : it.state}`}><span aria-hidden="true">{sign}</span> {word}</span>{" "}
              <span class="facts">
                {count(it.runs, "run")}, {count(it.situations, "situation")},{" "}
                {it.kinds > 0 ? <b class="bad">✕ {count(it.kinds, "kind")} of failures</b> : "no failure"}; {ago(it.written_ms)}
              </span>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
