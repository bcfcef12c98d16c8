/**
 * One stream for all tabs of a profile: a browser has six HTTP/1.1 connections to an origin, and each stream holds one for ever.
 * A SharedWorker and no elected tab, because it needs no secure context: Studio on a plain address of the local network has it, too.
 */
import { open, type State, type Told } from "./stream";

const ports = new Set<MessagePort>();
let state: State = "off";
let close: (() => void) | undefined;

function tell(told: Told): void {
  if ("state" in told) state = told.state;
  ports.forEach((port) => port.postMessage(told));
}

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0]!;
  ports.add(port);
  // the only thing that a tab says is that it goes; one that cannot say so takes the worker with it when it was the last
  port.onmessage = () => {
    ports.delete(port);
    if (ports.size) return;
    close?.();
    state = "off";
  };
  if (state === "off") {
    // the first tab, or a new session after the last one's end
    close?.();
    close = open(tell);
  } else port.postMessage({ state } satisfies Told);
});
