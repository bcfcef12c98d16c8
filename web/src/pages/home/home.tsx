/** A model's life from left to right with what there is of it, what was done last, and what needs somebody. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { Link } from "react-router";

import { told } from "../../kit/errors";
import { useStream } from "../../kit/events";
import { useLoad } from "../../kit/load";
import { useSession } from "../../kit/session";
import { moving, Status } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { TimeAndEnergy } from "./time-and-energy";
import { KINDS, NONE, type Kind, type Work } from "./work";

const RECENT = 8;
/** Days that a failure stays in sight. */
const DAYS = 7;

type Counts = Record<string, Kind>;

/** Each kind loads by itself, and again when something of it changes. */
function useCounts(): { counts: Counts; errors: unknown[]; ready: boolean; took: number | undefined } {
  const parts = Object.entries(KINDS).map(([name, { events, load }]) => {
    // the kinds are the same ones at every rendering, so this is the same hook each time
    const loaded = useLoad(
      async (abort) => {
        const began = performance.now();
        const found = await load(abort);
        return { found, took: performance.now() - began };
      },
      name,
      { kinds: [events] },
    );
    return [name, loaded] as const;
  });
  const times = parts.flatMap(([, l]) => (l.value ? [l.value.took] : []));
  return {
    counts: Object.fromEntries(parts.map(([name, l]) => [name, l.value?.found ?? NONE])),
    errors: parts.map(([, l]) => l.error).filter((e) => e !== undefined),
    ready: parts.every(([, l]) => !l.loading),
    took: times.length ? Math.min(...times) : undefined,
  };
}

const many = ({ total, more }: Kind) => `${total.toLocaleString()}${more ? "+" : ""}`;
/** "1 model", "100+ models". */
const counted = (k: Kind, what: string) => `${many(k)} ${plural(k, what)}`;
const plural = (k: Kind, what: string) => (k.total === 1 ? what : `${what}s`);
const running = (k: Kind) => k.work.filter((w) => moving(w.status)).length;

interface Stage {
  title: string;
  href: string;
  count: string;
  what: string;
  note: string;
  live: boolean;
}

function stages(c: Counts): Stage[] {
  const of = (name: string) => c[name] ?? NONE;
  const serving = of("endpoints").work.filter((w) => w.status === "InService").length;
  const now = (k: Kind) => (running(k) ? `${running(k)} running` : "none running");
  return [
    { title: "Prepare", href: "/data", count: many(of("buckets")), what: plural(of("buckets"), "bucket"), note: counted(of("processing"), "processing job"), live: running(of("processing")) > 0 },
    { title: "Build", href: "/workspaces", count: many(of("workspaces")), what: plural(of("workspaces"), "workspace"), note: counted(of("experiments"), "experiment"), live: false },
    { title: "Train", href: "/training-jobs", count: many(of("training")), what: plural(of("training"), "training job"), note: now(of("training")), live: running(of("training")) > 0 },
    { title: "Tune", href: "/tuning-jobs", count: many(of("tuning")), what: plural(of("tuning"), "tuning job"), note: now(of("tuning")), live: running(of("tuning")) > 0 },
    { title: "Deploy", href: "/models", count: many(of("models")), what: plural(of("models"), "model"), note: counted(of("transform"), "batch transform"), live: running(of("transform")) > 0 },
    { title: "Watch", href: "/endpoints", count: String(serving), what: serving === 1 ? "endpoint in service" : "endpoints in service", note: running(of("endpoints")) ? `${running(of("endpoints"))} changing` : `${many(of("endpoints"))} in all`, live: serving > 0 },
  ];
}

export default function Home() {
  const { who } = useSession();
  const { counts, errors, ready, took } = useCounts();
  const stream = useStream();
  const work = Object.values(counts).flatMap((k) => k.work);
  const jobs = work.filter((w) => w.status);
  const recent = [...jobs].sort((a, b) => b.at.getTime() - a.at.getTime()).slice(0, RECENT);
  const since = Date.now() - DAYS * 86_400_000;
  const failed = jobs.filter((w) => /Failed|OutOfService/.test(w.status) && w.at.getTime() > since).sort((a, b) => b.at.getTime() - a.at.getTime());
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description={`Signed in as ${who.UserProfileName}. Everything here runs on your own machines.`}>
        Overview
      </Header>
      {errors.length > 0 && (
        <Alert type="warning" header="Some of it cannot be shown">
          {[...new Set(errors.map((e) => told(e).message))].slice(0, 3).join(" ")}
        </Alert>
      )}
      <ol className="stages" aria-label="A model's life">
        {stages(counts).map((s) => (
          <li key={s.title}>
            <Link to={s.href} className={s.live ? "live-stage" : ""}>
              <span className="stage-title">{s.title}</span>
              <span className="stage-count">{ready ? s.count : "…"}</span>
              <span>{s.what}</span>
              <span className="dim">{s.note}</span>
            </Link>
          </li>
        ))}
      </ol>
      {ready && jobs.length === 0 && <FirstSteps />}
      <div className="home">
        <Table<Work>
          variant="container"
          header={<Header variant="h2">Recent work</Header>}
          items={recent}
          loading={!ready}
          loadingText="Loading"
          trackBy={(w) => w.kind + w.name}
          ariaLabels={{ tableLabel: "Recent work" }}
          columnDefinitions={[
            { id: "name", header: "Name", cell: (w) => <NameLink href={w.href}>{w.name}</NameLink>, isRowHeader: true },
            { id: "kind", header: "Kind", cell: (w) => w.kind },
            { id: "status", header: "Status", cell: (w) => <Status value={w.status} /> },
            { id: "at", header: "Last change", cell: (w) => <RelativeTime at={w.at} /> },
          ]}
          empty={<Box color="text-body-secondary" padding="m">Nothing has run yet. What you start shows here, newest first.</Box>}
        />
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Needs attention</Header>}>
            {failed.length === 0 ? (
              <Status value="OK" />
            ) : (
              <ul className="plain">
                {failed.slice(0, 5).map((w) => (
                  <li key={w.kind + w.name}>
                    <NameLink href={w.href}>{w.name}</NameLink>
                    <span className="dim"> {w.kind.toLowerCase()} failed <RelativeTime at={w.at} /></span>
                  </li>
                ))}
                {failed.length > 5 && <li className="dim">and {failed.length - 5} more</li>}
              </ul>
            )}
          </Container>
          <Container header={<Header variant="h2">Health</Header>}>
            <dl className="health">
              <dt>Server</dt><dd>Sagewright {who.Version}</dd>
              <dt>Answers in</dt><dd>{took === undefined ? "–" : `${Math.max(1, Math.round(took))} ms`}</dd>
              <dt>Live changes</dt><dd>{stream === "live" ? "arrive" : stream === "connecting" ? "connecting" : "do not arrive"}</dd>
              <dt>Running now</dt><dd>{jobs.filter((w) => moving(w.status)).length}</dd>
            </dl>
          </Container>
        </SpaceBetween>
      </div>
      <TimeAndEnergy />
    </SpaceBetween>
  );
}

const STEPS = [
  { title: "1. Bring data", text: "Make a bucket and drop a CSV file into it.", href: "/data", go: "Open Data" },
  { title: "2. Train", text: "Choose an algorithm and the file; watch its log and metrics as it learns.", href: "/training-jobs/create", go: "Create a training job" },
  { title: "3. Deploy and ask", text: "Make a model of the job with one click, deploy it, and ask it in the console.", href: "/endpoints", go: "Open Endpoints" },
];

function FirstSteps() {
  return (
    <div className="steps">
      {STEPS.map((s) => (
        <Container key={s.title} header={<Header variant="h2">{s.title}</Header>} fitHeight>
          <SpaceBetween size="s">
            <Box>{s.text}</Box>
            <Link className="text-link" to={s.href}>{s.go}</Link>
          </SpaceBetween>
        </Container>
      ))}
    </div>
  );
}
