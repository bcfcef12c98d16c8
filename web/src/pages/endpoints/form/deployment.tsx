/** How the requests move to the new instances, what is watched meanwhile, and what takes the update back. */
import { DescribeAlarmsCommand } from "@aws-sdk/client-cloudwatch";
import type { BlueGreenUpdatePolicy, DeploymentConfig, RollingUpdatePolicy } from "@aws-sdk/client-sagemaker";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Multiselect from "@cloudscape-design/components/multiselect";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";

import { cloudwatch } from "../../../kit/aws/metrics";
import { useLoad } from "../../../kit/load";
import { NumberField } from "../../../kit/number-field";

type Kind = "none" | "ALL_AT_ONCE" | "CANARY" | "LINEAR" | "rolling";

const percent = (Value: number) => ({ Type: "CAPACITY_PERCENT" as const, Value });

/** The first settings of each way. */
const FIRST: Record<Exclude<Kind, "none">, DeploymentConfig> = {
  ALL_AT_ONCE: { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { Type: "ALL_AT_ONCE", WaitIntervalInSeconds: 60 }, TerminationWaitInSeconds: 0 } },
  CANARY: { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { Type: "CANARY", WaitIntervalInSeconds: 60, CanarySize: percent(10) }, TerminationWaitInSeconds: 0 } },
  LINEAR: { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { Type: "LINEAR", WaitIntervalInSeconds: 60, LinearStepSize: percent(25) }, TerminationWaitInSeconds: 0 } },
  rolling: { RollingUpdatePolicy: { MaximumBatchSize: percent(50), WaitIntervalInSeconds: 60 } },
};

export function kindOf(value: DeploymentConfig | undefined): Kind {
  if (value?.RollingUpdatePolicy) return "rolling";
  return value?.BlueGreenUpdatePolicy?.TrafficRoutingConfiguration?.Type ?? "none";
}

export function Deployment({ value, change }: { value: DeploymentConfig | undefined; change: (value: DeploymentConfig | undefined) => void }) {
  const kind = kindOf(value);
  const alarms = useLoad((abortSignal) => cloudwatch().send(new DescribeAlarmsCommand({ MaxRecords: 100 }), { abortSignal }), "alarms");
  const watched = value?.AutoRollbackConfiguration?.Alarms?.map((a) => a.AlarmName!) ?? [];
  const watch = (names: string[]) => {
    const { AutoRollbackConfiguration: _, ...rest } = value ?? {};
    change(names.length ? { ...rest, AutoRollbackConfiguration: { Alarms: names.map((AlarmName) => ({ AlarmName })) } } : rest);
  };
  const choose = (next: Kind) => change(next === "none" ? undefined : { ...FIRST[next], ...(value?.AutoRollbackConfiguration && { AutoRollbackConfiguration: value.AutoRollbackConfiguration }) });
  return (
    <Container header={<Header variant="h2" description="No request is lost either way: old instances finish what they have.">How the requests move</Header>}>
      <SpaceBetween size="l">
        <FormField label="Way" stretch>
          <Tiles
            value={kind}
            columns={3}
            onChange={({ detail }) => choose(detail.value as Kind)}
            items={[
              { value: "none", label: "At once", description: "New instances start, then take over." },
              { value: "ALL_AT_ONCE", label: "At once, watched", description: "The old ones wait until the new ones have proven well." },
              { value: "CANARY", label: "Canary", description: "A small share first, watched, then the rest." },
              { value: "LINEAR", label: "Linear", description: "In equal steps, each watched." },
              { value: "rolling", label: "Rolling", description: "Batch by batch, where there is no room for a second fleet." },
            ]}
          />
        </FormField>
        {value?.BlueGreenUpdatePolicy && <BlueGreen value={value.BlueGreenUpdatePolicy} change={(p) => change({ ...value, BlueGreenUpdatePolicy: p })} />}
        {value?.RollingUpdatePolicy && <Rolling value={value.RollingUpdatePolicy} change={(p) => change({ ...value, RollingUpdatePolicy: p })} />}
        {value && (
          <FormField label="Alarms that take it back" description="While it is watched, an alarm brings the old instances back at once.">
            <Multiselect
              selectedOptions={watched.map((n) => ({ value: n, label: n }))}
              options={(alarms.value?.MetricAlarms ?? []).map((a) => ({ value: a.AlarmName!, label: a.AlarmName!, ...(a.StateValue && { tags: [a.StateValue] }) }))}
              onChange={({ detail }) => watch(detail.selectedOptions.map((o) => o.value!))}
              placeholder="None"
              empty="There is no alarm yet: CloudWatch's PutMetricAlarm makes one"
              filteringType="auto"
              statusType={alarms.loading ? "loading" : alarms.error !== undefined ? "error" : "finished"}
              loadingText="Looking for alarms"
              errorText="The alarms cannot be listed"
              deselectAriaLabel={(o) => `Without ${o.label}`}
            />
          </FormField>
        )}
      </SpaceBetween>
    </Container>
  );
}

function BlueGreen({ value, change }: { value: BlueGreenUpdatePolicy; change: (value: BlueGreenUpdatePolicy) => void }) {
  const routing = value.TrafficRoutingConfiguration!;
  const route = (part: Partial<typeof routing>) => change({ ...value, TrafficRoutingConfiguration: { ...routing, ...part } });
  return (
    <ColumnLayout columns={4}>
      {routing.CanarySize && <NumberField label="Canary, %" most={50} value={routing.CanarySize.Value} change={(n) => route({ CanarySize: percent(n!) })} />}
      {routing.LinearStepSize && <NumberField label="Step, %" least={10} most={50} value={routing.LinearStepSize.Value} change={(n) => route({ LinearStepSize: percent(n!) })} />}
      <NumberField label="Watched for, s" least={0} value={routing.WaitIntervalInSeconds} change={(n) => route({ WaitIntervalInSeconds: n })} />
      <NumberField label="Old ones stay for, s" least={0} value={value.TerminationWaitInSeconds} change={(n) => change({ ...value, TerminationWaitInSeconds: n })} />
      <NumberField label="Longest, s" least={600} optional="No limit" value={value.MaximumExecutionTimeoutInSeconds} change={(n) => change({ ...value, MaximumExecutionTimeoutInSeconds: n })} />
    </ColumnLayout>
  );
}

function Rolling({ value, change }: { value: RollingUpdatePolicy; change: (value: RollingUpdatePolicy) => void }) {
  return (
    <ColumnLayout columns={3}>
      <NumberField label="Batch, %" least={5} most={50} value={value.MaximumBatchSize?.Value} change={(n) => change({ ...value, MaximumBatchSize: percent(n!) })} />
      <NumberField label="Watched for, s" least={0} value={value.WaitIntervalInSeconds} change={(n) => change({ ...value, WaitIntervalInSeconds: n })} />
      <NumberField label="Longest, s" least={600} optional="No limit" value={value.MaximumExecutionTimeoutInSeconds} change={(n) => change({ ...value, MaximumExecutionTimeoutInSeconds: n })} />
    </ColumnLayout>
  );
}
