/** Another rhythm for a schedule, a time before or after which it rests, a pause: UpdateSchedule, which replaces the whole. */
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { useParams } from "react-router";

import { asked, getSchedule, updateSchedule, type Change } from "../../kit/aws/scheduler";
import { ErrorPanel } from "../../kit/errors";
import { CreateForm } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { NumberField } from "../../kit/number-field";
import { Waiting } from "../../kit/waiting";
import { misspelt } from "./draft";
import { href } from "./schedules";
import { TimesFields } from "./when";

export default function ChangeSchedule() {
  const { group = "default", name = "" } = useParams();
  // as it was when the page was opened: what somebody is typing is not replaced
  const { value, error, reload } = useLoad((abort) => getSchedule(group, name, abort), [group, name]);
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The schedule cannot be read" />;
  return value ? <Fields key={value.Arn} before={asked(value)} /> : <Waiting />;
}

const TIME = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?$/;
const shown = (seconds: number | undefined) => (seconds === undefined ? "" : new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " "));
/** Epoch seconds of a time in UTC; NaN where it is none. */
const seconds = (text: string) => (TIME.test(text) ? Date.parse(`${text.replace(" ", "T")}${text.length > 10 ? "Z" : ""}`) / 1000 : NaN);

function missing(d: Change, times: readonly string[]): string | undefined {
  if (times.some((t) => t && Number.isNaN(seconds(t)))) return "A time is a date and a time, as 2030-01-31 08:00.";
  if (d.StartDate !== undefined && d.EndDate !== undefined && d.EndDate <= d.StartDate) return "It ends before it begins.";
  return misspelt(d.ScheduleExpression);
}

function Fields({ before }: { before: Change }) {
  const [draft, setDraft] = useState(before);
  const [times, setTimes] = useState({ StartDate: shown(before.StartDate), EndDate: shown(before.EndDate) });
  const put = (part: Partial<Change>) => setDraft((d) => ({ ...d, ...part }));
  const flexible = draft.FlexibleTimeWindow.MaximumWindowInMinutes;
  const time = (member: "StartDate" | "EndDate", label: string, empty: string) => (
    <FormField label={label} constraintText={`UTC, as 2030-01-31 08:00. ${empty}`}>
      <Input
        value={times[member]}
        spellcheck={false}
        onChange={({ detail }) => {
          setTimes((t) => ({ ...t, [member]: detail.value }));
          const at = seconds(detail.value.trim());
          put({ [member]: Number.isNaN(at) ? undefined : at });
        }}
      />
    </FormField>
  );
  return (
    <CreateForm<Change>
      title={`Change ${before.Name}`}
      description="From its next time on. What it has started goes on."
      parent={{ text: before.Name, href: href(before) }}
      document={draft}
      change={(document) => {
        setDraft(document);
        setTimes({ StartDate: shown(document.StartDate), EndDate: shown(document.EndDate) });
      }}
      missing={missing(draft, [times.StartDate, times.EndDate].map((t) => t.trim()))}
      label="Keep the changes"
      refused="Not changed"
      code={{ calls: [{ service: "scheduler", operation: "UpdateSchedule", input: draft }] }}
      submit={async () => {
        await updateSchedule(draft);
        notify.done(`${before.Name} is changed.`);
        return href(before);
      }}
    >
      <Container header={<Header variant="h2">When</Header>}>
        <SpaceBetween size="l">
          <SegmentedControl
            label="Whether it calls"
            selectedId={draft.State}
            options={[{ id: "ENABLED", text: "Enabled" }, { id: "DISABLED", text: "Paused" }]}
            onChange={({ detail }) => put({ State: detail.selectedId as Change["State"] })}
          />
          <TimesFields when={{ expression: draft.ScheduleExpression, timezone: draft.ScheduleExpressionTimezone }} change={({ expression, timezone }) => put({ ScheduleExpression: expression.trim(), ScheduleExpressionTimezone: timezone })} />
          <ColumnLayout columns={3}>
            {time("StartDate", "From", "Empty: at once.")}
            {time("EndDate", "Until", "Empty: without an end.")}
            <NumberField
              label="Within minutes"
              optional="At the very time"
              value={flexible}
              change={(minutes) => put({ FlexibleTimeWindow: minutes === undefined ? { Mode: "OFF" } : { Mode: "FLEXIBLE", MaximumWindowInMinutes: minutes } })}
            />
          </ColumnLayout>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}
