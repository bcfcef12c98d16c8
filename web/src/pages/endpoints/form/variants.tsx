/** What answers: the models, what each runs on, and how the requests are shared out. */
import { ListModelsCommand, type CreateEndpointConfigInput, type ProductionVariant, type ProductionVariantInstanceType } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";

import { sagemaker } from "../../../kit/aws/sagemaker";
import { useLoad } from "../../../kit/load";
import { NumberField } from "../../../kit/number-field";
import { added, modeOf, shadowOf, variantsOf, withShadow } from "../draft";

const TYPES = ["ml.t2.medium", "ml.m5.large", "ml.m5.xlarge", "ml.c5.2xlarge", "ml.g5.xlarge"];
const MEMORY = [1024, 2048, 3072, 4096, 5120, 6144];

export interface PartProps {
  config: CreateEndpointConfigInput;
  change: (config: CreateEndpointConfigInput) => void;
}

export function Variants({ config, change }: PartProps) {
  const variants = variantsOf(config);
  const shadow = shadowOf(config);
  const mode = modeOf(config);
  const put = (at: number, part: Partial<ProductionVariant>) => change({ ...config, ProductionVariants: variants.map((v, i) => (i === at ? { ...v, ...part } : v)) });
  const sum = variants.reduce((n, v) => n + (v.InitialVariantWeight ?? 1), 0) || 1;
  return (
    <SpaceBetween size="l">
      {variants.map((v, i) => (
        <Container
          key={i}
          header={
            <Header
              variant="h2"
              description={variants.length > 1 ? `${Math.round((100 * (v.InitialVariantWeight ?? 1)) / sum)} % of the requests` : undefined}
              actions={variants.length > 1 && <Button ariaLabel={`Remove ${v.VariantName}`} onClick={() => change({ ...config, ProductionVariants: variants.filter((_, j) => j !== i) })}>Remove</Button>}
            >
              {variants.length > 1 ? `Variant ${i + 1}` : "What answers"}
            </Header>
          }
        >
          <Variant of={v} change={(part) => put(i, part)} shares={variants.length > 1} />
        </Container>
      ))}
      {mode !== "serverless" && !shadow && <Button iconName="add-plus" formAction="none" onClick={() => change(added(config))}>Add a variant</Button>}
      {mode === "real-time" && variants.length === 1 && (
        <Container header={<Header variant="h2" description="A model that is asked what the variant is asked, and whose answers go to nobody: to compare them before it takes over.">Shadow</Header>}>
          <SpaceBetween size="l">
            <Toggle checked={Boolean(shadow)} onChange={({ detail }) => change(withShadow(config, detail.checked))}>Let a model listen</Toggle>
            {shadow && <Variant of={shadow} change={(part) => change({ ...config, ShadowProductionVariants: [{ ...shadow, ...part }] })} shares shadow />}
          </SpaceBetween>
        </Container>
      )}
    </SpaceBetween>
  );
}

function Variant({ of: v, change, shares, shadow = false }: { of: ProductionVariant; change: (part: Partial<ProductionVariant>) => void; shares: boolean; shadow?: boolean }) {
  const known = useLoad(
    (abortSignal) => sagemaker().send(new ListModelsCommand({ SortBy: "CreationTime", SortOrder: "Descending", MaxResults: 100 }), { abortSignal }),
    "models",
    { kinds: ["Model"] },
  );
  const alone = v.ServerlessConfig;
  return (
    <SpaceBetween size="l">
      <ColumnLayout columns={2}>
        <FormField label={shadow ? "Shadow's model" : "Model"}>
          <Select
            selectedOption={v.ModelName ? { value: v.ModelName, label: v.ModelName } : null}
            placeholder="Choose a model"
            options={(known.value?.Models ?? []).map((m) => ({ value: m.ModelName!, label: m.ModelName! }))}
            onChange={({ detail }) => change({ ModelName: detail.selectedOption.value })}
            statusType={known.loading ? "loading" : known.error !== undefined ? "error" : "finished"}
            loadingText="Looking for models"
            errorText="The models cannot be listed"
            empty="There is no model yet"
            filteringType="auto"
          />
        </FormField>
        <FormField label={shadow ? "Shadow's variant" : "Variant"}>
          <Input value={v.VariantName ?? ""} onChange={({ detail }) => change({ VariantName: detail.value })} />
        </FormField>
      </ColumnLayout>
      {alone ? (
        <ColumnLayout columns={3}>
          <FormField label="Memory, MB">
            <Select
              selectedOption={{ value: String(alone.MemorySizeInMB), label: String(alone.MemorySizeInMB) }}
              options={MEMORY.map((n) => ({ value: String(n), label: String(n) }))}
              onChange={({ detail }) => change({ ServerlessConfig: { ...alone, MemorySizeInMB: Number(detail.selectedOption.value) } })}
            />
          </FormField>
          <NumberField label="Requests at once, at most" value={alone.MaxConcurrency} change={(n) => change({ ServerlessConfig: { ...alone, MaxConcurrency: n } })} />
          <NumberField label="Kept awake" description="For so many requests at once, instead of waking up for the first." optional="None" value={alone.ProvisionedConcurrency} change={(n) => change({ ServerlessConfig: { ...alone, ProvisionedConcurrency: n } })} />
        </ColumnLayout>
      ) : (
        <ColumnLayout columns={shares ? 3 : 2}>
          <FormField label="Instance type">
            <Autosuggest ariaLabel="Instance type" value={v.InstanceType ?? ""} enteredTextLabel={(t) => `Use ${t}`} options={TYPES.map((value) => ({ value }))} onChange={({ detail }) => change({ InstanceType: detail.value as ProductionVariantInstanceType })} />
          </FormField>
          <NumberField label="Instances" value={v.InitialInstanceCount ?? 1} change={(n) => change({ InitialInstanceCount: n })} />
          {shares && <NumberField label={shadow ? "Shadow's weight" : "Weight"} description={shadow ? "By the variant's weight: the share of its requests." : "By the sum of all: the share of the requests."} fraction least={0} value={v.InitialVariantWeight ?? 1} change={(n) => change({ InitialVariantWeight: n })} />}
        </ColumnLayout>
      )}
    </SpaceBetween>
  );
}
