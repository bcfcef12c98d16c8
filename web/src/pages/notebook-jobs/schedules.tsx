/** Schedules: what the server does by itself, when, and how that went. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useNavigate, useParams } from "react-router";

import { call } from "../../kit/aws/any";
import { asked, deleteSchedule, getSchedule, listSchedules, turn, type Schedule, type Summary } from "../../kit/aws/scheduler";
import { Confirm } from "../../kit/confirm";
import { Copied, DetailPage, Facts } from "../../kit/detail";
import { Each } from "../../kit/each";
import { ErrorPanel } from "../../kit/errors";
import { JsonView } from "../../kit/json";
import { useLoad } from "../../kit/load";
import { Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { href as jobHref, TAG } from "./api";

const STATES = ["Enabled", "Paused"] as const;
export const href = (s: { GroupName: string; Name: string }) => `/schedules/${encodeURIComponent(s.GroupName)}/${encodeURIComponent(s.Name)}`;
const state = (s: { State: string }) => STATES[s.State === "ENABLED" ? 0 : 1];
const at = (seconds: number | undefined) => (seconds === undefined ? undefined : <RelativeTime at={new Date(seconds * 1000)} />);
/** "sagemaker:createTrainingJob", or the queue's or topic's name. */
const target = (arn: string) => arn.replace(/^arn:aws:scheduler:::aws-sdk:/, "").replace(/^arn:aws:(\w+):.*:/, "$1: ");
const TEACH = `import boto3, json

boto3.client("scheduler").create_schedule(
    Name="nightly", ScheduleExpression="cron(0 3 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin",
    FlexibleTimeWindow={"Mode": "OFF"},
    Target={"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob", "RoleArn": role, "Input": json.dumps(job)},
)`;

const SCHEDULE = { noun: "schedule", name: (s: Summary) => s.Name };
const PAUSED = "Nothing is called until it is resumed; what falls into the pause is left out.";
const RESUMED = "It calls again at its next time.";
const DELETED = "What it has started goes on, and stays.";

export function List() {
  return (
    <ResourceTable<Summary, never, (typeof STATES)[number]>
      kinds={["TrainingJob"]}
      title="Schedules"
      noun="schedule"
      description="Calls of the API that the server makes by itself, as a role."
      statuses={STATES}
      list={async (query, abort) => {
        const page = await listSchedules(
          { ...(query.NameContains && { NamePrefix: query.NameContains }), ...(query.StatusEquals && { State: query.StatusEquals === "Enabled" ? "ENABLED" : "DISABLED" }), ...(query.NextToken && { NextToken: query.NextToken }), MaxResults: String(query.MaxResults ?? 25) },
          abort,
        );
        return { items: page.Schedules, next: page.NextToken };
      }}
      id={(s) => `${s.GroupName}/${s.Name}`}
      create={{ label: "Schedule a notebook", href: "/notebook-jobs/create" }}
      columns={[
        { id: "name", header: "Name", width: 320, cell: (s) => <NameLink href={href(s)}>{s.Name}</NameLink> },
        { id: "state", header: "State", width: 140, cell: (s) => <Status value={state(s)} /> },
        { id: "target", header: "Calls", width: 280, cell: (s) => target(s.Target.Arn) },
        { id: "group", header: "Group", width: 130, cell: (s) => s.GroupName },
        { id: "created", header: "Created", width: 160, cell: (s) => at(s.CreationDate) },
      ]}
      actions={(chosen, done) => (
        <>
          <Each label="Pause" chosen={chosen} {...SCHEDULE} may={(s) => s.State === "ENABLED"} run={(s) => turn(s.GroupName, s.Name, "DISABLED")} said="Paused." done={done}>
            {PAUSED}
          </Each>
          <Each label="Resume" chosen={chosen} {...SCHEDULE} may={(s) => s.State !== "ENABLED"} run={(s) => turn(s.GroupName, s.Name, "ENABLED")} said="Resumed." done={done}>
            {RESUMED}
          </Each>
          <Each label="Delete" chosen={chosen} {...SCHEDULE} run={(s) => deleteSchedule(s.GroupName, s.Name)} said="Deleted." done={done}>
            {DELETED}
          </Each>
        </>
      )}
      code={() => ({ calls: [{ service: "scheduler", operation: "ListSchedules", input: {} }] })}
      teach={{ text: "A schedule starts a notebook, a job or anything else of SageMaker's API at its times, as a role of yours.", code: TEACH }}
    />
  );
}

export function Detail() {
  const { group = "default", name = "" } = useParams();
  const navigate = useNavigate();
  const loaded = useLoad((abort) => getSchedule(group, name, abort), [group, name]);
  return (
    <DetailPage<Schedule>
      name={name}
      parent={{ text: "Schedules", href: "/schedules" }}
      loaded={loaded}
      status={state}
      actions={(s, reload) => (
        <>
          <Button onClick={() => void navigate(`${href(s)}/change`)}>Change</Button>
          {s.State === "ENABLED" ? (
            <Confirm label="Pause" question={`Pause ${name}?`} run={() => turn(group, name, "DISABLED")} said="Paused." done={reload}>
              {PAUSED}
            </Confirm>
          ) : (
            <Confirm label="Resume" question={`Resume ${name}?`} run={() => turn(group, name, "ENABLED")} said="Resumed." done={reload}>
              {RESUMED}
            </Confirm>
          )}
          <Confirm label="Delete" question={`Delete ${name}?`} run={() => deleteSchedule(group, name)} said="Deleted." done={() => void navigate("/schedules")}>
            {DELETED}
          </Confirm>
        </>
      )}
      tabs={(s) => [
        { id: "overview", label: "Overview", content: <Overview of={s} /> },
        { id: "request", label: "What it sends", content: <Sent text={s.Target.Input} /> },
      ]}
      code={(s) => ({ calls: [{ service: "scheduler", operation: "CreateSchedule", input: asked(s) }] })}
    />
  );
}

function Overview({ of: s }: { of: Schedule }) {
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            When: <span className="mono">{s.ScheduleExpression}</span>, "Time zone": s.ScheduleExpressionTimezone, From: at(s.StartDate), Until: at(s.EndDate),
            "Within minutes": s.FlexibleTimeWindow.MaximumWindowInMinutes, Calls: target(s.Target.Arn), As: s.Target.RoleArn.split("/").pop(), Group: s.GroupName, Created: at(s.CreationDate),
            "Last change": at(s.LastModificationDate), "When it is over": s.ActionAfterCompletion === "DELETE" ? "It is deleted" : undefined, Description: s.Description, ARN: <Copied text={s.Arn} what="the ARN" />,
          }}
        />
      </Container>
      <Calls schedule={s} />
    </SpaceBetween>
  );
}

interface Event {
  EventId: string;
  EventName: string;
  EventTime: number;
  CloudTrailEvent: string;
}

interface Made {
  userIdentity?: { arn?: string };
  requestParameters?: { trainingJobName?: string; tags?: { key?: string }[] };
  errorCode?: string;
  errorMessage?: string;
}

const made = (event: Event) => JSON.parse(event.CloudTrailEvent) as Made;

/** What it called so far: a role's session carries the schedule's name, so the audit trail knows. */
function Calls({ schedule }: { schedule: Schedule }) {
  const { value, error, reload } = useLoad(
    (abort) => call<{ Events?: Event[] }>("cloudtrail", "LookupEvents", { LookupAttributes: [{ AttributeKey: "Username", AttributeValue: schedule.Name }], MaxResults: 20 }, abort),
    schedule.Arn,
    { kinds: ["TrainingJob"] },
  );
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="What it called cannot be read" />;
  const role = schedule.Target.RoleArn.split("/").pop();
  const mine = (value?.Events ?? []).filter((e) => made(e).userIdentity?.arn?.includes(`assumed-role/${role}/`));
  return (
    <Table<Event>
      variant="container"
      header={<Header variant="h2" description="The latest, newest first.">What it called</Header>}
      items={mine}
      loading={value === undefined}
      loadingText="Loading"
      ariaLabels={{ tableLabel: "What it called" }}
      columnDefinitions={[
        { id: "when", header: "When", isRowHeader: true, cell: (e) => at(e.EventTime) },
        { id: "call", header: "Call", cell: (e) => e.EventName },
        { id: "outcome", header: "Outcome", cell: (e) => <Status value={made(e).errorCode ? "Failed" : "Succeeded"} /> },
        { id: "what", header: "What came of it", cell: (e) => <Came of={made(e)} /> },
      ]}
      empty={<Box color="text-body-secondary">It has called nothing yet.</Box>}
    />
  );
}

function Came({ of }: { of: Made }) {
  if (of.errorCode) return <span className="said">{of.errorCode}: {of.errorMessage}</span>;
  const name = of.requestParameters?.trainingJobName;
  if (!name) return <>–</>;
  const notebook = of.requestParameters?.tags?.some((t) => t.key === TAG);
  return <NameLink href={notebook ? jobHref(name) : `/training-jobs/${encodeURIComponent(name)}`}>{name}</NameLink>;
}

function Sent({ text }: { text: string | undefined }) {
  if (!text) return <Box color="text-body-secondary">Nothing of its own: the target gets the scheduler's notification.</Box>;
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === "object" && document !== null) return <JsonView value={document} />;
  } catch {
    // it is a message, not a request
  }
  return <pre className="said">{text}</pre>;
}
