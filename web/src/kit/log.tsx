/** A log that is followed while its job runs. Only the lines in view are in the page: a million of them scroll as ten do. */
import { DescribeLogStreamsCommand } from "@aws-sdk/client-cloudwatch-logs";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { logs } from "./aws/logs";
import { ErrorPanel, told } from "./errors";
import { useLoad } from "./load";
import { LogTail, type Line } from "./log-tail";
import { useView } from "./view";

/** Height of a line in pixels: fixed, so that any line's place is known without laying out the others. */
const ROW = 19;
const VIEW = 520;
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
  const streams = useLoad(
    async () => {
      try {
        const { logStreams } = await logs().send(new DescribeLogStreamsCommand({ logGroupName: group, logStreamNamePrefix: prefix }));
        return (logStreams ?? []).map((s) => s.logStreamName!);
      } catch (error) {
        if (told(error).code === "ResourceNotFoundException") return [];
        throw error;
      }
    },
    [group, prefix, running],
    { every: running ? 1500 : false },
  );
  const names = streams.value ?? [];
  const shown = names.includes(read("stream")) ? read("stream") : names[0];
  if (streams.error !== undefined) return <ErrorPanel error={streams.error} retry={streams.reload} doing="The log cannot be read" />;
  if (!shown) {
    return (
      <Box padding="l" color="text-body-secondary" textAlign="center">
        {streams.loading ? "Looking for the log…" : running ? "No line yet: the first comes when the container starts." : (none ?? "Nothing was logged.")}
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
  const needle = find.toLowerCase();
  const lines = useMemo(
    () => (needle ? tail.lines.filter((l) => l.text.toLowerCase().includes(needle)) : tail.lines),
    // the array is another one after every change
    [needle, tail.lines],
  );
  const whole = async () => {
    setAll(true);
    while (await tail.back());
    setAll(false);
  };
  return (
    <div>
      <div className="log-tools">
        <div className="log-find">
          <Input type="search" value={find} onChange={({ detail }) => setFind(detail.value)} placeholder="Find in the log" ariaLabel="Find in the log" />
        </div>
        <span className="dim" role="status">
          {needle ? `${lines.length.toLocaleString()} of ` : ""}
          {tail.lines.length.toLocaleString()} {tail.lines.length === 1 ? "line" : "lines"}
          {tail.older ? " so far" : ""}
        </span>
        {tail.older && tail.lines.length >= 10_000 && (
          <Button onClick={() => void whole()} loading={all}>
            Load the whole log
          </Button>
        )}
        <Toggle checked={pinned} onChange={({ detail }) => setPinned(detail.checked)}>
          Follow
        </Toggle>
        <Button iconName="download" ariaLabel="Save the lines shown" onClick={() => save(stream, lines)} />
      </div>
      {tail.error !== undefined && <ErrorPanel error={tail.error} retry={() => void tail.follow()} />}
      <Lines lines={lines} tail={tail} needle={needle} pinned={pinned} unpin={() => setPinned(false)} pin={() => setPinned(true)} />
    </div>
  );
}

interface LinesProps {
  lines: Line[];
  tail: LogTail;
  needle: string;
  pinned: boolean;
  pin: () => void;
  unpin: () => void;
}

function Lines({ lines, tail, needle, pinned, pin, unpin }: LinesProps) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const before = useRef(0);
  useLayoutEffect(() => {
    const grown = tail.prepended - before.current;
    before.current = tail.prepended;
    if (!box.current) return;
    if (pinned) box.current.scrollTop = lines.length * ROW;
    else if (grown && !needle) box.current.scrollTop += grown * ROW;
  }, [lines, pinned, needle, tail]);
  const first = Math.max(0, Math.floor(top / ROW) - 20);
  const last = Math.min(lines.length, Math.ceil((top + VIEW) / ROW) + 20);
  return (
    <div
      ref={box}
      className="log"
      role="log"
      aria-label="Log"
      aria-live="off"
      tabIndex={0}
      style={{ height: Math.min(VIEW, Math.max(120, lines.length * ROW + 16)) }}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        setTop(scrollTop);
        const end = scrollHeight - scrollTop - clientHeight < ROW;
        if (end && !pinned) pin();
        else if (!end && pinned && scrollTop < top) unpin();
        if (scrollTop < 40 * ROW && tail.older && !needle) void tail.back();
      }}
    >
      <div style={{ height: lines.length * ROW }}>
        <div style={{ transform: `translateY(${first * ROW}px)` }}>
          {lines.slice(first, last).map((line, i) => (
            <div key={first + i} className={`log-line ${tone(line.text)}`}>
              <time title={new Date(line.at).toISOString()}>{clock.format(line.at)}</time>
              <Marked text={line.text} needle={needle} />
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

const tone = (text: string) => (/\b(error|exception|traceback|fatal|failed)\b/i.test(text) ? "log-error" : /\bwarn(ing)?\b/i.test(text) ? "log-warning" : "");

function Marked({ text, needle }: { text: string; needle: string }) {
  const at = needle ? text.toLowerCase().indexOf(needle) : -1;
  if (at < 0) return <span>{text}</span>;
  return (
    <span>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + needle.length)}</mark>
      {text.slice(at + needle.length)}
    </span>
  );
}

function save(stream: string, lines: Line[]): void {
  const url = URL.createObjectURL(new Blob([lines.map((l) => `${new Date(l.at).toISOString()} ${l.text}\n`).join("")], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${stream.replaceAll("/", "-")}.log`;
  link.click();
  URL.revokeObjectURL(url);
}
