/** What an endpoint is, its variants, how its requests are shared out, and what an update is at. */
import { UpdateEndpointWeightsAndCapacitiesCommand, type DescribeEndpointOutput, type PendingDeploymentSummary, type ProductionVariantSummary } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Slider from "@cloudscape-design/components/slider";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CodePanel } from "../../kit/code";
import { Copied, Facts } from "../../kit/detail";
import { notify } from "../../kit/notify";
import { S3Link } from "../../kit/s3-link";
import { moving, Status, words } from "../../kit/status";
import { RelativeTime } from "../../kit/time";

export function Overview({ endpoint: e }: { endpoint: DescribeEndpointOutput }) {
  const variants = e.ProductionVariants ?? [];
  const shadows = e.ShadowProductionVariants ?? [];
  const all = [...variants, ...shadows];
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            Configuration: e.EndpointConfigName,
            Created: <RelativeTime at={e.CreationTime} />,
            "Last change": <RelativeTime at={e.LastModifiedTime} />,
            Mode: e.AsyncInferenceConfig ? "Asynchronous" : variants.some((v) => v.CurrentServerlessConfig) ? "Serverless" : "Real time",
            "Answers go to": e.AsyncInferenceConfig?.OutputConfig?.S3OutputPath && <S3Link uri={e.AsyncInferenceConfig.OutputConfig.S3OutputPath} />,
            "Data capture": e.DataCaptureConfig?.EnableCapture ? `${e.DataCaptureConfig.CurrentSamplingPercentage} % of the requests` : "Off",
            ARN: <Copied text={e.EndpointArn} what="the ARN" />,
          }}
        />
      </Container>
      {e.PendingDeploymentSummary && <Pending of={e.PendingDeploymentSummary} />}
      <Table<ProductionVariantSummary>
        variant="container"
        header={<Header variant="h2" counter={`(${all.length})`} description="What its requests are shared out among.">Variants</Header>}
        items={all}
        ariaLabels={{ tableLabel: "Variants" }}
        columnDefinitions={[
          { id: "name", header: "Name", cell: (v) => v.VariantName, isRowHeader: true },
          { id: "status", header: "State", cell: (v) => <Status value={v.VariantStatus?.[0]?.Status ?? e.EndpointStatus} /> },
          { id: "image", header: "Image", cell: (v) => <span className="mono">{v.DeployedImages?.[0]?.SpecifiedImage?.split("/").pop() ?? "–"}</span> },
          { id: "count", header: "Instances", cell: (v) => (v.CurrentServerlessConfig ? `On demand, at most ${v.CurrentServerlessConfig.MaxConcurrency}` : v.DesiredInstanceCount === v.CurrentInstanceCount ? (v.CurrentInstanceCount ?? "–") : `${v.CurrentInstanceCount ?? 0} → ${v.DesiredInstanceCount}`) },
          { id: "share", header: "Share of the requests", cell: (v) => (shadows.includes(v) ? "Listens only" : <Share variant={v} of={variants} />) },
        ]}
        empty={<Box color="text-body-secondary">{moving(e.EndpointStatus) ? "They come when it is in service." : "It has none."}</Box>}
      />
      {variants.length > 1 && <Weights endpoint={e} />}
    </SpaceBetween>
  );
}

const weight = (v: ProductionVariantSummary) => v.CurrentWeight ?? v.DesiredWeight ?? 0;

function Share({ variant, of }: { variant: ProductionVariantSummary; of: ProductionVariantSummary[] }) {
  const total = of.reduce((n, v) => n + weight(v), 0);
  const share = total ? (100 * weight(variant)) / total : 0;
  return (
    <span className="share">
      <i aria-hidden="true"><b style={{ width: `${share}%` }} /></i>
      {share.toFixed(share % 1 ? 1 : 0)} %
    </span>
  );
}

/** How the requests are shared out, by sliders. */
function Weights({ endpoint: e }: { endpoint: DescribeEndpointOutput }) {
  const [wanted, setWanted] = useState<Record<string, number>>({});
  const variants = e.ProductionVariants ?? [];
  const total = variants.reduce((n, v) => n + weight(v), 0) || 1;
  const now = (v: ProductionVariantSummary) => wanted[v.VariantName!] ?? Math.round((100 * weight(v)) / total);
  const sum = variants.reduce((n, v) => n + now(v), 0);
  const share = (v: ProductionVariantSummary) => Math.round((100 * now(v)) / (sum || 1));
  const input = { EndpointName: e.EndpointName, DesiredWeightsAndCapacities: variants.map((v) => ({ VariantName: v.VariantName, DesiredWeight: now(v) })) };
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      await sagemaker().send(new UpdateEndpointWeightsAndCapacitiesCommand(input));
      notify.done("The shares change now.");
      setWanted({});
    } catch (error) {
      notify.failed("The shares were not changed", error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Container header={<Header variant="h2" actions={<Button loading={busy} onClick={() => void save()} disabled={Object.keys(wanted).length === 0 || sum === 0}>Change the shares</Button>}>Traffic</Header>}>
      <SpaceBetween size="m">
        {sum === 0 && <Box color="text-status-error">One of them needs a share.</Box>}
        {variants.map((v) => (
          <FormField key={v.VariantName} label={`${v.VariantName}: ${share(v)} %`} stretch>
            <Slider value={now(v)} min={0} max={100} step={1} onChange={({ detail }) => setWanted((w) => ({ ...w, [v.VariantName!]: detail.value }))} ariaLabel={`Weight of ${v.VariantName}`} />
          </FormField>
        ))}
        {Object.keys(wanted).length > 0 && <CodePanel snippet={{ calls: [{ service: "sagemaker", operation: "UpdateEndpointWeightsAndCapacities", input }] }} />}
      </SpaceBetween>
    </Container>
  );
}

/** An update under way: what has started, what it waits for, and how much the new variants get. */
function Pending({ of }: { of: PendingDeploymentSummary }) {
  const all = [...(of.ProductionVariants ?? []), ...(of.ShadowProductionVariants ?? [])];
  return (
    <Table
      variant="container"
      header={<Header variant="h2" description={<>To {of.EndpointConfigName}, begun <RelativeTime at={of.StartTime} /></>}>Under way</Header>}
      items={all}
      ariaLabels={{ tableLabel: "Under way" }}
      columnDefinitions={[
        { id: "name", header: "Variant", isRowHeader: true, cell: (v) => v.VariantName },
        { id: "stage", header: "Stage", cell: (v) => <Status value={v.VariantStatus?.[0]?.Status} /> },
        { id: "since", header: "Since", cell: (v) => <RelativeTime at={v.VariantStatus?.[0]?.StartTime} /> },
        { id: "before", header: "Before", cell: (v) => v.VariantStatus?.slice(1).reverse().map((s) => words(s.Status ?? "")).join(", ") || "–" },
        { id: "count", header: "Instances", cell: (v) => (v.CurrentServerlessConfig ? "Serverless" : `${v.CurrentInstanceCount ?? 0} of ${v.DesiredInstanceCount ?? "?"}`) },
        { id: "share", header: "Weight", cell: (v) => `${v.CurrentWeight ?? 0} of ${v.DesiredWeight ?? 0}` },
        { id: "said", header: "Waits for", cell: (v) => v.VariantStatus?.[0]?.StatusMessage ?? "–" },
      ]}
    />
  );
}
