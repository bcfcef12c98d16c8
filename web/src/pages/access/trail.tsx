/** Who changed what: CloudTrail's event history. */
import Button from "@cloudscape-design/components/button";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { Arn } from "../../kit/arn";
import { call } from "../../kit/aws/any";
import { JsonView } from "../../kit/json";
import { PageLink } from "../../kit/link";
import { Status } from "../../kit/status";
import { ResourceTable, type Query } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { useView } from "../../kit/view";

import { Grant, useWatched } from "./grant";

interface Event {
  EventId: string;
  EventName: string;
  EventSource: string;
  EventTime: number;
  Username?: string;
  Resources?: { ResourceType: string; ResourceName: string }[];
  CloudTrailEvent: string;
}

const BY = [
  { value: "Username", label: "User" },
  { value: "EventName", label: "Action" },
  { value: "ResourceName", label: "ARN of a resource" },
  { value: "EventSource", label: "Service" },
];
/** LookupEvents gives no more at once. */
const MOST = 50;

const fault = (event: Event) => (JSON.parse(event.CloudTrailEvent) as { errorCode?: string }).errorCode;

/** Some calls name what they act on by its ARN, others by its name. */
function What({ of: { ResourceType, ResourceName } }: { of: { ResourceType: string; ResourceName: string } }) {
  const [, kind = "", noun = ""] = ResourceType.split("::");
  if (ResourceName.startsWith("arn:")) return <Arn arn={ResourceName} />;
  if (kind === "IAM" && (noun === "Role" || noun === "User")) return <PageLink href={`/access/${noun.toLowerCase()}s/${encodeURIComponent(ResourceName)}`}>{ResourceName}</PageLink>;
  return <>{ResourceName}</>;
}

export default function Trail() {
  const [read, write] = useView();
  const by = read("by", "Username");
  const value = read("value");
  const [typed, setTyped] = useState(value);
  const [error, watch] = useWatched();
  const input = (query: Query<string, string>) => ({
    ...(value && { LookupAttributes: [{ AttributeKey: by, AttributeValue: value }] }),
    MaxResults: Math.min(query.MaxResults ?? MOST, MOST),
    ...(query.NextToken && { NextToken: query.NextToken }),
  });
  return (
    <SpaceBetween size="m">
      <Grant errors={[error]} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          write({ by, value: typed.trim(), page: undefined, token: undefined, selected: undefined });
        }}
      >
        <div className="filters">
          <Select ariaLabel="Narrow down by" selectedOption={BY.find((b) => b.value === by) ?? BY[0]!} options={BY} onChange={({ detail }) => write({ by: detail.selectedOption.value, page: undefined, token: undefined, selected: undefined })} />
          <div className="filters-text">
            <Input ariaLabel="Value, exactly" type="search" value={typed} placeholder="Exactly as it is, such as CreateTrainingJob" onChange={({ detail }) => setTyped(detail.value)} />
          </div>
          <Button>Narrow down</Button>
        </div>
      </form>
      <ResourceTable<Event>
        key={`${by} ${value}`}
        kinds={["TrainingJob", "ProcessingJob", "TransformJob", "HyperParameterTuningJob", "Endpoint", "Model"]}
        title="Audit trail"
        noun="event"
        description={value ? `${BY.find((b) => b.value === by)?.label}: ${value}` : "Every call that changed something in the last 90 days, newest first."}
        filter={false}
        list={watch(async (query: Query<string, string>, abort: AbortSignal) => {
          const page = await call<{ Events?: Event[]; NextToken?: string }>("cloudtrail", "LookupEvents", input(query), abort);
          return { items: page.Events, next: page.NextToken };
        })}
        id={(e) => e.EventId}
        columns={[
          { id: "name", header: "Action", width: 260, cell: (e) => <b>{e.EventName}</b> },
          { id: "time", header: "When", width: 170, cell: (e) => <RelativeTime at={new Date(e.EventTime * 1000)} /> },
          { id: "who", header: "Who", width: 170, cell: (e) => e.Username ?? "–" },
          { id: "outcome", header: "Outcome", width: 190, cell: (e) => (fault(e) ? <span className="said"><Status value="Failed" /> {fault(e)}</span> : <Status value="Succeeded" />) },
          { id: "what", header: "On", width: 300, cell: (e) => (e.Resources?.length ? <What of={e.Resources[0]!} /> : "–") },
          { id: "service", header: "Service", width: 200, cell: (e) => e.EventSource },
        ]}
        panel={(e) => <JsonView value={JSON.parse(e.CloudTrailEvent) as object} />}
        code={(query) => ({ calls: [{ service: "cloudtrail", operation: "LookupEvents", input: input(query) }] })}
        teach={{ text: "Calls that change something are recorded with who made them, without secrets.", code: `import boto3\n\nboto3.client("cloudtrail").lookup_events()` }}
      />
    </SpaceBetween>
  );
}
