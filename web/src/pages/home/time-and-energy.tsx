import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { power } from "../../kit/sizes";
import { stored } from "../../kit/stored";
import { duration } from "../../kit/time";
import { useView } from "../../kit/view";
import { Waiting } from "../../kit/waiting";
import { energy, LIST, spent, type Spent } from "./spent";

/** Watts that a core at work takes, and a GPU: assumptions, to be set to one's own machine's. */
const core = stored("watts.core", "10");
const gpu = stored("watts.gpu", "300");
const DAYS = [{ id: "1", text: "Today" }, { id: "7", text: "7 days" }, { id: "30", text: "30 days" }];

const number = (text: string) => Math.max(0, Number(text) || 0);

function money(dollars: number): string {
  return dollars > 0 && dollars < 0.01 ? "< $0.01" : `$${dollars.toFixed(2)}`;
}

export function TimeAndEnergy() {
  const [read, write] = useView();
  const days = DAYS.some((d) => d.id === read("days")) ? read("days") : "7";
  const { value, error, reload } = useLoad((abort) => spent(Number(days), abort), days, { every: 60_000 });
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="What the jobs that ended took of your machines."
          actions={<SegmentedControl label="Of the last" selectedId={days} options={DAYS} onChange={({ detail }) => write({ days: detail.selectedId === "7" ? undefined : detail.selectedId })} />}
        >
          Time and energy
        </Header>
      }
    >
      {error !== undefined ? <ErrorPanel error={error} retry={reload} doing="What was spent cannot be read" /> : value ? <Figures of={value} /> : <Waiting />}
    </Container>
  );
}

function Figures({ of }: { of: Spent }) {
  const [ofCore, ofGpu] = [core.use(), gpu.use()];
  const watts = [number(ofCore), number(ofGpu)] as const;
  if (of.jobs.length === 0) return <Box color="text-body-secondary">No job has ended in this time. What jobs take shows here once one has.</Box>;
  const total = Object.values(of.hours).reduce((a, b) => a + b, 0);
  return (
    <SpaceBetween size="m">
      <dl className="spent">
        <div>
          <dt>Machine time</dt>
          <dd>{duration(total * 3600)}</dd>
          <dd className="dim">{of.jobs.length.toLocaleString()}{of.more ? "+" : ""} {of.jobs.length === 1 ? "job" : "jobs"}: {Object.entries(of.hours).sort(([, a], [, b]) => b - a).map(([kind, h]) => `${kind.toLowerCase()} ${duration(h * 3600)}`).join(", ")}</dd>
        </div>
        <div>
          <dt>Energy, estimated</dt>
          <dd>{power(energy(of, ...watts))}</dd>
          <dd className="dim">{duration(of.cores * 3600)} of a busy core at {watts[0]} W{of.gpus > 0 && `, ${duration(of.gpus * 3600)} of a busy GPU at ${watts[1]} W`}</dd>
        </div>
        <div>
          <dt>The same on AWS</dt>
          <dd>{money(of.dollars)}</dd>
          <dd className="dim">{of.unpriced > 0 ? `Without ${duration(of.unpriced * 3600)} of ${of.unknown.slice(0, 3).join(", ") || "machines of no type"}, not in the list` : "At the list price of the types asked for"}</dd>
        </div>
      </dl>
      <ExpandableSection headerText="How this is computed">
        <SpaceBetween size="s">
          <span>
            Time is from a job's start to its end, times its machines. Energy is the mean use of processors and GPUs that was measured of training and processing jobs, {duration(of.seen * 3600)} of the time above, times the watts below:
            assumptions, kept in this browser. What a machine takes while idle, and batch transform, are not in it.
          </span>
          <div className="watts">
            <FormField label="Watts of a busy core"><Input type="number" value={ofCore} onChange={({ detail }) => core.set(detail.value)} /></FormField>
            <FormField label="Watts of a busy GPU"><Input type="number" value={ofGpu} onChange={({ detail }) => gpu.set(detail.value)} /></FormField>
          </div>
          <span>
            Prices are those of {LIST.what}, {LIST.year}, from <a className="text-link" href={LIST.source} target="_blank" rel="noreferrer">AWS's price list</a>, for the seconds that the jobs ran: without storage, transfer, and the time in which machines start.
          </span>
        </SpaceBetween>
      </ExpandableSection>
    </SpaceBetween>
  );
}
