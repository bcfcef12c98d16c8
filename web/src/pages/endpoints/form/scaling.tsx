/** How many instances there are, by what is asked: target tracking of one variant. */
import Alert from "@cloudscape-design/components/alert";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { NumberField } from "../../../kit/number-field";
import { METRICS, type MetricName, type Mode, type Scale } from "../draft";

const FITS: Record<Mode, MetricName[]> = {
  "real-time": ["SageMakerVariantInvocationsPerInstance", "SageMakerVariantConcurrentRequestsPerModelHighResolution"],
  serverless: ["SageMakerVariantProvisionedConcurrencyUtilization"],
  async: ["ApproximateBacklogSizePerInstance"],
};

export function ScaleFields({ value, change, mode, variants }: { value: Scale; change: (value: Scale) => void; mode: Mode; variants: string[] }) {
  const put = (part: Partial<Scale>) => change({ ...value, ...part });
  const option = (metric: string) => ({ value: metric, label: METRICS[metric as MetricName]?.label ?? metric });
  return (
    <SpaceBetween size="l">
      <ColumnLayout columns={3}>
        <FormField label="Variant that scales">
          <Select selectedOption={{ value: value.VariantName, label: value.VariantName }} options={variants.map((v) => ({ value: v, label: v }))} onChange={({ detail }) => put({ VariantName: detail.selectedOption.value! })} />
        </FormField>
        <FormField label="Follows">
          <Select selectedOption={option(value.Metric)} options={FITS[mode].map(option)} onChange={({ detail }) => put({ Metric: detail.selectedOption.value!, TargetValue: METRICS[detail.selectedOption.value as MetricName].value })} />
        </FormField>
        <NumberField label="Kept near" fraction least={0.01} value={value.TargetValue} change={(n) => put({ TargetValue: n! })} />
      </ColumnLayout>
      <ColumnLayout columns={4}>
        <NumberField label="At least" least={mode === "async" ? 0 : 1} value={value.MinCapacity} change={(n) => put({ MinCapacity: n! })} />
        <NumberField label="At most" value={value.MaxCapacity} change={(n) => put({ MaxCapacity: n! })} />
        <NumberField label="Pause after more, s" least={0} value={value.ScaleOutCooldown} change={(n) => put({ ScaleOutCooldown: n! })} />
        <NumberField label="Pause after fewer, s" least={0} value={value.ScaleInCooldown} change={(n) => put({ ScaleInCooldown: n! })} />
      </ColumnLayout>
      {mode === "async" && value.MinCapacity === 0 && <Alert type="info">From none to one, a step policy on HasBacklogWithoutCapacity wakes it; this policy looks after the rest.</Alert>}
    </SpaceBetween>
  );
}
