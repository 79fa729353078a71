// One entry: what it carried, what led to it, and what it led to.
import { useState } from "preact/hooks";
import type { Entry, Told } from "./api";
import { Problem } from "./parts";
import { count, result, sign, size, what, where } from "./words";

/** Causes that are shown before somebody asks for the whole chain. */
const CHAIN = 6;

/** Returns a body as people read it: JSON with a line for each part. */
function readable(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

export function EntryPanel({ told, go }: { told: Told; go: (n: number) => void }) {
  const { body, bytes, no_body, causes, effects, more_effects, same_request, line } = told;
  const [whole, setWhole] = useState(false);
  const earlier = whole ? 0 : Math.max(0, causes.length - CHAIN);
  const isCut = body !== null && new TextEncoder().encode(body).length < bytes;
  return (
    <div class="entry">
      {body !== null && bytes > 0 && (
        <><h3>What it carried <span class="of">{size(bytes)}{isCut && ", the beginning"}</span></h3><pre tabIndex={0} aria-label="What it carried">{isCut ? body : readable(body)}</pre></>
      )}
      {body !== null && bytes === 0 && <p class="hint">It carried nothing.</p>}
      <Problem text={no_body} />
      {same_request.length > 1 && <List title="The same request" entries={same_request} now={told.entry.n} go={go} />}
      <List title="What led to it" entries={causes.slice(earlier)} now={told.entry.n} go={go} none="Nothing in the journal: it came by itself." />
      {earlier > 0 && <p><button type="button" onClick={() => setWhole(true)}>{count(earlier, "earlier cause")}</button></p>}
      <List title="What it led to" entries={effects} now={told.entry.n} go={go} none="Nothing in the journal." />
      {more_effects > 0 && <p class="hint">and {count(more_effects, "more entry", "more entries")}</p>}
      <details class="more"><summary>the journal's own line</summary><pre tabIndex={0} aria-label="The journal's own line">{line}</pre></details>
    </div>
  );
}

function List({ title, entries, now, go, none }: {
  title: string; entries: Entry[]; now: number; go: (n: number) => void; none?: string;
}) {
  return (
    <>
      <h3>{title}</h3>
      {entries.length === 0 ? <p class="hint">{none}</p> : (
        <ul class="entries">
          {entries.map((it) => (
            <li key={it.n} class={it.n === now ? "now" : ""}>
              <button type="button" class="link" onClick={() => go(it.n)} aria-current={it.n === now ? "true" : undefined}>#{it.n}</button>
              <span class="at">{it.at}</span>
              <span><b>{where(it)}</b> <span aria-hidden="true">{sign(it)} </span>{what(it)} <span class="result">{result(it)}</span></span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
