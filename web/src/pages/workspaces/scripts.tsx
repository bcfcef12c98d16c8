/** Studio lifecycle configurations: scripts that run before an app starts. They never change: another script is another one. */
import {
  CreateStudioLifecycleConfigCommand, DeleteStudioLifecycleConfigCommand, DescribeStudioLifecycleConfigCommand, ListStudioLifecycleConfigsCommand,
  type CreateStudioLifecycleConfigRequest, type StudioLifecycleConfigDetails, type StudioLifecycleConfigSortKey,
} from "@aws-sdk/client-sagemaker";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Code } from "../../kit/code";
import { Confirm } from "../../kit/confirm";
import { Described, picked } from "../../kit/described";
import { CreateForm, fresh } from "../../kit/form";
import { notify } from "../../kit/notify";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";

const parent = { text: "Start scripts", href: "/start-scripts" };
const href = (name: string) => `/start-scripts/${encodeURIComponent(name)}`;
const remove = (name: string) => sagemaker().send(new DeleteStudioLifecycleConfigCommand({ StudioLifecycleConfigName: name }));
const FIRST = "#!/bin/bash\nset -e\npip install --quiet shap\n";
const TEACH = `import base64, boto3

script = "#!/bin/bash\\nset -e\\npip install --quiet shap\\n"
boto3.client("sagemaker").create_studio_lifecycle_config(
    StudioLifecycleConfigName="tools", StudioLifecycleConfigAppType="JupyterLab",
    StudioLifecycleConfigContent=base64.b64encode(script.encode()).decode(),
)`;

/** Text as the API carries it, and back. */
const packed = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const unpacked = (content: string | undefined) => new TextDecoder().decode(Uint8Array.from(atob(content ?? ""), (c) => c.charCodeAt(0)));

export function List() {
  return (
    <ResourceTable<StudioLifecycleConfigDetails, StudioLifecycleConfigSortKey>
      kinds={["StudioLifecycleConfig"]}
      title="Start scripts"
      noun="start script"
      description="Lifecycle configurations: what runs in a workspace before JupyterLab does."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListStudioLifecycleConfigsCommand(query), { abortSignal });
        return { items: page.StudioLifecycleConfigs, next: page.NextToken };
      }}
      id={(s) => s.StudioLifecycleConfigName!}
      sort="CreationTime"
      create={{ label: "Create a start script", href: "/start-scripts/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 360, cell: (s) => <NameLink href={href(s.StudioLifecycleConfigName!)}>{s.StudioLifecycleConfigName}</NameLink> },
        { id: "type", header: "For apps of type", width: 180, cell: (s) => s.StudioLifecycleConfigAppType },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (s) => <RelativeTime at={s.CreationTime} /> },
      ]}
      actions={(chosen, done) => (
        <Confirm label="Delete" question={`Delete ${chosen.length === 1 ? chosen[0]!.StudioLifecycleConfigName : `${chosen.length} start scripts`}?`} disabled={!chosen.length} run={() => Promise.all(chosen.map((s) => remove(s.StudioLifecycleConfigName!)))} said="Deleted." done={done}>
          What still names it in its settings has to let go of it first.
        </Confirm>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListStudioLifecycleConfigs", input }] })}
      teach={{ text: "A start script installs what a team's notebooks need, or clones a repository. It has five minutes; its log stands in the workspace's.", code: TEACH }}
    />
  );
}

export function Create() {
  const navigate = useNavigate();
  const [draft, setDraft] = useState<CreateStudioLifecycleConfigRequest>(() => ({ StudioLifecycleConfigName: fresh("tools"), StudioLifecycleConfigAppType: "JupyterLab", StudioLifecycleConfigContent: packed(FIRST) }));
  const [text, setText] = useState(FIRST);
  const put = (part: Partial<CreateStudioLifecycleConfigRequest>) => setDraft((d) => ({ ...d, ...part }));
  return (
    <CreateForm<CreateStudioLifecycleConfigRequest>
      title="Create a start script"
      description="It runs as the workspace's user, in its home, before JupyterLab starts."
      parent={parent}
      document={draft}
      change={setDraft}
      missing={!draft.StudioLifecycleConfigName ? "It needs a name." : !draft.StudioLifecycleConfigContent ? "It needs a script." : undefined}
      label="Create the script"
      code={{ calls: [{ service: "sagemaker", operation: "CreateStudioLifecycleConfig", input: draft }] }}
      submit={async () => {
        await sagemaker().send(new CreateStudioLifecycleConfigCommand(draft));
        notify.done(`${draft.StudioLifecycleConfigName} is there.`);
        void navigate(href(draft.StudioLifecycleConfigName!));
      }}
    >
      <Container header={<Header variant="h2">What runs</Header>}>
        <SpaceBetween size="l">
          <FormField label="Name">
            <Input value={draft.StudioLifecycleConfigName ?? ""} onChange={({ detail }) => put({ StudioLifecycleConfigName: detail.value })} />
          </FormField>
          <FormField label="Script" constraintText="When it fails, so does the app, with the script's last line as the reason." stretch>
            <Textarea
              value={text}
              rows={12}
              spellcheck={false}
              onChange={({ detail }) => {
                setText(detail.value);
                put({ StudioLifecycleConfigContent: packed(detail.value) });
              }}
            />
          </FormField>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}

export function Detail() {
  const name = useParams()["name"]!;
  return (
    <Described
      kind="StudioLifecycleConfig"
      name={name}
      parent={parent}
      describe={(abortSignal) => sagemaker().send(new DescribeStudioLifecycleConfigCommand({ StudioLifecycleConfigName: name }), { abortSignal })}
      without={["StudioLifecycleConfigName", "StudioLifecycleConfigContent"]}
      tabs={(s) => [{ id: "script", label: "Script", content: <Code label="Script" text={unpacked(s.StudioLifecycleConfigContent)} /> }]}
      remove={() => remove(name)}
      code={(s) => ({ calls: [{ service: "sagemaker", operation: "CreateStudioLifecycleConfig", input: picked(s, ["StudioLifecycleConfigName", "StudioLifecycleConfigAppType", "StudioLifecycleConfigContent"]) }] })}
    />
  );
}
