/** What the lists of jobs of all kinds have alike: their columns, two of them compared, and the question before some are stopped or deleted. */
import Button from "@cloudscape-design/components/button";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";

import { Confirm } from "./confirm";
import { moving, Status } from "./status";
import { NameLink, type Column } from "./table";
import { Duration, RelativeTime } from "./time";

/** The orders that List operations of jobs know. */
export type Sort = "Name" | "CreationTime" | "Status";

export interface About {
  name: string;
  status: string | undefined;
  created: Date | undefined;
  /** Of one that has ended. */
  ended: Date | undefined;
  arn: string | undefined;
}

/** A kind of jobs by what its List operation says of one. */
export interface Kind<T> {
  /** "training job" */
  noun: string;
  /** Of its list: "/training-jobs". */
  path: string;
  about: (job: T) => About;
}

/** The columns that every kind has; a page puts its own between them. */
export function columnsOf<T>({ path, about }: Kind<T>, width = 380): Record<"name" | "status" | "created" | "took" | "arn", Column<T, Sort>> {
  return {
    name: { id: "name", header: "Name", sort: "Name", width, cell: (job) => <NameLink href={`${path}/${encodeURIComponent(about(job).name)}`}>{about(job).name}</NameLink> },
    status: { id: "status", header: "Status", sort: "Status", width: 170, cell: (job) => <Status value={about(job).status} /> },
    created: { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (job) => <RelativeTime at={about(job).created} /> },
    took: { id: "took", header: "Took", width: 140, cell: (job) => <Duration from={about(job).created} to={moving(about(job).status) ? undefined : about(job).ended} /> },
    arn: { id: "arn", header: "ARN", hidden: true, cell: (job) => about(job).arn },
  };
}

export function CompareTwo<T>({ kind: { path, about }, chosen }: { kind: Kind<T>; chosen: T[] }) {
  const navigate = useNavigate();
  return (
    <Button disabled={chosen.length !== 2} onClick={() => void navigate(`${path}/compare?of=${chosen.map((job) => about(job).name).join(",")}`)}>
      Compare two
    </Button>
  );
}

export interface EachProps<T> {
  kind: Kind<T>;
  chosen: T[];
  /** By the name of a job. */
  run: (name: string) => Promise<unknown>;
  /** What to say once it is done. */
  said: string;
  done: () => void;
  /** What comes of it, which is read before it is done. */
  children: ReactNode;
}

/** For jobs that all run. */
export const StopEach = <T,>(props: EachProps<T>) => <Each {...props} label="Stop" may={(status) => status === "InProgress"} />;

/** For jobs that have all ended. */
export const DeleteEach = <T,>(props: EachProps<T>) => <Each {...props} label="Delete" may={(status) => !moving(status)} />;

function Each<T>({ kind: { noun, about }, chosen, run, label, may, ...confirm }: EachProps<T> & { label: string; may: (status: string | undefined) => boolean }) {
  const jobs = chosen.map(about);
  return (
    <Confirm
      label={label}
      question={`${label} ${jobs.length === 1 ? jobs[0]!.name : `${jobs.length} ${noun}s`}?`}
      disabled={!jobs.length || !jobs.every((job) => may(job.status))}
      run={() => Promise.all(jobs.map((job) => run(job.name)))}
      {...confirm}
    />
  );
}
