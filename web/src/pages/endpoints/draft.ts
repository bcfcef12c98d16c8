/** What the forms of endpoints edit, and the calls that it becomes: those that are shown as code are those that are sent. */
import type { CreateEndpointConfigInput, DeploymentConfig, DescribeEndpointConfigOutput, ProductionVariant } from "@aws-sdk/client-sagemaker";

import { call, type AnyService } from "../../kit/aws/any";
import type { Call } from "../../kit/code";
import { picked } from "../../kit/described";

export type Mode = "real-time" | "serverless" | "async";

/** Target tracking of one variant. */
export interface Scale {
  VariantName: string;
  MinCapacity: number;
  MaxCapacity: number;
  Metric: string;
  TargetValue: number;
  ScaleInCooldown: number;
  ScaleOutCooldown: number;
}

export interface Draft {
  EndpointName: string;
  Config: CreateEndpointConfigInput;
  /** A configuration that there is already takes the place of `Config`. */
  Known?: string | undefined;
  Scaling?: Scale[] | undefined;
  Deployment?: DeploymentConfig | undefined;
}

/** SageMaker's own metrics to follow; the backlog is a metric without a predefined name. */
export const METRICS = {
  SageMakerVariantInvocationsPerInstance: { label: "Requests a minute and instance", value: 100 },
  SageMakerVariantConcurrentRequestsPerModelHighResolution: { label: "Requests at once and instance", value: 5 },
  SageMakerVariantProvisionedConcurrencyUtilization: { label: "Share of the provisioned concurrency in use", value: 0.7 },
  ApproximateBacklogSizePerInstance: { label: "Waiting requests an instance", value: 5 },
} as const;
export type MetricName = keyof typeof METRICS;

export const INSTANCES = "sagemaker:variant:DesiredInstanceCount";
export const PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency";

const INSTANCE = { InstanceType: "ml.m5.large", InitialInstanceCount: 1 } as const;
const ALONE = { MemorySizeInMB: 2048, MaxConcurrency: 5 };

const variant = (VariantName: string, ModelName = ""): ProductionVariant => ({ VariantName, ModelName, ...INSTANCE, InitialVariantWeight: 1 });

export const blank = (name: string, model: string): Draft => ({ EndpointName: name, Config: { EndpointConfigName: name, ProductionVariants: [variant("AllTraffic", model)] } });

export const variantsOf = (config: CreateEndpointConfigInput) => config.ProductionVariants ?? [];
export const shadowOf = (config: CreateEndpointConfigInput) => config.ShadowProductionVariants?.[0];

export function modeOf(config: CreateEndpointConfigInput): Mode {
  if (config.AsyncInferenceConfig) return "async";
  return variantsOf(config).some((v) => v.ServerlessConfig) ? "serverless" : "real-time";
}

/** A name that no variant has. */
export function nextName(config: CreateEndpointConfigInput): string {
  const taken = new Set([...variantsOf(config), ...(config.ShadowProductionVariants ?? [])].map((v) => v.VariantName));
  return ["AllTraffic", "Challenger", ...Array.from({ length: 50 }, (_, i) => `Variant${i + 3}`)].find((n) => !taken.has(n))!;
}

export const added = (config: CreateEndpointConfigInput): CreateEndpointConfigInput => ({ ...config, ProductionVariants: [...variantsOf(config), variant(nextName(config), variantsOf(config)[0]?.ModelName)] });

/** The same for another way of serving; what that way cannot have goes. */
export function withMode(config: CreateEndpointConfigInput, mode: Mode): CreateEndpointConfigInput {
  const { AsyncInferenceConfig: _, ...rest } = config;
  const [first, ...others] = variantsOf(config);
  if (!first) return config;
  if (mode === "serverless") {
    const { InstanceType: _type, InitialInstanceCount: _count, RoutingConfig: _routing, ...alone } = first;
    const { DataCaptureConfig: _capture, ShadowProductionVariants: _shadow, ...plain } = rest;
    return { ...plain, ProductionVariants: [{ ...alone, InitialVariantWeight: 1, ServerlessConfig: first.ServerlessConfig ?? ALONE }] };
  }
  const { ServerlessConfig: _serverless, ...served } = first;
  const ProductionVariants = [{ ...INSTANCE, ...served }, ...others];
  if (mode === "real-time") return { ...rest, ProductionVariants };
  const { ShadowProductionVariants: _shadow, ...plain } = rest;
  return { ...plain, ProductionVariants, AsyncInferenceConfig: config.AsyncInferenceConfig ?? { OutputConfig: { S3OutputPath: "" } } };
}

export function withShadow(config: CreateEndpointConfigInput, on: boolean): CreateEndpointConfigInput {
  const { ShadowProductionVariants: _, ...rest } = config;
  return on ? { ...config, ShadowProductionVariants: [variant("Shadow")] } : rest;
}

/** Another configuration from one that there is. */
const MEMBERS = ["ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig", "AsyncInferenceConfig", "ExplainerConfig", "KmsKeyId", "ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation"];
export const copied = (of: DescribeEndpointConfigOutput, name: string): CreateEndpointConfigInput => ({ ...(picked(of, MEMBERS) as unknown as CreateEndpointConfigInput), EndpointConfigName: name });

const uri = (text: string | undefined) => /^s3:\/\/[a-z0-9.-]{3,63}(\/.*)?$/.test(text ?? "");

/** Why it cannot be sent yet. */
export function missing({ EndpointName, Config, Known, Scaling = [] }: Draft): string | undefined {
  if (!EndpointName) return "It needs a name.";
  if (Known) return undefined;
  const all = [...variantsOf(Config), ...(Config.ShadowProductionVariants ?? [])];
  if (all.some((v) => !v.VariantName)) return "A variant needs a name.";
  if (new Set(all.map((v) => v.VariantName)).size < all.length) return "Two variants have the same name.";
  if (variantsOf(Config).some((v) => !v.ModelName)) return "Choose a model.";
  if (shadowOf(Config) && !shadowOf(Config)!.ModelName) return "Choose the shadow's model.";
  if (variantsOf(Config).every((v) => v.InitialVariantWeight === 0)) return "A variant needs a weight above zero.";
  if (Config.AsyncInferenceConfig && !uri(Config.AsyncInferenceConfig.OutputConfig?.S3OutputPath)) return "Choose where the answers go.";
  if (Config.DataCaptureConfig?.EnableCapture && !uri(Config.DataCaptureConfig.DestinationS3Uri)) return "Choose where captured requests go.";
  if (Scaling.some((s) => s.MaxCapacity < s.MinCapacity)) return "The most instances are fewer than the least.";
  return undefined;
}

const dimensionOf = (metric: string) => (metric === "SageMakerVariantProvisionedConcurrencyUtilization" ? PROVISIONED : INSTANCES);

function tracked(endpoint: string, scale: Scale): object {
  const common = { TargetValue: scale.TargetValue, ScaleInCooldown: scale.ScaleInCooldown, ScaleOutCooldown: scale.ScaleOutCooldown };
  if (scale.Metric !== "ApproximateBacklogSizePerInstance") return { ...common, PredefinedMetricSpecification: { PredefinedMetricType: scale.Metric } };
  return { ...common, CustomizedMetricSpecification: { MetricName: scale.Metric, Namespace: "AWS/SageMaker", Statistic: "Average", Dimensions: [{ Name: "EndpointName", Value: endpoint }] } };
}

export function scalingCalls(endpoint: string, scale: Scale): Call[] {
  const what = { ServiceNamespace: "sagemaker", ResourceId: `endpoint/${endpoint}/variant/${scale.VariantName}`, ScalableDimension: dimensionOf(scale.Metric) };
  return [
    { service: "application-autoscaling", operation: "RegisterScalableTarget", input: { ...what, MinCapacity: scale.MinCapacity, MaxCapacity: scale.MaxCapacity } },
    { service: "application-autoscaling", operation: "PutScalingPolicy", input: { PolicyName: `${scale.VariantName}-tracks`, ...what, PolicyType: "TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration: tracked(endpoint, scale) } },
  ];
}

export function firstScale(config: CreateEndpointConfigInput): Scale {
  const mode = modeOf(config);
  const Metric: MetricName = mode === "async" ? "ApproximateBacklogSizePerInstance" : mode === "serverless" ? "SageMakerVariantProvisionedConcurrencyUtilization" : "SageMakerVariantInvocationsPerInstance";
  return { VariantName: variantsOf(config)[0]?.VariantName ?? "AllTraffic", MinCapacity: mode === "async" ? 0 : 1, MaxCapacity: 4, Metric, TargetValue: METRICS[Metric].value, ScaleInCooldown: 300, ScaleOutCooldown: 60 };
}

/** The configuration without what the form keeps for later. */
function configured(config: CreateEndpointConfigInput): object {
  const { DataCaptureConfig: capture, ...rest } = config;
  return capture?.EnableCapture ? config : rest;
}

export function creating(draft: Draft): Call[] {
  const { EndpointName, Config, Scaling = [] } = draft;
  const wait = { until: "endpoint_in_service", input: { EndpointName } };
  return [
    { service: "sagemaker", operation: "CreateEndpointConfig", input: configured(Config) },
    { service: "sagemaker", operation: "CreateEndpoint", input: { EndpointName, EndpointConfigName: Config.EndpointConfigName }, ...(Scaling.length > 0 && { wait }) },
    ...Scaling.flatMap((s) => scalingCalls(EndpointName, s)),
  ];
}

export function updating(draft: Draft): Call[] {
  const { EndpointName, Config, Known, Deployment } = draft;
  const update: Call = { service: "sagemaker", operation: "UpdateEndpoint", input: { EndpointName, EndpointConfigName: Known ?? Config.EndpointConfigName, ...(Deployment && { DeploymentConfig: Deployment }) } };
  return Known ? [update] : [{ service: "sagemaker", operation: "CreateEndpointConfig", input: configured(Config) }, update];
}

/** Send calls in order. What an earlier, broken try has sent, by `sent`, is not sent again. */
export async function sendAll(calls: Call[], sent: Set<string>): Promise<void> {
  for (const one of calls) {
    const key = JSON.stringify(one);
    if (sent.has(key)) continue;
    await call(one.service as AnyService, one.operation, one.input);
    sent.add(key);
  }
}
