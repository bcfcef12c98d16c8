import { CreateNotebookInstanceCommand, ListCodeRepositoriesCommand, ListNotebookInstanceLifecycleConfigsCommand, type CreateNotebookInstanceInput } from "@aws-sdk/client-sagemaker";
import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { Link } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
import { CreateForm, fresh, NameField } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { INSTANCES } from "./api";
import { href } from "./notebooks";

function missing(d: CreateNotebookInstanceInput): string | undefined {
  if (!d.NotebookInstanceName) return "It needs a name.";
  if (!d.InstanceType) return "Choose an instance type.";
  if (d.AdditionalCodeRepositories?.includes("")) return "Choose the additional repository, or remove it.";
  return d.RoleArn ? undefined : "It needs a role.";
}

export default function CreateNotebookInstance() {
  const [draft, setDraft] = useState<CreateNotebookInstanceInput>(() => ({ NotebookInstanceName: fresh("book"), InstanceType: "ml.t3.medium", RoleArn: here().ExecutionRole }));
  const put = (part: Partial<CreateNotebookInstanceInput>) => setDraft((d) => ({ ...d, ...part }));
  const configs = useLoad(async (abortSignal) => (await sagemaker().send(new ListNotebookInstanceLifecycleConfigsCommand({ MaxResults: 100 }), { abortSignal })).NotebookInstanceLifecycleConfigs ?? [], "configs");
  return (
    <CreateForm<CreateNotebookInstanceInput>
      title="Create a notebook instance"
      description="It starts at once."
      parent={{ text: "Notebook instances", href: "/notebook-instances" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      label="Create the notebook instance"
      code={{ calls: [{ service: "sagemaker", operation: "CreateNotebookInstance", input: draft }] }}
      submit={async () => {
        await sagemaker().send(new CreateNotebookInstanceCommand(draft));
        notify.done(`${draft.NotebookInstanceName} is starting.`);
        return href(draft.NotebookInstanceName!);
      }}
    >
      <Container header={<Header variant="h2">What it is</Header>}>
        <SpaceBetween size="l">
          <NameField value={draft.NotebookInstanceName} constraint="Letters, digits and hyphens." change={(NotebookInstanceName) => put({ NotebookInstanceName })} />
          <ColumnLayout columns={3}>
            <FormField label="Instance type" description="Cores and memory.">
              <Autosuggest value={draft.InstanceType ?? ""} enteredTextLabel={(v) => `Use ${v}`} ariaLabel="Instance type" options={INSTANCES.map((value) => ({ value }))} onChange={({ detail }) => put({ InstanceType: detail.value as NonNullable<CreateNotebookInstanceInput["InstanceType"]> })} />
            </FormField>
            <FormField label="Volume, GB" description="Empty: 5.">
              <Input type="number" value={draft.VolumeSizeInGB === undefined ? "" : String(draft.VolumeSizeInGB)} onChange={({ detail }) => put({ VolumeSizeInGB: detail.value ? Number(detail.value) : undefined })} />
            </FormField>
            <FormField label="Lifecycle configuration" description="Scripts at creation and at each start." errorText={configs.error instanceof Error ? configs.error.message : undefined}>
              <Select
                selectedOption={{ value: draft.LifecycleConfigName ?? "", label: draft.LifecycleConfigName ?? "None" }}
                options={[{ value: "", label: "None" }, ...(configs.value ?? []).map((c) => ({ value: c.NotebookInstanceLifecycleConfigName! }))]}
                onChange={({ detail }) => put({ LifecycleConfigName: detail.selectedOption.value || undefined })}
              />
            </FormField>
          </ColumnLayout>
          <Repositories draft={draft} put={put} />
          <FormField label="Execution role" description="Whose rights the code in it has." stretch>
            <Input value={draft.RoleArn ?? ""} onChange={({ detail }) => put({ RoleArn: detail.value })} />
          </FormField>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}

/** How many the API takes besides the one that the instance opens with. */
const MORE = 3;

function Repositories({ draft, put }: { draft: CreateNotebookInstanceInput; put: (part: Partial<CreateNotebookInstanceInput>) => void }) {
  const { value, error } = useLoad(async (abortSignal) => (await sagemaker().send(new ListCodeRepositoriesCommand({ MaxResults: 100 }), { abortSignal })).CodeRepositorySummaryList ?? [], "repositories");
  const others = draft.AdditionalCodeRepositories ?? [];
  const set = (next: string[]) => put({ AdditionalCodeRepositories: next.length ? next : undefined });
  const choice = (label: string, chosen: string, change: (name: string) => void) => (
    <Autosuggest
      value={chosen}
      enteredTextLabel={(v) => `Use ${v}`}
      ariaLabel={label}
      empty="No code repository yet: give a URL."
      options={(value ?? []).map((r) => ({ value: r.CodeRepositoryName!, description: r.GitConfig?.RepositoryUrl ?? "" }))}
      onChange={({ detail }) => change(detail.value)}
    />
  );
  return (
    <SpaceBetween size="l">
      <FormField label="Repository" description={<>Cloned at the start, and opened first: the name of one, or an https:// URL. Empty: none. <Link className="text-link" to="/code-repositories">All code repositories</Link></>} errorText={error instanceof Error ? error.message : undefined} stretch>
        {choice("Repository", draft.DefaultCodeRepository ?? "", (name) => put({ DefaultCodeRepository: name || undefined }))}
      </FormField>
      <FormField label="Additional repositories" description={`Cloned beside it, ${MORE} at most.`} stretch>
        <AttributeEditor
          items={others}
          addButtonText="Add a repository"
          removeButtonText="Remove"
          disableAddButton={others.length >= MORE}
          empty="None."
          onAddButtonClick={() => set([...others, ""])}
          onRemoveButtonClick={({ detail }) => set(others.filter((_, i) => i !== detail.itemIndex))}
          definition={[{ label: "Name or URL", control: (name, i) => choice(`Additional repository ${i + 1}`, name, (given) => set(others.map((other, j) => (j === i ? given : other)))) }]}
        />
      </FormField>
    </SpaceBetween>
  );
}
