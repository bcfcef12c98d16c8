/**
 * Lines kept in blocks: a block's text is one string, with where each line begins. A million lines as objects of their own would cost
 * several times what they say, and a search would visit each.
 */
export interface Line {
  /** Epoch milliseconds. */
  at: number;
  text: string;
}

/** What a view can show: any line by its number. */
export interface Lines {
  readonly count: number;
  line: (number: number) => Line;
}

export class Block implements Lines {
  readonly count: number;
  private constructor(
    private readonly text: string,
    /** Where each line begins, and the end of all. */
    private readonly starts: Uint32Array,
    private readonly times: Float64Array,
  ) {
    this.count = times.length;
  }

  static of(lines: Line[]): Block {
    const starts = new Uint32Array(lines.length + 1);
    let at = 0;
    lines.forEach(({ text }, i) => {
      starts[i] = at;
      at += text.length + 1;
    });
    starts[lines.length] = at;
    return new Block(lines.map((l) => `${l.text}\n`).join(""), starts, Float64Array.from(lines, (l) => l.at));
  }

  /** This block and another after it, as one. */
  and(other: Block): Block {
    const starts = new Uint32Array(this.count + other.count + 1);
    starts.set(this.starts);
    other.starts.forEach((start, i) => (starts[this.count + i] = this.text.length + start));
    const times = new Float64Array(this.count + other.count);
    times.set(this.times);
    times.set(other.times, this.count);
    return new Block(this.text + other.text, starts, times);
  }

  line(number: number): Line {
    return { at: this.times[number]!, text: this.text.slice(this.starts[number], this.starts[number + 1]! - 1) };
  }

  /** The numbers of the lines that hold a text, given in small letters. */
  holding(needle: string): Uint32Array {
    const small = this.text.toLowerCase();
    const found: number[] = [];
    if (small.length !== this.text.length) {
      // a letter that becomes two moves all that follow: line by line, then
      for (let i = 0; i < this.count; i++) if (this.line(i).text.toLowerCase().includes(needle)) found.push(i);
      return Uint32Array.from(found);
    }
    let line = 0;
    for (let at = small.indexOf(needle); at >= 0; at = small.indexOf(needle, this.starts[line])) {
      while (this.starts[line + 1]! <= at) line += 1;
      found.push(line);
      line += 1;
      if (line >= this.count) break;
    }
    return Uint32Array.from(found);
  }
}

/** Parts one after another as one, each with the lines of it that count, or all. */
export class Joined implements Lines {
  readonly count: number;
  private readonly ends: number[] = [];
  constructor(private readonly parts: { block: Block; only?: Uint32Array | undefined }[]) {
    let count = 0;
    for (const { block, only } of parts) this.ends.push((count += only ? only.length : block.count));
    this.count = count;
  }

  line(number: number): Line {
    let low = 0;
    for (let high = this.ends.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.ends[middle]! > number) high = middle;
      else low = middle + 1;
    }
    const { block, only } = this.parts[low]!;
    const within = number - (low ? this.ends[low - 1]! : 0);
    return block.line(only ? only[within]! : within);
  }
}
