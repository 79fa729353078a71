// What several views do: ask again when what they show changes, and listen to keys.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./api";

type Asked = Record<string, string | number | undefined>;

export interface Answered<T> { value: T | null; problem: string | null }

/**
 * Asks the program, and asks again when what is asked changes. What was answered before stays until
 * the next answer is there, so that a view does not flicker while somebody steps. With `again`, it
 * is asked once more after so many milliseconds, for as long as that is a number.
 */
export function useAnswer<T>(
  what: string, asked: Asked | null, again?: (value: T | null) => number | null,
): Answered<T> {
  const [answered, set] = useState<Answered<T>>({ value: null, problem: null });
  const key = asked === null ? null : JSON.stringify([what, asked]);
  const last = useRef(again);
  last.current = again;
  useEffect(() => {
    if (key === null || asked === null) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async () => {
      let value: T | null = null;
      try {
        value = await ask<T>(what, asked, stop.signal);
        if (!stop.signal.aborted) set({ value, problem: null });
      } catch (error) {
        if (stop.signal.aborted) return;
        const problem = error instanceof Error ? error.message : String(error);
        set((before) => ({ value: before.value, problem }));
      }
      const wait = last.current?.(value) ?? null;
      if (wait !== null && !stop.signal.aborted) timer = setTimeout(once, wait);
    };
    void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key]);
  return answered;
}

/** A key, what it does in a few words, and what it does. */
export type Key = [key: string, what: string, act: () => void];

/** Keys that work wherever nobody is typing; each by the name that the browser has for it. */
export function useKeys(keys: Key[]): void {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const at = event.target instanceof Element ? event.target : null;
      if (document.querySelector("dialog[open]")) return;
      if (at?.matches("input:not([type=range]):not([type=checkbox]), select, textarea")) {
        if (event.key === "Escape") (at as HTMLElement).blur();
        return;
      }
      // What a control does with its own keys, it keeps.
      if (at?.matches("button, a, summary, input") && [" ", "Enter"].includes(event.key)) return;
      if (at?.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
      const known = now.current.find(([key]) => key === event.key);
      if (!known) return;
      event.preventDefault();
      known[2]();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}

/** Whether the window is narrow, as the style has it. */
export function useNarrow(): boolean {
  const query = "(max-width: 44rem)";
  const [narrow, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const listen = () => set(list.matches);
    list.addEventListener("change", listen);
    return () => list.removeEventListener("change", listen);
  }, []);
  return narrow;
}
