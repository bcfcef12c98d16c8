/** A log that is followed while its job runs. Only the lines in view are in the page: a million of them scroll as ten do. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { streams } from "./aws/logs";
import { ErrorPanel } from "./errors";
import { useLoad } from "./load";
import type { Line, Lines } from "./log-lines";
import { LogTail } from "./log-tail";
import { save as keep } from "./save";
import { useView } from "./view";

/** Height of a line in pixels: fixed, so that any line's place is known without laying out the others. */
const ROW = 19;
const VIEW = 520;
/** Pixels that browsers let a box be tall; Firefox ends at 17.9 million. */
const TALLEST = 16_000_000;
/** Milliseconds between two looks at a running job's log; CloudWatch Logs announces nothing. */
const EVERY = 700;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });

export interface LogOf {
  group: string;
  /** The streams whose names begin so. */
  prefix: string;
  /** Whether more may come. */
  running: boolean;
  /** What to say when there is no line. */
  none?: string;
}

export function LiveLog({ group, prefix, running, none }: LogOf) {
  const [read, write] = useView();
  const found = useLoad((abort) => streams(group, prefix, abort), [group, prefix, running], { every: running ? 1500 : false });
  const names = found.value ?? [];
  const shown = names.includes(read("stream")) ? read("stream") : names[0];
  if (found.error !== undefined) return <ErrorPanel error={found.error} retry={found.reload} doing="The log cannot be read" />;
  if (!shown) {
    return (
      <Box padding="l" color="text-body-secondary" textAlign="center">
        {found.loading ? "Looking for the log…" : running ? "No line yet: the first comes when the container starts." : (none ?? "Nothing was logged.")}
      </Box>
    );
  }
  return (
    <SpaceBetween size="s">
      {names.length > 1 && (
        <Select
          ariaLabel="Log stream"
          selectedOption={{ value: shown, label: shown }}
          options={names.map((n) => ({ value: n, label: n }))}
          onChange={({ detail }) => write({ stream: detail.selectedOption.value })}
        />
      )}
      <Stream key={shown} group={group} stream={shown} running={running} />
    </SpaceBetween>
  );
}

function Stream({ group, stream, running }: { group: string; stream: string; running: boolean }) {
  const tail = useMemo(() => new LogTail(group, stream), [group, stream]);
  useSyncExternalStore(tail.watch, () => tail.version);
  useEffect(() => {
    void tail.follow();
    // once more when it has ended: its last lines may have come after the last look
    if (!running) return undefined;
    const timer = setInterval(() => void tail.follow(), EVERY);
    return () => {
      clearInterval(timer);
    };
  }, [tail, running]);

  const [find, setFind] = useState("");
  const [pinned, setPinned] = useState(true);
  const [all, setAll] = useState(false);
  useEffect(() => void tail.search(find), [tail, find]);
  useEffect(() => () => tail.leave(), [tail]);
  const whole = async () => {
    setAll(true);
    while (await tail.back());
    setAll(false);
  };
  const { lines, found } = tail;
  return (
    <div>
      <div className="log-tools">
        <div className="log-find">
          <Input type="search" value={find} onChange={({ detail }) => setFind(detail.value)} placeholder="Find in the log" ariaLabel="Find in the log" />
        </div>
        <span className="dim" role="status">
          {find ? `${found.count.toLocaleString()} of ` : ""}
          {lines.count.toLocaleString()} {lines.count === 1 ? "line" : "lines"}
          {tail.older ? " so far" : ""}
          {tail.searching ? ", searching" : ""}
        </span>
        {tail.older && !tail.searching && (
          <Button onClick={() => void whole()} loading={all}>
            Load the whole log
          </Button>
        )}
        <Toggle checked={pinned} onChange={({ detail }) => setPinned(detail.checked)}>
          Follow
        </Toggle>
        <Button iconName="download" ariaLabel="Save the lines shown" onClick={() => save(stream, found)} />
      </div>
      {tail.error !== undefined && <ErrorPanel error={tail.error} retry={() => void tail.follow()} />}
      <Rows lines={found} tail={tail} needle={find.toLowerCase()} pinned={pinned} unpin={() => setPinned(false)} pin={() => setPinned(true)} />
    </div>
  );
}

interface RowsProps {
  lines: Lines;
  tail: LogTail;
  needle: string;
  pinned: boolean;
  pin: () => void;
  unpin: () => void;
}

function Rows({ lines, tail, needle, pinned, pin, unpin }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const before = useRef(0);
  const height = Math.min(TALLEST, lines.count * ROW);
  /** Pixels of lines for a pixel of scrolling: 1, until there are more lines than a box can be tall. */
  const pace = height > VIEW ? (lines.count * ROW - VIEW) / (height - VIEW) : 1;
  useLayoutEffect(() => {
    const grown = tail.prepended - before.current;
    before.current = tail.prepended;
    if (!box.current) return;
    if (pinned) box.current.scrollTop = height;
    else if (grown && !needle) box.current.scrollTop += (grown * ROW) / pace;
  }, [lines, pinned, needle, tail, height, pace]);
  const at = top * pace;
  const first = Math.max(0, Math.min(lines.count, Math.floor(at / ROW)) - 20);
  const last = Math.min(lines.count, Math.ceil((at + VIEW) / ROW) + 20);
  return (
    <div
      ref={box}
      className="log"
      role="log"
      aria-label="Log"
      aria-live="off"
      tabIndex={0}
      style={{ height: Math.min(VIEW, Math.max(120, height + 16)) }}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        setTop(scrollTop);
        const end = scrollHeight - scrollTop - clientHeight < ROW;
        if (end && !pinned) pin();
        else if (!end && pinned && scrollTop < top) unpin();
        if (scrollTop < 40 * ROW && tail.older && !needle) tail.earlier();
      }}
    >
      <div style={{ height }}>
        <div style={{ transform: `translateY(${Math.round(first * ROW - at + top)}px)` }}>
          {Array.from({ length: last - first }, (_, i) => {
            const line = lines.line(first + i);
            return <Row key={first + i} at={line.at} text={line.text} needle={needle} />;
          })}
        </div>
      </div>
    </div>
  );
}

/** Drawn once while it is in view, however the others move. */
const Row = memo(function Row({ at, text, needle }: Line & { needle: string }) {
  return (
    <div className={`log-line ${tone(text)}`}>
      <time title={new Date(at).toISOString()}>{clock.format(at)}</time>
      <Marked text={text} needle={needle} />
    </div>
  );
});

const tone = (text: string) => (/\b(error|exception|traceback|fatal|failed)\b/i.test(text) ? "log-error" : /\bwarn(ing)?\b/i.test(text) ? "log-warning" : "");

function Marked({ text, needle }: { text: string; needle: string }) {
  // not in small letters: some become two there, and what follows has another place
  const at = needle ? text.search(new RegExp(needle.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i")) : -1;
  if (at < 0) return <span>{text}</span>;
  return (
    <span>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + needle.length)}</mark>
      {text.slice(at + needle.length)}
    </span>
  );
}

function save(stream: string, lines: Lines): void {
  const parts = Array.from({ length: lines.count }, (_, i) => {
    const { at, text } = lines.line(i);
    return `${new Date(at).toISOString()} ${text}\n`;
  });
  keep(`${stream.replaceAll("/", "-")}.log`, new Blob(parts, { type: "text/plain" }));
}
