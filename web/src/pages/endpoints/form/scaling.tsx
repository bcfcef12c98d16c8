/** How many instances there are, by what is asked: target tracking of one variant. */
import Alert from "@cloudscape-design/components/alert";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { METRICS, type MetricName, type Mode, type Scale } from "../draft";
import { NumberField } from "./fields";

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
        <NumberField label="Kept near" step={0.1} least={0.01} value={value.TargetValue} change={(n) => put({ TargetValue: n ?? 1 })} />
      </ColumnLayout>
      <ColumnLayout columns={4}>
        <NumberField label="At least" least={mode === "async" ? 0 : 1} value={value.MinCapacity} change={(n) => put({ MinCapacity: n ?? 1 })} />
        <NumberField label="At most" least={1} value={value.MaxCapacity} change={(n) => put({ MaxCapacity: n ?? 1 })} />
        <NumberField label="Pause after more, s" value={value.ScaleOutCooldown} change={(n) => put({ ScaleOutCooldown: n ?? 0 })} />
        <NumberField label="Pause after fewer, s" value={value.ScaleInCooldown} change={(n) => put({ ScaleInCooldown: n ?? 0 })} />
      </ColumnLayout>
      {mode === "async" && value.MinCapacity === 0 && <Alert type="info">From none to one, a step policy on HasBacklogWithoutCapacity wakes it; this policy looks after the rest.</Alert>}
    </SpaceBetween>
  );
}
