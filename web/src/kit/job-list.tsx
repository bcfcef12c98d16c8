/** What the lists of jobs of all kinds have alike: their columns, two of them compared, and the question before some are stopped or deleted. */
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { Each, type EachProps } from "./each";
import { moving, Status } from "./status";
import { NameLink, ResourceTable, type Column, type TableSpec } from "./table";
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

export const STATUSES = ["InProgress", "Completed", "Failed", "Stopping", "Stopped"] as const;

type JobTableProps<T> = { kind: Kind<T> } & Omit<TableSpec<T, Sort, (typeof STATUSES)[number]>, "noun" | "id" | "statuses" | "sort">;

/** The list of a kind, the newest first. */
export function JobTable<T>({ kind: { noun, path, about }, ...spec }: JobTableProps<T>) {
  return <ResourceTable<T, Sort, (typeof STATUSES)[number]> noun={noun} id={(job) => about(job).name} statuses={STATUSES} sort="CreationTime" create={{ label: `Create a ${noun}`, href: `${path}/create` }} {...spec} />;
}

export function CompareTwo<T>({ kind: { path, about }, chosen }: { kind: Kind<T>; chosen: T[] }) {
  const navigate = useNavigate();
  return (
    <Button disabled={chosen.length !== 2} onClick={() => void navigate(`${path}/compare?of=${chosen.map((job) => about(job).name).join(",")}`)}>
      Compare two
    </Button>
  );
}

type Doing<T> = Pick<EachProps<T>, "chosen" | "said" | "done" | "children"> & {
  kind: Kind<T>;
  /** By the name of a job. */
  run: (name: string) => Promise<unknown>;
};

/** For jobs that all run. */
export const StopEach = <T,>(props: Doing<T>) => <EachJob {...props} label="Stop" may={(status) => status === "InProgress"} />;

/** For jobs that have all ended. */
export const DeleteEach = <T,>(props: Doing<T>) => <EachJob {...props} label="Delete" may={(status) => !moving(status)} />;

function EachJob<T>({ kind: { noun, about }, run, may, ...rest }: Doing<T> & { label: string; may: (status: string | undefined) => boolean }) {
  return <Each<T> noun={noun} name={(job) => about(job).name} run={(job) => run(about(job).name)} may={(job) => may(about(job).status)} {...rest} />;
}
