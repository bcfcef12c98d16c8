/** Another model, or other settings, for an endpoint that serves: as a new configuration, or one that there is. */
import { DescribeEndpointCommand, DescribeEndpointConfigCommand, ListEndpointConfigsCommand, type DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useRef, useState } from "react";
import { useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { ErrorPanel } from "../../kit/errors";
import { CreateForm, fresh } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { Waiting } from "../../kit/waiting";
import { href } from "./api";
import { copied, missing, modeOf, sendAll, updating, type Draft } from "./draft";
import { Async } from "./form/async";
import { Capture } from "./form/capture";
import { Deployment } from "./form/deployment";
import { Variants } from "./form/variants";

const stem = (name: string) => name.replace(/-\d{8}-\d{6}$/, "").slice(0, 47);

export default function UpdateEndpoint() {
  const name = useParams()["name"]!;
  const { value, error, reload } = useLoad(
    async (abortSignal) => {
      const endpoint = await sagemaker().send(new DescribeEndpointCommand({ EndpointName: name }), { abortSignal });
      const config = await sagemaker().send(new DescribeEndpointConfigCommand({ EndpointConfigName: endpoint.EndpointConfigName }), { abortSignal });
      const draft: Draft = { EndpointName: name, Config: copied(config, fresh(stem(name))), Deployment: endpoint.LastDeploymentConfig };
      return { endpoint, draft };
    },
    name,
  );
  if (error !== undefined && !value) return <ErrorPanel error={error} retry={reload} doing="The endpoint cannot be read" />;
  if (!value) return <Waiting size="large" />;
  return <Update key={name} endpoint={value.endpoint} first={value.draft} />;
}

function Update({ endpoint, first }: { endpoint: DescribeEndpointOutput; first: Draft }) {
  const [draft, setDraft] = useState(first);
  const sent = useRef(new Set<string>());
  const known = useLoad((abortSignal) => sagemaker().send(new ListEndpointConfigsCommand({ MaxResults: 100, SortBy: "CreationTime", SortOrder: "Descending" }), { abortSignal }), "configs");
  const config = draft.Config;
  const mode = modeOf(config);
  const put = (Config: Draft["Config"]) => setDraft((d) => ({ ...d, Config }));
  const calls = updating(draft);
  const another = { value: "", label: "A new one, from what it has now" };
  return (
    <CreateForm<Draft>
      title={`Update ${draft.EndpointName}`}
      description="It goes on answering while it changes."
      parent={{ text: draft.EndpointName, href: href(draft.EndpointName) }}
      document={draft}
      change={setDraft}
      label="Update"
      missing={missing(draft)}
      code={{ calls }}
      submit={async () => {
        await sendAll(calls, sent.current);
        notify.done(`${draft.EndpointName} is being updated.`);
        return href(draft.EndpointName);
      }}
    >
      <Container header={<Header variant="h2">Configuration</Header>}>
        <SpaceBetween size="l">
          <FormField label="Which" description={`Now: ${endpoint.EndpointConfigName}`}>
            <Select
              selectedOption={draft.Known ? { value: draft.Known, label: draft.Known } : another}
              options={[another, ...(known.value?.EndpointConfigs ?? []).map((c) => ({ value: c.EndpointConfigName!, label: c.EndpointConfigName! }))]}
              onChange={({ detail }) => setDraft((d) => ({ ...d, Known: detail.selectedOption.value || undefined }))}
              statusType={known.loading ? "loading" : known.error !== undefined ? "error" : "finished"}
              loadingText="Looking for configurations"
              errorText="The configurations cannot be listed"
              filteringType="auto"
            />
          </FormField>
          {!draft.Known && (
            <FormField label="Its name">
              <Input value={config.EndpointConfigName ?? ""} onChange={({ detail }) => put({ ...config, EndpointConfigName: detail.value })} />
            </FormField>
          )}
        </SpaceBetween>
      </Container>
      {!draft.Known && (
        <SpaceBetween size="l">
          <Variants config={config} change={put} />
          {config.AsyncInferenceConfig && <Async value={config.AsyncInferenceConfig} change={(AsyncInferenceConfig) => put({ ...config, AsyncInferenceConfig })} />}
          {mode !== "serverless" && <Capture value={config.DataCaptureConfig} change={(DataCaptureConfig) => put({ ...config, DataCaptureConfig })} />}
        </SpaceBetween>
      )}
      {mode !== "serverless" && <Deployment value={draft.Deployment} change={(d) => setDraft((old) => ({ ...old, Deployment: d }))} />}
    </CreateForm>
  );
}
