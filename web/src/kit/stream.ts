/** The stream of changes itself, the same for a tab and for the worker that tabs share. */
import { eventsUrl } from "./server";

/** A thing that changed: its kind as its ARN's API calls it ("TrainingJob"), and its name where one is known. */
export interface Change {
  Kind: string;
  Name?: string;
  Arn?: string;
  Status?: string;
  Deleted?: boolean;
}

export type State = "connecting" | "live" | "off";
/** `id`: of the event that told it. */
export type Told = { state: State } | { change: Change; id?: string };

/** Whatever there is. What changed meanwhile, nobody said: everything shown is loaded anew. */
export const EVERYTHING: Change = { Kind: "*" };

/** Open the stream after an event; the browser itself takes it up again when it breaks. What is returned closes it. */
export function open(after: string, tell: (told: Told) => void): () => void {
  const source = new EventSource(eventsUrl(after));
  tell({ state: "connecting" });
  source.onopen = () => tell({ state: "live" });
  source.onerror = () => tell({ state: source.readyState === EventSource.CLOSED ? "off" : "connecting" });
  source.addEventListener("change", (event: MessageEvent<string>) => tell({ change: JSON.parse(event.data) as Change, id: event.lastEventId }));
  source.addEventListener("resync", (event: MessageEvent<string>) => tell({ change: EVERYTHING, id: event.lastEventId }));
  return () => source.close();
}
