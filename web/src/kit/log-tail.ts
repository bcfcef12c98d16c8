/** A log stream in memory: its end first, older pages on demand, new lines as they come. Never holds a line twice. */
import { GetLogEventsCommand, type OutputLogEvent } from "@aws-sdk/client-cloudwatch-logs";

import { logs } from "./aws/logs";
import { Block, Joined, type Line, type Lines } from "./log-lines";

/** Events of the first page, which somebody waits for; of later ones, short enough that reading one delays no frame for long. */
const FIRST = 2_000;
const PAGE = 5_000;
/** Characters of which a page may be full before it has that many. */
const FULL = 250_000;
/** Milliseconds of searching between two looks at what else there is to do. */
const SLICE = 10;

/** Colours and cursor movements of terminals are not for a page. */
const ANSI = new RegExp(String.fromCharCode(27) + "\\[[0-9;?]*[A-Za-z]", "g");

function linesOf(events: OutputLogEvent[] | undefined): Line[] {
  const lines: Line[] = [];
  for (const { timestamp = 0, message = "" } of events ?? []) {
    for (const text of message.replace(ANSI, "").split(/\r?\n/)) lines.push({ at: timestamp, text });
  }
  return lines;
}

/** Let the page draw and answer, then go on. */
const others = () => new Promise<void>((go) => setTimeout(go));

type Hits = WeakMap<Block, Uint32Array>;

export class LogTail {
  lines: Lines = new Joined([]);
  /** Of `lines`, those that hold what is looked for; all where nothing is. */
  found: Lines = this.lines;
  /** Grows with every change, so that a view knows. */
  version = 0;
  /** How many lines were put before those that were there: what a view has to scroll to stay where it is. */
  prepended = 0;
  older = false;
  /** Whether lines are still to be looked through, or to be read for that. */
  searching = false;
  error: unknown;
  loaded = false;
  private blocks: Block[] = [];
  private needle = "";
  private hits: Hits = new WeakMap();
  private forward: string | undefined;
  private backward: string | undefined;
  /** What is being read just now. */
  private reading: Promise<void> | undefined;
  private left = false;
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

  private page(nextToken: string | undefined, startFromHead: boolean, limit: number) {
    return logs().send(new GetLogEventsCommand({ logGroupName: this.group, logStreamName: this.stream, nextToken, startFromHead, limit }));
  }

  private take(blocks: Block[]): void {
    this.blocks = blocks;
    this.lines = new Joined(blocks.map((block) => ({ block })));
    if (!this.needle) this.found = this.lines;
    else void this.search(this.needle);
  }

  private append(fresh: Line[]): void {
    const block = Block.of(fresh);
    const last = this.blocks.at(-1);
    // a log that is followed comes in driblets: they are gathered, or there would be a block for each look
    if (last && last.count + block.count <= PAGE) this.take([...this.blocks.slice(0, -1), last.and(block)]);
    else this.take([...this.blocks, block]);
  }

  /** The next lines at the end, as many as there are; the last page at first. */
  async follow(): Promise<void> {
    if (!this.reading) await this.read(() => this.forth());
  }

  /** One page further back; false when the beginning is reached, or cannot be. */
  async back(): Promise<boolean> {
    while (this.reading) await this.reading;
    if (this.older && !this.left) await this.read(() => this.before());
    return this.older && !this.left && this.error === undefined;
  }

  /** One page further back, unless one is on its way: scrolling asks often. */
  earlier(): void {
    if (!this.reading) void this.back();
  }

  private read(some: () => Promise<void>): Promise<void> {
    this.reading = some()
      .catch((error: unknown) => {
        this.error = error;
        this.loaded = true;
        this.said();
      })
      .finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async forth(): Promise<void> {
    for (;;) {
      const first = this.forward === undefined;
      const limit = first ? FIRST : PAGE;
      const { events, nextForwardToken, nextBackwardToken } = await this.page(this.forward, !first, limit);
      if (first) {
        this.backward = nextBackwardToken;
        // a page ends at so many events or 1 MB; a smaller one is all there is
        this.older = (events?.length ?? 0) >= limit || (events ?? []).reduce((n, e) => n + (e.message?.length ?? 0), 0) > FULL;
      }
      const fresh = linesOf(events);
      const ended = nextForwardToken === this.forward || fresh.length === 0;
      this.forward = nextForwardToken ?? this.forward;
      if (fresh.length) this.append(fresh);
      if (fresh.length || !this.loaded || this.error) {
        this.loaded = true;
        this.error = undefined;
        this.said();
      }
      if (ended || first || this.left) return;
    }
  }

  private async before(): Promise<void> {
    const { events, nextBackwardToken } = await this.page(this.backward, true, PAGE);
    const fresh = linesOf(events);
    this.older = fresh.length > 0 && nextBackwardToken !== this.backward;
    this.backward = nextBackwardToken;
    this.prepended += fresh.length;
    if (fresh.length) this.take([Block.of(fresh), ...this.blocks]);
    this.said();
  }

  /** Show only the lines that hold a text, whatever its letters' case, in all of the log: what is not there yet is read for it. */
  async search(text: string): Promise<void> {
    const needle = text.toLowerCase();
    if (needle !== this.needle) {
      this.needle = needle;
      this.hits = new WeakMap();
    } else if (this.searching) return;
    if (!needle) {
      this.searching = false;
      this.found = this.lines;
      this.said();
      return;
    }
    this.searching = true;
    const hits = this.hits;
    while (this.hits === hits) {
      await this.look(hits, needle);
      if (this.hits !== hits) return; // something else is looked for by now
      if (this.blocks.some((block) => !hits.has(block))) continue;
      if (!this.older || this.error !== undefined) break;
      await this.back();
    }
    if (this.hits !== hits) return;
    this.searching = false;
    this.said();
  }

  /** Look through the blocks that have not been looked through, the newest first. */
  private async look(hits: Hits, needle: string): Promise<void> {
    let began = performance.now();
    for (const block of [...this.blocks].reverse()) {
      if (hits.has(block)) continue;
      hits.set(block, block.holding(needle));
      if (performance.now() - began < SLICE) continue;
      this.show(hits);
      await others();
      if (this.hits !== hits) return;
      began = performance.now();
    }
    this.show(hits);
  }

  /** Nobody looks any more: what goes on comes to its end. */
  leave(): void {
    this.left = true;
    void this.search("");
  }

  private show(hits: Hits): void {
    this.found = new Joined(this.blocks.flatMap((block) => (hits.has(block) ? [{ block, only: hits.get(block) }] : [])));
    this.said();
  }
}
