/** Parts of the pages of jobs that tell of no transitions themselves. */
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";

import { moving } from "./status";
import type { Step } from "./timeline";

export interface Times {
  created: Date | undefined;
  began: Date | undefined;
  ended: Date | undefined;
  /** When it last changed: the end of one that never began. */
  changed: Date | undefined;
}

/** What a job went through, by the three times that its description has. */
export function phases(doing: string, status: string | undefined, { created, began, ended, changed }: Times, reason?: string): Step[] {
  const over = status !== undefined && !moving(status);
  const end = ended ?? (over ? changed : undefined);
  const steps: Step[] = [{ status: "Starting", from: created, to: began ?? end, message: "A machine is found, its image is made ready, its files are brought." }];
  if (began) steps.push({ status: doing, from: began, to: end });
  if (status === "Stopping") steps.push({ status, from: changed });
  if (over && end) steps.push({ status, from: end, to: end, message: reason?.split("\n")[0] });
  return steps;
}

export function PairsTable({ title, of, none }: { title: string; of: Record<string, string> | undefined; none: string }) {
  const pairs = Object.entries(of ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return (
    <Table
      variant="container"
      header={<Header variant="h2" counter={`(${pairs.length})`}>{title}</Header>}
      items={pairs}
      columnDefinitions={[
        { id: "name", header: "Name", cell: ([k]) => <span className="mono">{k}</span>, isRowHeader: true },
        { id: "value", header: "Value", cell: ([, v]) => <span className="mono">{v}</span> },
      ]}
      ariaLabels={{ tableLabel: title }}
      empty={<Box color="text-body-secondary">{none}</Box>}
    />
  );
}
