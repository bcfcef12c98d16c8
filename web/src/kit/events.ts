/** One stream of events for the whole application: which kinds of things changed, so that what shows them loads anew. */
import { useEffect, useRef, useSyncExternalStore } from "react";

import { eventsUrl } from "./server";

/** A thing that changed: its kind as its ARN's API calls it ("TrainingJob"), and its name where one is known. */
export interface Change {
  Kind: string;
  Name?: string;
  Arn?: string;
  Status?: string;
  Deleted?: boolean;
}

type Listener = (change: Change) => void;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let source: EventSource | undefined;
let state: "connecting" | "live" | "off" = "off";

function become(next: typeof state): void {
  if (state === next) return;
  state = next;
  watchers.forEach((w) => w());
}

/** A page that is left may be kept whole by the browser, its connection with it; a browser has six for all of them. */
function restored({ persisted }: PageTransitionEvent): void {
  if (!persisted) return;
  listen();
  listeners.forEach((l) => l({ Kind: "*" }));
}

/** Open the stream; the browser itself takes it up again when it breaks. */
export function listen(): void {
  if (source) return;
  addEventListener("pagehide", hangUp);
  addEventListener("pageshow", restored);
  become("connecting");
  source = new EventSource(eventsUrl());
  source.onopen = () => become("live");
  source.onerror = () => become(source?.readyState === EventSource.CLOSED ? "off" : "connecting");
  source.addEventListener("change", (event: MessageEvent<string>) => {
    const change = JSON.parse(event.data) as Change;
    listeners.forEach((l) => l(change));
  });
  // what changed meanwhile, nobody said: everything shown is loaded anew
  source.addEventListener("resync", () => listeners.forEach((l) => l({ Kind: "*" })));
}

export function hangUp(): void {
  source?.close();
  source = undefined;
  become("off");
}

/** Milliseconds in which any number of changes lead to one reload. */
const GATHER = 150;

/** Call `changed` soon after something of one of the kinds (and, when given, of that name) has changed. */
export function useEvents(kinds: readonly string[], changed: () => void, name?: string): void {
  const latest = useRef(changed);
  useEffect(() => {
    latest.current = changed;
  });
  const key = kinds.join(" ");
  useEffect(() => {
    if (!key) return undefined;
    const wanted = new Set(key.split(" "));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listener: Listener = ({ Kind, Name }) => {
      if (Kind !== "*" && (!wanted.has(Kind) || (name && Name && Name !== name))) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        latest.current();
      }, GATHER);
    };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      clearTimeout(timer);
    };
  }, [key, name]);
}

/** Whether changes arrive by themselves just now. */
export function useStream(): typeof state {
  return useSyncExternalStore(
    (watch) => {
      watchers.add(watch);
      return () => watchers.delete(watch);
    },
    () => state,
  );
}
