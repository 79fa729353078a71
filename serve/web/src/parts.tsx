// Small parts of several views.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Status } from "./api";
import type { Key } from "./hooks";
import { SIGNS } from "./words";

/** A verdict: a sign, a word, and a color, so that it is never the color alone. */
export function Verdict({ status }: { status: Status }) {
  return <span class={`chip ${status.toLowerCase()}`}><span aria-hidden="true">{SIGNS[status]}</span> {status}</span>;
}

export function Problem({ text }: { text: string | null }) {
  return text ? <p class="problem" role="alert"><span aria-hidden="true">! </span>{text}</p> : null;
}

export function Section({ id, title, open = true, children }: {
  id: string; title: string; open?: boolean; children: ComponentChildren;
}) {
  return (
    <details class="section" id={id} open={open}>
      <summary><h2>{title}</h2></summary>
      {children}
    </details>
  );
}

/** What is said to those who hear the page; the list says it itself while it has the focus. */
export function Spoken({ text }: { text: string }) {
  const list = document.activeElement?.classList.contains("list");
  return <p class="unseen" role="status">{list ? "" : text}</p>;
}

/** A table that scrolls by itself where it is too wide, also by keys. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="scroll" tabIndex={0} role="region" aria-label={label}>{children}</div>;
}

export function Command({ text }: { text: string }) {
  const [said, say] = useState("copy");
  const code = useRef<HTMLElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("copied");
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current);
      say("selected");
    }
    setTimeout(() => say("copy"), 1500);
  };
  return (
    <span class="commandline">
      <code class="command" ref={code} tabIndex={0}>{text}</code>
      <button type="button" onClick={copy} aria-label={`copy ${text}`}>{said}</button>
    </span>
  );
}

/** The keys of a view, on a sheet that `?` opens. */
export function Help({ keys, open, close }: { keys: Key[]; open: boolean; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} onClose={close} aria-label="Keys">
      <h2>Keys</h2>
      <dl>
        {keys.map(([key, what]) => (
          <div key={key}><dt><kbd>{key === " " ? "space" : key}</kbd></dt><dd>{what}</dd></div>
        ))}
        <div><dt><kbd>?</kbd></dt><dd>these keys</dd></div>
      </dl>
      <button type="button" onClick={close}>close</button>
    </dialog>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}
