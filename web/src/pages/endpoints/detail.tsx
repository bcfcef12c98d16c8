import { DeleteEndpointCommand, DescribeEndpointCommand, UpdateEndpointWeightsAndCapacitiesCommand, type DescribeEndpointOutput, type ProductionVariantSummary } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Slider from "@cloudscape-design/components/slider";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { Copied, DetailPage, Facts } from "../../kit/detail";
import { FailureReason } from "../../kit/errors";
import { LiveLog } from "../../kit/log";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { moving, Status } from "../../kit/status";
import { RelativeTime } from "../../kit/time";
import { group } from "./api";
import { Console } from "./console";
import { EndpointCharts } from "./charts";

export default function Endpoint() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  const loaded = useLoad<DescribeEndpointOutput>((abortSignal) => sagemaker().send(new DescribeEndpointCommand({ EndpointName: name }), { abortSignal }), name, { kinds: ["Endpoint"], name });
  return (
    <DetailPage<DescribeEndpointOutput>
      name={name}
      parent={{ text: "Endpoints", href: "/endpoints" }}
      loaded={loaded}
      status={(e) => e.EndpointStatus}
      first={(e) => <FailureReason reason={e.FailureReason} />}
      actions={(e) => (
        <Confirm label="Delete" question={`Delete ${name}?`} type={name} disabled={e.EndpointStatus === "Deleting"} run={() => sagemaker().send(new DeleteEndpointCommand({ EndpointName: name }))} said="Deleting." done={() => void navigate("/endpoints")}>
          Whoever asks it gets no answer from then on. Its configuration and models stay.
        </Confirm>
      )}
      tabs={(e) => [
        { id: "overview", label: "Overview", content: <Overview endpoint={e} /> },
        { id: "test", label: "Test", content: <Console endpoint={e} /> },
        { id: "metrics", label: "Metrics", content: <EndpointCharts endpoint={e} /> },
        { id: "log", label: "Log", content: <LiveLog group={group(name)} prefix="" running none="Nothing was logged yet." /> },
      ]}
      code={() => ({
        calls: [
          { service: "sagemaker", operation: "DescribeEndpoint", input: { EndpointName: name } },
          { service: "sagemaker-runtime", operation: "InvokeEndpoint", input: { EndpointName: name, ContentType: "text/csv", Body: "0.5,0.5" } },
        ],
        sdk: `from sagemaker.core.resources import Endpoint\n\nendpoint = Endpoint.get(endpoint_name="${name}")\nanswer = endpoint.invoke(body="0.5,0.5", content_type="text/csv")\nprint(answer.body.read())`,
      })}
    />
  );
}

function Overview({ endpoint: e }: { endpoint: DescribeEndpointOutput }) {
  const variants = e.ProductionVariants ?? [];
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            Configuration: e.EndpointConfigName,
            Created: <RelativeTime at={e.CreationTime} />,
            "Last change": <RelativeTime at={e.LastModifiedTime} />,
            "Data capture": e.DataCaptureConfig?.EnableCapture ? "On" : "Off",
            ARN: <Copied text={e.EndpointArn} what="the ARN" />,
          }}
        />
      </Container>
      <Table<ProductionVariantSummary>
        variant="container"
        header={<Header variant="h2" counter={`(${variants.length})`} description="What its requests are shared out among.">Variants</Header>}
        items={variants}
        ariaLabels={{ tableLabel: "Variants" }}
        columnDefinitions={[
          { id: "name", header: "Name", cell: (v) => v.VariantName, isRowHeader: true },
          { id: "status", header: "State", cell: (v) => <Status value={v.VariantStatus?.[0]?.Status ?? e.EndpointStatus} /> },
          { id: "image", header: "Image", cell: (v) => <span className="mono">{v.DeployedImages?.[0]?.SpecifiedImage?.split("/").pop() ?? "–"}</span> },
          { id: "count", header: "Instances", cell: (v) => (v.CurrentServerlessConfig ? "Serverless" : v.DesiredInstanceCount === v.CurrentInstanceCount ? (v.CurrentInstanceCount ?? "–") : `${v.CurrentInstanceCount ?? 0} → ${v.DesiredInstanceCount}`) },
          { id: "share", header: "Share of the requests", cell: (v) => <Share variant={v} of={variants} /> },
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
  const sum = variants.reduce((n, v) => n + now(v), 0) || 1;
  const save = async () => {
    try {
      await sagemaker().send(new UpdateEndpointWeightsAndCapacitiesCommand({ EndpointName: e.EndpointName, DesiredWeightsAndCapacities: variants.map((v) => ({ VariantName: v.VariantName, DesiredWeight: now(v) })) }));
      notify.done("The shares change now.");
      setWanted({});
    } catch (error) {
      notify.failed("The shares were not changed", error);
    }
  };
  return (
    <Container header={<Header variant="h2" actions={<Button onClick={() => void save()} disabled={Object.keys(wanted).length === 0}>Change the shares</Button>}>Traffic</Header>}>
      <SpaceBetween size="m">
        {variants.map((v) => (
          <FormField key={v.VariantName} label={`${v.VariantName}: ${Math.round((100 * now(v)) / sum)} %`} stretch>
            <Slider value={now(v)} min={0} max={100} step={1} onChange={({ detail }) => setWanted((w) => ({ ...w, [v.VariantName!]: detail.value }))} ariaLabel={`Weight of ${v.VariantName}`} />
          </FormField>
        ))}
      </SpaceBetween>
    </Container>
  );
}
