/** Captured requests as a table: what was asked, what was answered, when, and how to ask it again. */
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useNavigate } from "react-router";

import { Code } from "../../kit/code";
import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { S3Link } from "../../kit/s3-link";
import { RelativeTime } from "../../kit/time";
import { useView } from "../../kit/view";
import { href } from "./api";
import { captured, type Captured, type Payload } from "./captured";
import { pretty } from "./pretty";

/** Nothing announces what a gateway has written to S3. */
const EVERY = 5000;
const STEP = 50;

const brief = (of: Payload | undefined) => (!of ? "–" : (of.text?.trim() ?? `${of.bytes.toLocaleString()} bytes`));

const holds = (r: Captured, text: string) => [r.id, r.variant, r.inferenceId, r.attributes, r.input?.text, r.output?.text].some((t) => t?.toLowerCase().includes(text));

export function CapturedRequests({ endpoint }: { endpoint: DescribeEndpointOutput }) {
  const name = endpoint.EndpointName!;
  const navigate = useNavigate();
  const [read, write] = useView();
  const about = endpoint.DataCaptureConfig!;
  const most = Number(read("most")) || STEP;
  const text = read("q").toLowerCase();
  const { value, error, reload, loading } = useLoad((abort) => captured(about.DestinationS3Uri!, name, most, abort), [name, about.DestinationS3Uri, most], { every: EVERY });
  const items = (value?.found ?? []).filter((r) => !text || holds(r, text));
  const chosen = items.find((r) => r.key === read("request"));
  if (error !== undefined && !value) return <ErrorPanel error={error} retry={reload} doing="The captured requests cannot be read" />;
  return (
    <SpaceBetween size="l">
      <Table<Captured>
        variant="container"
        items={items}
        trackBy="key"
        loading={loading && !value}
        loadingText="Loading"
        selectionType="single"
        selectedItems={chosen ? [chosen] : []}
        onSelectionChange={({ detail }) => write({ request: detail.selectedItems[0]?.key })}
        onRowClick={({ detail }) => write({ request: detail.item.key })}
        enableKeyboardNavigation
        ariaLabels={{ tableLabel: "Captured requests", selectionGroupLabel: "Choose a request", itemSelectionLabel: (_, r) => `Choose the request ${r.id}` }}
        header={
          <Header variant="h2" counter={value ? `(${items.length}${value.more ? "+" : ""})` : ""} description={<>{about.EnableCapture ? `${about.CurrentSamplingPercentage} % of the requests` : "Nothing is captured now"}, in <S3Link uri={about.DestinationS3Uri} /></>} actions={<Button iconName="refresh" ariaLabel="Load anew" onClick={reload} />}>
            Captured requests
          </Header>
        }
        filter={<TextFilter filteringText={read("q")} onChange={({ detail }) => write({ q: detail.filteringText })} filteringPlaceholder="Find in requests and answers" filteringAriaLabel="Find in requests and answers" />}
        columnDefinitions={[
          { id: "at", header: "Time", width: 150, cell: (r) => <RelativeTime at={r.at} /> },
          { id: "input", header: "Input", width: 360, isRowHeader: true, cell: (r) => <span className="mono cut">{brief(r.input)}</span> },
          { id: "output", header: "Output", width: 260, cell: (r) => <span className="mono cut">{brief(r.output)}</span> },
          { id: "variant", header: "Variant", width: 150, cell: (r) => r.variant },
          { id: "inference", header: "Inference id", width: 170, cell: (r) => r.inferenceId || "–" },
        ]}
        empty={
          <Box textAlign="center" padding="l" color="text-body-secondary">
            {text ? "Nothing matches." : "Nothing was captured yet. Ask it something: a request is here about a second after its answer, on a busy endpoint within a minute."}
          </Box>
        }
        footer={value?.more && <Box textAlign="center"><Button onClick={() => write({ most: String(most + 4 * STEP) })}>Older ones</Button></Box>}
      />
      {chosen && <One of={chosen} again={(input) => void navigate(`${href(name)}?tab=test`, { state: { body: input.text, type: input.type } })} />}
    </SpaceBetween>
  );
}

function One({ of: r, again }: { of: Captured; again: (input: Payload) => void }) {
  const { input } = r;
  return (
    <Container header={<Header variant="h2" actions={input?.text !== undefined && <Button onClick={() => again(input)}>Ask again</Button>}>Request</Header>}>
      <SpaceBetween size="m">
        <Facts of={{ Id: <span className="mono">{r.id}</span>, Time: <RelativeTime at={r.at} />, Variant: r.variant, "Inference id": r.inferenceId, Attributes: r.attributes }} />
        <ColumnLayout columns={2}>
          <Side title="Input" of={input} />
          <Side title="Output" of={r.output} />
        </ColumnLayout>
      </SpaceBetween>
    </Container>
  );
}

function Side({ title, of }: { title: string; of: Payload | undefined }) {
  return (
    <SpaceBetween size="xs">
      <Box variant="h3">{title} <span className="dim">{of?.type}</span></Box>
      {!of ? <Box color="text-body-secondary">It was not kept.</Box> : of.text === undefined ? <Box color="text-body-secondary">{of.bytes.toLocaleString()} bytes that are no text.</Box> : <Code label={title} text={pretty(of.text, of.type)} />}
    </SpaceBetween>
  );
}
