/** Now, or on a schedule: a choice of usual ones, and the expression itself. */
import Container from "@cloudscape-design/components/container";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { When } from "./draft";

const USUAL = [
  { value: "rate(1 hour)", label: "Every hour, from now on" },
  { value: "cron(0 6 * * ? *)", label: "Every day at 6:00" },
  { value: "cron(0 6 ? * MON-FRI *)", label: "Monday to Friday at 6:00" },
  { value: "cron(0 6 ? * MON *)", label: "Every Monday at 6:00" },
  { value: "cron(0 6 1 * ? *)", label: "On the first of each month at 6:00" },
];
const OWN = { value: "", label: "Another: the expression says" };

export function WhenFields({ when, change }: { when: When; change: (when: When) => void }) {
  const later = when.expression !== "";
  return (
    <Container header={<Header variant="h2">When</Header>}>
      <SpaceBetween size="l">
        <SegmentedControl
          label="When it runs"
          selectedId={later ? "later" : "now"}
          options={[{ id: "now", text: "Now, once" }, { id: "later", text: "On a schedule" }]}
          onChange={({ detail }) => change({ ...when, expression: detail.selectedId === "later" ? USUAL[1]!.value : "" })}
        />
        {later && <TimesFields when={when} change={change} />}
      </SpaceBetween>
    </Container>
  );
}

/** A usual rhythm, or the expression itself; a space where it is empty, which is not now. */
export function TimesFields({ when, change }: { when: When; change: (when: When) => void }) {
  return (
    <ColumnLayout columns={3}>
      <FormField label="How often">
        <Select selectedOption={USUAL.find((u) => u.value === when.expression) ?? OWN} options={USUAL} onChange={({ detail }) => change({ ...when, expression: detail.selectedOption.value! })} />
      </FormField>
      <FormField label="Expression" constraintText="rate(2 hours), cron(minutes hours day month weekday year), at(2030-01-31T08:00:00)">
        <Input value={when.expression} spellcheck={false} onChange={({ detail }) => change({ ...when, expression: detail.value || " " })} />
      </FormField>
      <FormField label="Time zone">
        <Input value={when.timezone} spellcheck={false} onChange={({ detail }) => change({ ...when, timezone: detail.value })} />
      </FormField>
    </ColumnLayout>
  );
}
