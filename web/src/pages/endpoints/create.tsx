/** A new endpoint, in any way of serving. */
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";
import Toggle from "@cloudscape-design/components/toggle";
import { useRef, useState } from "react";

import { CreateForm, fresh } from "../../kit/form";
import { notify } from "../../kit/notify";
import { useView } from "../../kit/view";
import { href } from "./api";
import { blank, creating, firstScale, missing, modeOf, sendAll, variantsOf, withMode, type Draft, type Mode, type Scale } from "./draft";
import { Async } from "./form/async";
import { Capture } from "./form/capture";
import { ScaleFields } from "./form/scaling";
import { Variants } from "./form/variants";

export default function CreateEndpoint() {
  const [read] = useView();
  const [draft, setDraft] = useState<Draft>(() => blank(fresh(read("model") || "endpoint").slice(0, 63), read("model")));
  const sent = useRef(new Set<string>());
  const config = draft.Config;
  const mode = modeOf(config);
  const put = (Config: Draft["Config"]) => setDraft((d) => ({ ...d, Config }));
  const choose = (next: Mode) => setDraft(({ Scaling: _, ...d }) => ({ ...d, Config: withMode(d.Config, next) }));
  const calls = creating(draft);
  return (
    <CreateForm<Draft>
      title="Create an endpoint"
      description="It answers a moment later, and keeps answering until it is deleted."
      parent={{ text: "Endpoints", href: "/endpoints" }}
      document={draft}
      change={setDraft}
      label="Deploy"
      missing={missing(draft)}
      code={{ calls }}
      submit={async () => {
        await sendAll(calls, sent.current);
        notify.done(`${draft.EndpointName} is being made.`);
        return href(draft.EndpointName);
      }}
    >
      <Container header={<Header variant="h2">How it serves</Header>}>
        <SpaceBetween size="l">
          <FormField label="Name" description="Its configuration gets the same name.">
            <Input value={draft.EndpointName} onChange={({ detail }) => setDraft((d) => ({ ...d, EndpointName: detail.value, Config: { ...d.Config, EndpointConfigName: detail.value } }))} />
          </FormField>
          <FormField label="Mode" stretch>
            <Tiles
              value={mode}
              columns={3}
              onChange={({ detail }) => choose(detail.value as Mode)}
              items={[
                { value: "real-time", label: "Real time", description: "Always in memory: the quickest answers." },
                { value: "serverless", label: "Serverless", description: "Ends when nobody asks and wakes with the next request, which waits for it." },
                { value: "async", label: "Asynchronous", description: "Requests wait in a queue, answers go to S3: for minutes of work, and large inputs." },
              ]}
            />
          </FormField>
        </SpaceBetween>
      </Container>
      <Variants config={config} change={put} />
      {config.AsyncInferenceConfig && <Async value={config.AsyncInferenceConfig} change={(AsyncInferenceConfig) => put({ ...config, AsyncInferenceConfig })} />}
      {mode !== "serverless" && <Capture value={config.DataCaptureConfig} change={(DataCaptureConfig) => put({ ...config, DataCaptureConfig })} />}
      <Scaling draft={draft} mode={mode} change={(Scaling) => setDraft((d) => ({ ...d, Scaling }))} />
    </CreateForm>
  );
}

function Scaling({ draft, mode, change }: { draft: Draft; mode: Mode; change: (value: Scale[] | undefined) => void }) {
  const config = draft.Config;
  const scale = draft.Scaling?.[0];
  if (mode === "serverless" && !variantsOf(config)[0]?.ServerlessConfig?.ProvisionedConcurrency) return null;
  return (
    <Container header={<Header variant="h2" description={mode === "serverless" ? "As much is kept awake as is asked for." : "As many instances as what is asked needs."}>Scaling</Header>}>
      <SpaceBetween size="l">
        <Toggle checked={Boolean(scale)} onChange={({ detail }) => change(detail.checked ? [firstScale(config)] : undefined)}>Scale by load</Toggle>
        {scale && <ScaleFields value={scale} change={(s) => change([s])} mode={mode} variants={variantsOf(config).map((v) => v.VariantName!)} />}
      </SpaceBetween>
    </Container>
  );
}
