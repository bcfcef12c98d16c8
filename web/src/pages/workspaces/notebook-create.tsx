import { CreateNotebookInstanceCommand, ListCodeRepositoriesCommand, ListNotebookInstanceLifecycleConfigsCommand, type CreateNotebookInstanceInput } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { Link, useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
import { CreateForm, fresh, NameField } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { INSTANCES } from "./api";
import { href } from "./notebooks";

export default function CreateNotebookInstance() {
  const navigate = useNavigate();
  const [draft, setDraft] = useState<CreateNotebookInstanceInput>(() => ({ NotebookInstanceName: fresh("book"), InstanceType: "ml.t3.medium", RoleArn: here().ExecutionRole }));
  const put = (part: Partial<CreateNotebookInstanceInput>) => setDraft((d) => ({ ...d, ...part }));
  const configs = useLoad(async (abortSignal) => (await sagemaker().send(new ListNotebookInstanceLifecycleConfigsCommand({ MaxResults: 100 }), { abortSignal })).NotebookInstanceLifecycleConfigs ?? [], "configs");
  const repositories = useLoad(async (abortSignal) => (await sagemaker().send(new ListCodeRepositoriesCommand({ MaxResults: 100 }), { abortSignal })).CodeRepositorySummaryList ?? [], "repositories");
  return (
    <CreateForm<CreateNotebookInstanceInput>
      title="Create a notebook instance"
      description="It starts at once."
      parent={{ text: "Notebook instances", href: "/notebook-instances" }}
      document={draft}
      change={setDraft}
      missing={!draft.NotebookInstanceName ? "It needs a name." : !draft.InstanceType ? "Choose an instance type." : !draft.RoleArn ? "It needs a role." : undefined}
      label="Create the notebook instance"
      code={{ calls: [{ service: "sagemaker", operation: "CreateNotebookInstance", input: draft }] }}
      submit={async () => {
        await sagemaker().send(new CreateNotebookInstanceCommand(draft));
        notify.done(`${draft.NotebookInstanceName} is starting.`);
        void navigate(href(draft.NotebookInstanceName!));
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
          <FormField label="Repository" description={<>Cloned at the start: the name of one, or an https:// URL. Empty: none. <Link className="text-link" to="/code-repositories">All code repositories</Link></>} errorText={repositories.error instanceof Error ? repositories.error.message : undefined} stretch>
            <Autosuggest
              value={draft.DefaultCodeRepository ?? ""}
              enteredTextLabel={(v) => `Use ${v}`}
              ariaLabel="Repository"
              empty="No code repository yet: give a URL."
              options={(repositories.value ?? []).map((r) => ({ value: r.CodeRepositoryName!, description: r.GitConfig?.RepositoryUrl ?? "" }))}
              onChange={({ detail }) => put({ DefaultCodeRepository: detail.value || undefined })}
            />
          </FormField>
          <FormField label="Execution role" description="Whose rights the code in it has." stretch>
            <Input value={draft.RoleArn ?? ""} onChange={({ detail }) => put({ RoleArn: detail.value })} />
          </FormField>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}
