import { CreateEndpointCommand, CreateEndpointConfigCommand, ListModelsCommand, type CreateEndpointConfigInput } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";
import { useState } from "react";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CreateForm, fresh } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { useView } from "../../kit/view";
import { href } from "./api";

type Mode = "real-time" | "serverless";

interface Draft {
  EndpointName: string;
  Config: CreateEndpointConfigInput;
}

const number = (text: string, least: number) => Math.max(least, Math.floor(Number(text)) || least);

export default function CreateEndpoint() {
  const navigate = useNavigate();
  const [read] = useView();
  const [draft, setDraft] = useState<Draft>(() => {
    const model = read("model");
    const name = fresh(model || "endpoint").slice(0, 63);
    return {
      EndpointName: name,
      Config: { EndpointConfigName: name, ProductionVariants: [{ VariantName: "AllTraffic", ModelName: model, InstanceType: "ml.m5.large", InitialInstanceCount: 1, InitialVariantWeight: 1 }] },
    };
  });
  const known = useLoad(
    (abortSignal) => sagemaker().send(new ListModelsCommand({ SortBy: "CreationTime", SortOrder: "Descending", MaxResults: 100 }), { abortSignal }),
    "models",
    { kinds: ["Model"] },
  );
  const variant = draft.Config.ProductionVariants?.[0];
  const mode: Mode = variant?.ServerlessConfig ? "serverless" : "real-time";
  const set = (part: object) => setDraft((d) => ({ ...d, Config: { ...d.Config, ProductionVariants: d.Config.ProductionVariants?.map((v, i) => (i === 0 ? { ...v, ...part } : v)) } }));
  const name = (EndpointName: string) => setDraft((d) => ({ EndpointName, Config: { ...d.Config, EndpointConfigName: EndpointName } }));
  const choose = (next: Mode) =>
    set(next === "serverless" ? { InstanceType: undefined, InitialInstanceCount: undefined, ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 5 } } : { ServerlessConfig: undefined, InstanceType: "ml.m5.large", InitialInstanceCount: 1 });
  return (
    <CreateForm<Draft>
      title="Create an endpoint"
      description="It answers a moment later, and keeps answering until it is deleted."
      parent={{ text: "Endpoints", href: "/endpoints" }}
      document={draft}
      change={setDraft}
      label="Deploy"
      missing={!draft.EndpointName ? "It needs a name." : !variant?.ModelName ? "Choose a model." : undefined}
      code={{
        calls: [
          { service: "sagemaker", operation: "CreateEndpointConfig", input: draft.Config },
          { service: "sagemaker", operation: "CreateEndpoint", input: { EndpointName: draft.EndpointName, EndpointConfigName: draft.Config.EndpointConfigName } },
        ],
      }}
      submit={async () => {
        await sagemaker().send(new CreateEndpointConfigCommand(draft.Config));
        await sagemaker().send(new CreateEndpointCommand({ EndpointName: draft.EndpointName, EndpointConfigName: draft.Config.EndpointConfigName }));
        notify.done(`${draft.EndpointName} is being made.`);
        void navigate(href(draft.EndpointName));
      }}
    >
      <Container header={<Header variant="h2">What answers</Header>}>
        <SpaceBetween size="l">
          <FormField label="Name" description="Its configuration gets the same name.">
            <Input value={draft.EndpointName} onChange={({ detail }) => name(detail.value)} />
          </FormField>
          <FormField label="Model">
            <Select
              selectedOption={variant?.ModelName ? { value: variant.ModelName, label: variant.ModelName } : null}
              placeholder="Choose a model"
              options={(known.value?.Models ?? []).map((m) => ({ value: m.ModelName!, label: m.ModelName! }))}
              onChange={({ detail }) => set({ ModelName: detail.selectedOption.value })}
              statusType={known.loading ? "loading" : known.error !== undefined ? "error" : "finished"}
              empty="There is no model yet"
              filteringType="auto"
            />
          </FormField>
          <FormField label="How it serves" stretch>
            <Tiles
              value={mode}
              onChange={({ detail }) => choose(detail.value as Mode)}
              items={[
                { value: "real-time", label: "Real time", description: "Always in memory: the quickest answers." },
                { value: "serverless", label: "Serverless", description: "Ends when nobody asks and wakes with the next request, which waits for it." },
              ]}
            />
          </FormField>
          {mode === "real-time" ? (
            <ColumnLayout columns={2}>
              <FormField label="Instance type">
                <Autosuggest ariaLabel="Instance type" value={variant?.InstanceType ?? ""} enteredTextLabel={(v) => `Use ${v}`} options={["ml.t2.medium", "ml.m5.large", "ml.m5.xlarge", "ml.c5.2xlarge", "ml.g5.xlarge"].map((value) => ({ value }))} onChange={({ detail }) => set({ InstanceType: detail.value })} />
              </FormField>
              <FormField label="Instances">
                <Input type="number" value={String(variant?.InitialInstanceCount ?? 1)} onChange={({ detail }) => set({ InitialInstanceCount: number(detail.value, 1) })} />
              </FormField>
            </ColumnLayout>
          ) : (
            <ColumnLayout columns={2}>
              <FormField label="Memory, MB">
                <Select
                  selectedOption={{ value: String(variant?.ServerlessConfig?.MemorySizeInMB), label: String(variant?.ServerlessConfig?.MemorySizeInMB) }}
                  options={[1024, 2048, 3072, 4096, 5120, 6144].map((n) => ({ value: String(n), label: String(n) }))}
                  onChange={({ detail }) => set({ ServerlessConfig: { ...variant?.ServerlessConfig, MemorySizeInMB: Number(detail.selectedOption.value) } })}
                />
              </FormField>
              <FormField label="At most, requests at once">
                <Input type="number" value={String(variant?.ServerlessConfig?.MaxConcurrency ?? 5)} onChange={({ detail }) => set({ ServerlessConfig: { ...variant?.ServerlessConfig, MaxConcurrency: number(detail.value, 1) } })} />
              </FormField>
            </ColumnLayout>
          )}
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}
