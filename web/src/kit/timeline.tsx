/** What a job has gone through, to scale: where the time went is seen, not read. */
import { duration, RelativeTime } from "./time";
import { words } from "./status";

export interface Step {
  status: string;
  from: Date | undefined;
  to?: Date | undefined;
  message?: string | undefined;
}

const BAD = /Fail|Error|Interrupted|MaxRuntime|MaxWait/;
const QUIET = /Starting|Pending|Downloading|Preparing|Launching|Queued|Stopp/;

export function StatusTimeline({ steps, now = new Date() }: { steps: readonly Step[]; now?: Date }) {
  const known = steps.filter((s): s is Step & { from: Date } => Boolean(s.from));
  if (known.length === 0) return <p className="dim">It has not begun yet.</p>;
  const lasted = known.map((s, i) => Math.max(0, (s.to ?? known[i + 1]?.from ?? (i === known.length - 1 && /^(Completed|Failed|Stopped)$/.test(s.status) ? s.from : now)).getTime() - s.from.getTime()) / 1000);
  const total = lasted.reduce((a, b) => a + b, 0);
  return (
    <div className="timeline">
      <div className="timeline-bar" aria-hidden="true">
        {known.map((s, i) => lasted[i]! > 0 && <i key={i} className={kind(s)} style={{ flexGrow: Math.max((100 * lasted[i]!) / total, 1) }} title={`${words(s.status)}: ${duration(lasted[i])}`} />)}
      </div>
      <ol>
        {known.map((s, i) => (
          <li key={i} className={kind(s)}>
            <b>{words(s.status)}</b>
            <span className="timeline-time">{lasted[i]! > 0 ? duration(lasted[i]) : ""}</span>
            <span className="timeline-said">{s.message}</span>
            <span className="dim"><RelativeTime at={s.from} /></span>
          </li>
        ))}
      </ol>
    </div>
  );
}

const kind = ({ status }: Step) => (BAD.test(status) ? "bad" : QUIET.test(status) ? "quiet" : "good");
