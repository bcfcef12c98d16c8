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
export type Told = { state: State } | { change: Change };

/** Open the stream; the browser itself takes it up again when it breaks. What is returned closes it. */
export function open(tell: (told: Told) => void): () => void {
  const source = new EventSource(eventsUrl());
  tell({ state: "connecting" });
  source.onopen = () => tell({ state: "live" });
  source.onerror = () => tell({ state: source.readyState === EventSource.CLOSED ? "off" : "connecting" });
  source.addEventListener("change", (event: MessageEvent<string>) => tell({ change: JSON.parse(event.data) as Change }));
  // what changed meanwhile, nobody said: everything shown is loaded anew
  source.addEventListener("resync", () => tell({ change: { Kind: "*" } }));
  return () => source.close();
}
