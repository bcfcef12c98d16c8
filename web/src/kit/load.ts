/** Loading what a page shows: the last answer stays while the next is on its way, and late answers are dropped. */
import { useCallback, useEffect, useRef, useState } from "react";

import { useEvents } from "./events";

export interface Loaded<T> {
  value: T | undefined;
  error: unknown;
  /** True until the first answer, or after the inputs changed. */
  loading: boolean;
  reload: () => void;
}

export interface Live {
  /** Load anew when something of one of these kinds changes. */
  kinds?: readonly string[];
  /** Name or ARN of the thing itself, when only its changes count. */
  name?: string;
  /** Load anew every so many milliseconds: only for what no event announces, such as metrics. */
  every?: number | false;
}

/**
 * @param load what to do; it sees an abort signal that fires when nobody waits for the answer any more
 * @param inputs what the answer depends on, compared as JSON
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, inputs: unknown, live: Live = {}): Loaded<T> {
  const key = JSON.stringify(inputs);
  const [state, setState] = useState<{ key: string; value: T | undefined; error: unknown }>();
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });
  // a change that comes while an answer is on its way waits for it: else many changes would keep a slow one from ever being shown
  const flying = useRef(false);
  const missed = useRef(false);
  useEffect(() => {
    const aborter = new AbortController();
    [flying.current, missed.current] = [true, false];
    const landed = (next: Parameters<typeof setState>[0]) => {
      if (aborter.signal.aborted) return;
      flying.current = false;
      setState(next);
      if (missed.current) setTurn((t) => t + 1);
    };
    latest.current(aborter.signal).then(
      (value) => landed({ key, value, error: undefined }),
      (error: unknown) => landed((old) => ({ key, value: old?.key === key ? old.value : undefined, error })),
    );
    return () => aborter.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((t) => t + 1), []);
  const changed = useCallback(() => {
    if (flying.current) missed.current = true;
    else reload();
  }, [reload]);
  useEvents(live.kinds ?? [], changed, live.name);
  const every = live.every;
  useEffect(() => {
    if (!every) return undefined;
    // an answer that takes longer than that is waited for: else none would ever be shown
    const timer = setInterval(() => document.visibilityState === "visible" && !flying.current && reload(), every);
    return () => clearInterval(timer);
  }, [every, reload]);
  const known = state?.key === key;
  return { value: state?.value, error: known ? state.error : undefined, loading: !known, reload };
}
