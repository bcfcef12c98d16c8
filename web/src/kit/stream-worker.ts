/**
 * One stream for all tabs of a profile: a browser has six HTTP/1.1 connections to an origin, and each stream holds one for ever.
 * A SharedWorker and no elected tab, because it needs no secure context: Studio on a plain address of the local network has it, too.
 */
import { EVERYTHING, open, type State, type Told } from "./stream";

/** What a tab says: that it has come, having read nothing before an event, or that it goes. One that cannot say so takes the worker with it when it was the last. */
export type Said = { after: string } | { gone: true };

const ports = new Set<MessagePort>();
let state: State = "off";
let close: (() => void) | undefined;
/** Of the event that was told last. */
let last = "";

function tell(told: Told): void {
  if ("state" in told) state = told.state;
  else last = told.id ?? last;
  ports.forEach((port) => port.postMessage(told));
}

/** Whether a tab that has read after one event has missed the other; those of two servers have no order. */
function missed(after: string, event: string): boolean {
  const [server, number] = after.split("-");
  const [theirs, later] = event.split("-");
  return server !== theirs || Number(number) < Number(later);
}

function come(port: MessagePort, after: string): void {
  ports.add(port);
  if (state === "off") {
    // the first tab, or a new session after the last one's end
    close?.();
    last = "";
    close = open(after, tell);
    return;
  }
  port.postMessage({ state } satisfies Told);
  if (last && missed(after, last)) port.postMessage({ change: EVERYTHING } satisfies Told);
}

function go(port: MessagePort): void {
  ports.delete(port);
  if (ports.size) return;
  close?.();
  state = "off";
}

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0]!;
  port.onmessage = ({ data }: MessageEvent<Said>) => ("after" in data ? come(port, data.after) : go(port));
});
