/** Asks the endpoint and shows what it answers, how long it took, and the same request as code. */
import { InvokeEndpointCommand } from "@aws-sdk/client-sagemaker-runtime";
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { runtime } from "../../kit/aws/runtime";
import { here } from "../../kit/clients";
import { Code, CodePanel } from "../../kit/code";
import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { duration } from "../../kit/time";

interface Answer {
  text: string;
  type: string | undefined;
  variant: string | undefined;
  seconds: number;
  bytes: number;
}

const TYPES = ["text/csv", "application/json", "text/libsvm", "application/jsonlines", "application/x-npy"];

/** JSON on several lines, anything else as it came. */
function pretty(text: string, type: string | undefined): string {
  if (!/json/.test(type ?? "") || text.length > 100_000) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // it said JSON and is not: shown as it came
  }
}

export function Console({ endpoint }: { endpoint: DescribeEndpointOutput }) {
  const name = endpoint.EndpointName!;
  const [type, setType] = useState("text/csv");
  const [accept, setAccept] = useState("");
  const [body, setBody] = useState("");
  const [variant, setVariant] = useState("");
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<unknown>();
  const input = { EndpointName: name, ContentType: type, ...(accept && { Accept: accept }), ...(variant && { TargetVariant: variant }), Body: body };
  const variants = endpoint.ProductionVariants ?? [];
  const open = endpoint.EndpointStatus === "InService" || endpoint.EndpointStatus === "Updating" || endpoint.EndpointStatus === "SystemUpdating";

  const ask = async () => {
    setBusy(true);
    setError(undefined);
    const began = performance.now();
    try {
      const said = await runtime().send(new InvokeEndpointCommand({ ...input, Body: new TextEncoder().encode(body) }));
      const seconds = (performance.now() - began) / 1000;
      setAnswer({ text: new TextDecoder().decode(said.Body), type: said.ContentType, variant: said.InvokedProductionVariant, seconds, bytes: said.Body.length });
    } catch (failed) {
      setAnswer(undefined);
      setError(failed);
    } finally {
      setBusy(false);
    }
  };

  return (
    <SpaceBetween size="l">
      <ColumnLayout columns={2}>
        <Container header={<Header variant="h2">Ask</Header>} fitHeight>
          <SpaceBetween size="m">
            <FormField label="Body" description="One row a line for CSV." stretch>
              <Textarea value={body} rows={8} spellcheck={false} placeholder={type === "text/csv" ? "0.1,0.2,0.3" : '{"instances": [[0.1, 0.2]]}'} onChange={({ detail }) => setBody(detail.value)} ariaLabel="Body" />
            </FormField>
            <ColumnLayout columns={2}>
              <FormField label="Content type">
                <Autosuggest ariaLabel="Content type" value={type} options={TYPES.map((value) => ({ value }))} enteredTextLabel={(v) => `Use ${v}`} onChange={({ detail }) => setType(detail.value)} />
              </FormField>
              <FormField label="Accept">
                <Autosuggest ariaLabel="Accept" value={accept} placeholder="As the model likes" options={TYPES.map((value) => ({ value }))} enteredTextLabel={(v) => `Use ${v}`} onChange={({ detail }) => setAccept(detail.value)} />
              </FormField>
            </ColumnLayout>
            {variants.length > 1 && (
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
            {answer ? (
              <>
                <Facts columns={4} of={{ Took: duration(answer.seconds), Variant: answer.variant, Type: answer.type, Size: `${answer.bytes.toLocaleString()} bytes` }} />
                <Code label="Answer" text={pretty(answer.text, answer.type)} />
              </>
            ) : (
              error === undefined && <span className="dim">Nothing was asked yet.</span>
            )}
          </SpaceBetween>
        </Container>
      </ColumnLayout>
      <CodePanel
        snippet={{
          calls: [{ service: "sagemaker-runtime", operation: "InvokeEndpoint", input }],
          curl: `curl --aws-sigv4 "aws:amz:${here().Region}:sagemaker" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\\n    -H "Content-Type: ${type}" --data-binary '${body.replaceAll("'", `'"'"'`)}' \\\n    ${location.origin}/endpoints/${name}/invocations`,
          js: `import { InvokeEndpointCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";\n\nconst runtime = new SageMakerRuntimeClient({ region: "${here().Region}", endpoint: "${location.origin}" });\nconst answer = await runtime.send(new InvokeEndpointCommand({\n  EndpointName: ${JSON.stringify(name)},\n  ContentType: ${JSON.stringify(type)},\n  Body: ${JSON.stringify(body)},\n}));\nconsole.log(new TextDecoder().decode(answer.Body));`,
        }}
      />
    </SpaceBetween>
  );
}
