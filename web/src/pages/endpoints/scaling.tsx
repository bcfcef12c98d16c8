/** What scales the endpoint: its targets, their policies, and what came of them. */
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";

import { call } from "../../kit/aws/any";
import { CodePanel } from "../../kit/code";
import { Confirm } from "../../kit/confirm";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { Status } from "../../kit/status";
import { RelativeTime } from "../../kit/time";
import { Waiting } from "../../kit/waiting";
import { firstScale, METRICS, scalingCalls, sendAll, type MetricName, type Mode, type Scale } from "./draft";
import { ScaleFields } from "./form/scaling";

const SERVICE = "application-autoscaling";
const KINDS = ["Endpoint", "ScalableTarget", "ScalingPolicy", "ScalingActivity"];

interface Target {
  ResourceId: string;
  ScalableDimension: string;
  MinCapacity: number;
  MaxCapacity: number;
}

interface Policy {
  PolicyName: string;
  PolicyType: string;
  ResourceId: string;
  ScalableDimension: string;
  Alarms?: { AlarmName: string }[];
  TargetTrackingScalingPolicyConfiguration?: { TargetValue: number; PredefinedMetricSpecification?: { PredefinedMetricType: string }; CustomizedMetricSpecification?: { MetricName?: string } };
}

interface Activity {
  ActivityId: string;
  ResourceId: string;
  Description: string;
  Cause: string;
  StartTime: number;
  StatusCode: string;
  StatusMessage?: string;
}

const variantOf = (resource: string) => resource.split("/").pop()!;
const followed = (p: Policy) => p.TargetTrackingScalingPolicyConfiguration?.PredefinedMetricSpecification?.PredefinedMetricType ?? p.TargetTrackingScalingPolicyConfiguration?.CustomizedMetricSpecification?.MetricName ?? "";
const told = (p: Policy) => {
  const metric = followed(p);
  return metric ? `${METRICS[metric as MetricName]?.label ?? metric}, near ${p.TargetTrackingScalingPolicyConfiguration!.TargetValue}` : p.PolicyType;
};

async function scaling(endpoint: string, variants: string[], abort: AbortSignal) {
  const ResourceIds = variants.map((v) => `endpoint/${endpoint}/variant/${v}`);
  const about = { ServiceNamespace: "sagemaker" };
  const { ScalableTargets: targets } = await call<{ ScalableTargets: Target[] }>(SERVICE, "DescribeScalableTargets", { ...about, ResourceIds }, abort);
  const each = targets.map(async ({ ResourceId, ScalableDimension }) => {
    const where = { ...about, ResourceId, ScalableDimension };
    const [policies, activities] = await Promise.all([
      call<{ ScalingPolicies: Policy[] }>(SERVICE, "DescribeScalingPolicies", where, abort),
      call<{ ScalingActivities: Activity[] }>(SERVICE, "DescribeScalingActivities", { ...where, MaxResults: 50 }, abort),
    ]);
    return { policies: policies.ScalingPolicies, activities: activities.ScalingActivities };
  });
  const found = await Promise.all(each);
  return { targets, policies: found.flatMap((f) => f.policies), activities: found.flatMap((f) => f.activities).sort((a, b) => b.StartTime - a.StartTime) };
}

export function Scaling({ endpoint }: { endpoint: DescribeEndpointOutput }) {
  const name = endpoint.EndpointName!;
  const variants = (endpoint.ProductionVariants ?? []).map((v) => v.VariantName!);
  const [edited, setEdited] = useState<Scale>();
  const { value, error, reload } = useLoad((abort) => scaling(name, variants, abort), [name, variants], { kinds: KINDS });
  const mode: Mode = endpoint.AsyncInferenceConfig ? "async" : endpoint.ProductionVariants?.some((v) => v.CurrentServerlessConfig) ? "serverless" : "real-time";
  if (error !== undefined && !value) return <ErrorPanel error={error} retry={reload} doing="The scaling cannot be read" />;
  if (!value) return <Waiting />;
  const begin = () => setEdited({ ...firstScale({ EndpointConfigName: "", ProductionVariants: [{ VariantName: variants[0], ...(mode === "serverless" && { ServerlessConfig: { MemorySizeInMB: 1024, MaxConcurrency: 1 } }) }], ...(mode === "async" && { AsyncInferenceConfig: { OutputConfig: {} } }) }) });
  const change = (t: Target) => {
    const policy = value.policies.find((p) => p.ResourceId === t.ResourceId && followed(p))?.TargetTrackingScalingPolicyConfiguration as (Partial<Scale> & { TargetValue: number }) | undefined;
    const first = firstScale({ EndpointConfigName: "", ProductionVariants: [{ VariantName: variantOf(t.ResourceId) }] });
    setEdited({ ...first, MinCapacity: t.MinCapacity, MaxCapacity: t.MaxCapacity, ...(policy && { Metric: followed(value.policies.find((p) => p.ResourceId === t.ResourceId && followed(p))!), TargetValue: policy.TargetValue, ScaleInCooldown: policy.ScaleInCooldown ?? 300, ScaleOutCooldown: policy.ScaleOutCooldown ?? 300 }) });
  };
  return (
    <SpaceBetween size="l">
      {edited ? (
        <Edit name={name} value={edited} change={setEdited} mode={mode} variants={variants} done={() => (setEdited(undefined), reload())} />
      ) : (
        <Table<Target>
          variant="container"
          items={value.targets}
          ariaLabels={{ tableLabel: "What scales" }}
          header={<Header variant="h2" counter={`(${value.targets.length})`} actions={<Button onClick={begin}>Scale by load</Button>}>What scales</Header>}
          columnDefinitions={[
            { id: "variant", header: "Variant", isRowHeader: true, cell: (t) => variantOf(t.ResourceId) },
            { id: "what", header: "What", cell: (t) => (t.ScalableDimension.endsWith("DesiredInstanceCount") ? "Instances" : "Provisioned concurrency") },
            { id: "bounds", header: "Between", cell: (t) => `${t.MinCapacity} and ${t.MaxCapacity}` },
            { id: "policy", header: "Policy", cell: (t) => value.policies.filter((p) => p.ResourceId === t.ResourceId && p.ScalableDimension === t.ScalableDimension).map(told).join("; ") || "None: bounds and schedules only" },
            {
              id: "do",
              header: "Change",
              cell: (t) => (
                <SpaceBetween direction="horizontal" size="xs">
                  <Button onClick={() => change(t)} ariaLabel={`Change the scaling of ${variantOf(t.ResourceId)}`}>Change</Button>
                  <Confirm label="Stop scaling" question={`Stop scaling ${variantOf(t.ResourceId)}?`} run={() => call(SERVICE, "DeregisterScalableTarget", { ServiceNamespace: "sagemaker", ResourceId: t.ResourceId, ScalableDimension: t.ScalableDimension })} said="It stays as it is now." done={reload}>
                    It keeps what it has now; its policies and their alarms go.
                  </Confirm>
                </SpaceBetween>
              ),
            },
          ]}
          empty={<Box color="text-body-secondary">Nothing scales by itself. A policy keeps a metric near a value, by more or fewer instances.</Box>}
        />
      )}
      <Table<Activity>
        variant="container"
        items={value.activities}
        wrapLines
        ariaLabels={{ tableLabel: "Scaling activities" }}
        header={<Header variant="h2" counter={`(${value.activities.length})`} description="What was changed, and why.">Activities</Header>}
        columnDefinitions={[
          { id: "at", header: "Time", width: 150, cell: (a) => <RelativeTime at={new Date(a.StartTime * 1000)} /> },
          { id: "status", header: "State", width: 140, cell: (a) => <Status value={a.StatusCode === "Successful" ? "Succeeded" : a.StatusCode} /> },
          { id: "variant", header: "Variant", width: 140, cell: (a) => variantOf(a.ResourceId) },
          { id: "what", header: "What", isRowHeader: true, cell: (a) => a.Description },
          { id: "why", header: "Why", cell: (a) => [a.Cause, a.StatusMessage].filter(Boolean).join(" ") },
        ]}
        empty={<Box color="text-body-secondary">Nothing was changed by scaling yet.</Box>}
      />
      {!edited && <CodePanel snippet={{ calls: [{ service: SERVICE, operation: "DescribeScalableTargets", input: { ServiceNamespace: "sagemaker", ResourceIds: variants.map((v) => `endpoint/${name}/variant/${v}`) } }, { service: SERVICE, operation: "DescribeScalingActivities", input: { ServiceNamespace: "sagemaker" } }] }} />}
    </SpaceBetween>
  );
}

function Edit({ name, value, change, mode, variants, done }: { name: string; value: Scale; change: (value: Scale | undefined) => void; mode: Mode; variants: string[]; done: () => void }) {
  const calls = scalingCalls(name, value);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      await sendAll(calls, new Set());
      notify.done(`${value.VariantName} scales by load.`);
      done();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Container
      header={<Header variant="h2">Scale by load</Header>}
      footer={
        <SpaceBetween direction="horizontal" size="xs">
          <Button variant="primary" loading={busy} disabled={value.MaxCapacity < value.MinCapacity} onClick={() => void save()}>Keep the policy</Button>
          <Button variant="link" onClick={() => change(undefined)}>Cancel</Button>
        </SpaceBetween>
      }
    >
      <SpaceBetween size="l">
        <ScaleFields value={value} change={change} mode={mode} variants={variants} />
        {error !== undefined && <ErrorPanel error={error} doing="Not kept" />}
        <CodePanel snippet={{ calls }} title="What will be sent, as code" />
      </SpaceBetween>
    </Container>
  );
}
