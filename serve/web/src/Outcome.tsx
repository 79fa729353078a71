// What a run was judged by: checks, messages by device, faults, and the scenario.
import type { Check, Summary } from "./api";
import { Command, Scroll, Section } from "./parts";
import { count } from "./words";

const VERDICTS: Record<Check["verdict"], [sign: string, word: string]> = {
  holds: ["✓", "holds"], violated: ["✕", "violated"], reached: ["✓", "reached"],
  never: ["!", "never"], unknown: ["?", "unknown"],
};

export function Outcome({ summary, go }: { summary: Summary; go: (n: number) => void }) {
  // A record names the program that wrote it, and that can play it again.
  const [program = "fedsim"] = summary.program.split(" ");
  return (
    <>
      <Section id="checks" title="Checks">
        <Scroll label="Checks"><table class="checks">
          <thead><tr><th>check</th><th>kind</th><th>found</th><th class="num">judged</th><th class="num">at</th><th>evidence</th></tr></thead>
          <tbody>{sorted(summary.checks).map((it) => <CheckRow key={it.kind + it.name} check={it} go={go} />)}</tbody>
        </table></Scroll>
      </Section>
      {summary.messages.length > 0 && <Section id="messages" title="Messages"><Messages summary={summary} /></Section>}
      {summary.faults.length > 0 && (
        <Section id="faults" title="Faults">
          <Scroll label="Faults"><table>
            <thead><tr><th>fault</th><th>when</th><th class="num">from</th><th class="num">until</th><th class="num">requests touched</th></tr></thead>
            <tbody>{summary.faults.map((it, index) => (
              <tr key={index}>
                <th scope="row">{it.what}</th><td>{it.when}</td>
                <td class="num">{it.from ?? "never"}</td><td class="num">{it.until ?? (it.from ? "the end" : "")}</td>
                <td class="num">{it.hits === 0 ? <span class="doubtful">! inert</span> : it.requests}</td>
              </tr>
            ))}</tbody>
          </table></Scroll>
        </Section>
      )}
      <Section id="scenario" title="Scenario" open={false}>
        {summary.file !== null && <p class="hint">from {summary.file}</p>}
        <pre tabIndex={0} aria-label="The scenario">{summary.text}</pre>
      </Section>
      <Section id="commands" title="In a terminal" open={false}>
        <ul class="commands">
          <li>run it again: <Command text={`${program} replay ${summary.folder}`} /></li>
          {summary.status === "FAIL" && <li>make it smaller: <Command text={`${program} shrink ${summary.folder}`} /></li>}
          <li>a page that can be sent: <Command text={`${program} report ${summary.folder}`} /></li>
        </ul>
      </Section>
    </>
  );
}

/** Those that are violated first. */
function sorted(checks: Check[]): Check[] {
  const rank = (it: Check) => (it.verdict === "violated" ? 0 : it.verdict === "unknown" || it.verdict === "never" ? 1 : 2);
  return [...checks].sort((one, other) => rank(one) - rank(other));
}

function CheckRow({ check, go }: { check: Check; go: (n: number) => void }) {
  const [sign, word] = VERDICTS[check.verdict];
  const tone = check.verdict === "violated" ? "bad" : check.verdict === "never" || check.verdict === "unknown" ? "doubtful" : "";
  return (
    <tr>
      <th scope="row">{check.name}</th><td>{check.kind}</td>
      <td class={tone}><span aria-hidden="true">{sign}</span> {word}{check.must_break && ", as this design must"}{check.sentence && <span class="why">{check.sentence}</span>}</td>
      <td class="num">{check.judged.toLocaleString("en")} {check.of}</td><td class="num">{check.at}</td>
      <td class="evidence">{check.evidence.slice(0, 8).map((n) => <button type="button" class="link" key={n} onClick={() => go(n)}>#{n}</button>)}{check.evidence.length > 8 && ` and ${check.evidence.length - 8} more`}</td>
    </tr>
  );
}

function Messages({ summary }: { summary: Summary }) {
  const devices = [...new Set(summary.messages.flatMap((it) => it.copies.map((copy) => copy.device)))].slice(0, 24);
  const shown = summary.messages.slice(0, 60);
  const more = summary.messages.length - shown.length + summary.more_messages;
  return (
    <>
      <Scroll label="Messages by device"><table class="matrix">
        <thead><tr><th>message</th><th>from</th><th class="num">sent</th><th>outcome</th>{devices.map((it) => <th class="num" key={it}>{it}</th>)}</tr></thead>
        <tbody>{shown.map((message) => (
          <tr key={message.id}>
            <th scope="row">{message.id}</th><td>{message.from}</td><td class="num">{message.sent}</td><td>{message.outcome}</td>
            {devices.map((device) => {
              const copy = message.copies.find((it) => it.device === device);
              if (!copy) return <td key={device} />;
              const often = copy.times > 1 ? ` ×${copy.times}` : "";
              if (copy.seen !== null) return <td class="num" key={device}>{copy.seen}{often}</td>;
              const must = copy.presence === "member" && message.outcome === "ok";
              return <td key={device} class={must ? "num bad" : "num quiet"}>{must ? "✕ never" : "never"}</td>;
            })}
          </tr>
        ))}</tbody>
      </table></Scroll>
      {more > 0 && <p class="hint">and {count(more, "more message")}</p>}
    </>
  );
}
