/** A log stream in memory: its end first, older pages on demand, new lines as they come. Never holds a line twice. */
import { GetLogEventsCommand, type OutputLogEvent } from "@aws-sdk/client-cloudwatch-logs";

import { logs } from "./aws/logs";

export interface Line {
  /** Epoch milliseconds. */
  at: number;
  text: string;
}

/** Events of a page at most, and characters of which a page may be full. */
const PAGE = 10_000;
const FULL = 250_000;

/** Colours and cursor movements of terminals are not for a page. */
const ANSI = new RegExp(String.fromCharCode(27) + "\\[[0-9;?]*[A-Za-z]", "g");

function linesOf(events: OutputLogEvent[] | undefined): Line[] {
  const lines: Line[] = [];
  for (const { timestamp = 0, message = "" } of events ?? []) {
    for (const text of message.replace(ANSI, "").split(/\r?\n/)) lines.push({ at: timestamp, text });
  }
  return lines;
}

export class LogTail {
  lines: Line[] = [];
  /** Grows with every change, so that a view knows. */
  version = 0;
  /** How many lines were put before those that were there: what a view has to scroll to stay where it is. */
  prepended = 0;
  older = false;
  error: unknown;
  loaded = false;
  private forward: string | undefined;
  private backward: string | undefined;
  private busy = false;
  private readonly watchers = new Set<() => void>();

  constructor(
    private readonly group: string,
    private readonly stream: string,
  ) {}

  readonly watch = (changed: () => void): (() => void) => {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  };

  private said(): void {
    this.version += 1;
    this.watchers.forEach((w) => w());
  }

  private page(nextToken: string | undefined, startFromHead: boolean) {
    return logs().send(new GetLogEventsCommand({ logGroupName: this.group, logStreamName: this.stream, nextToken, startFromHead, limit: PAGE }));
  }

  /** The next lines at the end, as many as there are; the last page at first. */
  async follow(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      for (;;) {
        const first = this.forward === undefined;
        const { events, nextForwardToken, nextBackwardToken } = await this.page(this.forward, !first);
        if (first) {
          this.backward = nextBackwardToken;
          // a page ends at 10,000 events or 1 MB; a smaller one is all there is
          this.older = (events?.length ?? 0) >= PAGE || (events ?? []).reduce((n, e) => n + (e.message?.length ?? 0), 0) > FULL;
        }
        const fresh = linesOf(events);
        const ended = nextForwardToken === this.forward || fresh.length === 0;
        this.forward = nextForwardToken ?? this.forward;
        if (fresh.length) this.lines = this.lines.concat(fresh);
        if (fresh.length || !this.loaded || this.error) {
          this.loaded = true;
          this.error = undefined;
          this.said();
        }
        if (ended || first) return;
      }
    } catch (error) {
      this.error = error;
      this.loaded = true;
      this.said();
    } finally {
      this.busy = false;
    }
  }

  /** One page further back; false when the beginning is reached. */
  async back(): Promise<boolean> {
    if (this.busy || !this.older || !this.backward) return this.older;
    this.busy = true;
    try {
      const { events, nextBackwardToken } = await this.page(this.backward, true);
      const fresh = linesOf(events);
      this.older = fresh.length > 0 && nextBackwardToken !== this.backward;
      this.backward = nextBackwardToken;
      this.prepended += fresh.length;
      this.lines = fresh.concat(this.lines);
      this.said();
    } catch (error) {
      this.error = error;
      this.older = false;
      this.said();
    } finally {
      this.busy = false;
    }
    return this.older;
  }
}
