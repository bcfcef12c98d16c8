/** Asks the endpoint and shows what it answers, how long it took, and the same request as code. */
import { InvokeEndpointCommand } from "@aws-sdk/client-sagemaker-runtime";
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Alert from "@cloudscape-design/components/alert";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useRef, useState } from "react";
import { useLocation } from "react-router";

import { runtime } from "../../kit/aws/runtime";
import { Code, CodePanel } from "../../kit/code";
import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { S3Link } from "../../kit/s3-link";
import { duration } from "../../kit/time";
import { Body, type Draft } from "./body";
import { askLater } from "./later";
import { pretty } from "./pretty";
import { asking, askingLater } from "./snippets";

interface Answer {
  text: string;
  type: string | undefined;
  variant?: string | undefined;
  at?: string;
  failed?: boolean;
  seconds: number;
  bytes: number;
}

const TYPES = ["text/csv", "application/json", "text/libsvm", "application/jsonlines", "application/x-npy"];
const SERVING = ["InService", "Updating", "SystemUpdating", "RollingBack"];

export function Console({ endpoint }: { endpoint: DescribeEndpointOutput }) {
  const name = endpoint.EndpointName!;
  const given = useLocation().state as { body?: string; type?: string } | null;
  const [draft, setDraft] = useState<Draft>({ body: given?.body ?? "", type: given?.type || "text/csv", names: [] });
  const [accept, setAccept] = useState("");
  const [variant, setVariant] = useState("");
  const [busy, setBusy] = useState(false);
  const [waits, setWaits] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<unknown>();
  const aborter = useRef<AbortController>(undefined);
  useEffect(() => () => aborter.current?.abort(), []);
  const { body, type } = draft;
  const later = Boolean(endpoint.AsyncInferenceConfig);
  const variants = endpoint.ProductionVariants ?? [];
  const open = SERVING.includes(endpoint.EndpointStatus!);
  const input = { EndpointName: name, ContentType: type, ...(accept && { Accept: accept }), ...(variant && !later && { TargetVariant: variant }), Body: body };

  const said = async (signal: AbortSignal): Promise<Omit<Answer, "seconds">> => {
    const bytes = { ...input, Body: new TextEncoder().encode(body) };
    if (later) {
      const { body: came, type: kind, at, failed } = await askLater(bytes, setWaits, signal);
      return { text: new TextDecoder().decode(came), type: kind, at, failed, bytes: came.length };
    }
    const came = await runtime().send(new InvokeEndpointCommand(bytes), { abortSignal: signal });
    return { text: new TextDecoder().decode(came.Body), type: came.ContentType, variant: came.InvokedProductionVariant, bytes: came.Body.length };
  };
  const ask = async () => {
    const own = (aborter.current = new AbortController());
    setBusy(true);
    setError(undefined);
    setAnswer(undefined);
    const began = performance.now();
    try {
      const came = await said(own.signal);
      setAnswer({ ...came, seconds: (performance.now() - began) / 1000 });
    } catch (failed) {
      if (!own.signal.aborted) setError(failed);
    } finally {
      setBusy(false);
      setWaits("");
    }
  };

  return (
    <SpaceBetween size="l">
      <ColumnLayout columns={2}>
        <Container header={<Header variant="h2">Ask</Header>} fitHeight>
          <SpaceBetween size="m">
            <Body endpoint={endpoint} value={draft} change={(part) => setDraft((d) => ({ ...d, ...part }))} />
            <ColumnLayout columns={2}>
              <FormField label="Content type">
                <Autosuggest ariaLabel="Content type" value={type} options={TYPES.map((value) => ({ value }))} enteredTextLabel={(v) => `Use ${v}`} onChange={({ detail }) => setDraft((d) => ({ ...d, type: detail.value }))} />
              </FormField>
              <FormField label="Accept">
                <Autosuggest ariaLabel="Accept" value={accept} placeholder="As the model likes" options={TYPES.map((value) => ({ value }))} enteredTextLabel={(v) => `Use ${v}`} onChange={({ detail }) => setAccept(detail.value)} />
              </FormField>
            </ColumnLayout>
            {variants.length > 1 && !later && (
              <FormField label="Variant">
                <Select selectedOption={{ value: variant, label: variant || "As the traffic goes" }} options={[{ value: "", label: "As the traffic goes" }, ...variants.map((v) => ({ value: v.VariantName!, label: v.VariantName! }))]} onChange={({ detail }) => setVariant(detail.selectedOption.value ?? "")} />
              </FormField>
            )}
            <Button variant="primary" loading={busy} disabled={!open || !body} onClick={() => void ask()}>
              Invoke
            </Button>
            {!open && <span className="dim">It answers once it is in service.</span>}
          </SpaceBetween>
        </Container>
        <Container header={<Header variant="h2">Answer</Header>} fitHeight>
          <SpaceBetween size="m">
            {error !== undefined && <ErrorPanel error={error} />}
            {waits && <span>It was taken. The answer will be at <S3Link uri={waits} /></span>}
            {answer ? (
              <SpaceBetween size="m">
                {answer.failed && <Alert type="error" header="The request failed">What the model said is below.</Alert>}
                <Facts columns={2} of={{ Took: duration(answer.seconds), Variant: answer.variant, Type: answer.type, Size: `${answer.bytes.toLocaleString()} bytes`, Stored: answer.at && <S3Link uri={answer.at} /> }} />
                <Code label="Answer" text={pretty(answer.text, answer.type)} />
              </SpaceBetween>
            ) : (
              error === undefined && !busy && <span className="dim">Nothing was asked yet.</span>
            )}
          </SpaceBetween>
        </Container>
      </ColumnLayout>
      <CodePanel snippet={later ? askingLater(input) : asking(input)} />
    </SpaceBetween>
  );
}
