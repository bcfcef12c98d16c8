/** Times as people say them; the exact one is a hover, or a click on any of them, away. */
import { useSyncExternalStore } from "react";

import { stored } from "./stored";

const absolute = stored("times", "relative");
let now = Date.now();
const ticking = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for all times on a page. */
function subscribe(tick: () => void): () => void {
  ticking.add(tick);
  timer ??= setInterval(() => {
    now = Date.now();
    ticking.forEach((t) => t());
  }, 1000);
  return () => {
    ticking.delete(tick);
    if (ticking.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];

export function ago(at: Date, from = Date.now()): string {
  const seconds = Math.round((at.getTime() - from) / 1000);
  for (const [unit, size] of STEPS) if (Math.abs(seconds) >= size) return words.format(Math.trunc(seconds / size), unit);
  return Math.abs(seconds) < 2 ? "just now" : words.format(seconds, "second");
}

export function RelativeTime({ at }: { at: Date | undefined }) {
  useSyncExternalStore(subscribe, () => (at && Date.now() - at.getTime() < 3_600_000 ? Math.floor(now / 1000) : Math.floor(now / 60_000)));
  const mode = absolute.use();
  if (!at) return <>–</>;
  const [shown, hidden] = mode === "absolute" ? [exact.format(at), ago(at)] : [ago(at), exact.format(at)];
  return (
    <time dateTime={at.toISOString()} title={hidden}>
      {shown}
    </time>
  );
}

export const times = absolute;

/** "1 h 2 min", "4.2 s". */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h ? `${h} h ${m} min` : `${m} min ${s} s`;
}

/** How long something has taken so far, or took. */
export function Duration({ from, to }: { from: Date | undefined; to?: Date | undefined }) {
  useSyncExternalStore(subscribe, () => (to || !from ? 0 : Math.floor(now / 1000)));
  if (!from) return <>–</>;
  const end = to ?? new Date(Math.max(now, from.getTime()));
  return <>{duration((end.getTime() - from.getTime()) / 1000)}</>;
}
