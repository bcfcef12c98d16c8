/** Studio lifecycle configurations: scripts that run before an app starts. They never change: another script is another one. */
import {
  CreateStudioLifecycleConfigCommand, DeleteStudioLifecycleConfigCommand, DescribeStudioLifecycleConfigCommand, ListStudioLifecycleConfigsCommand,
  type CreateStudioLifecycleConfigRequest, type DescribeStudioLifecycleConfigResponse, type StudioLifecycleConfigDetails,
} from "@aws-sdk/client-sagemaker";
import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Code } from "../../kit/code";
import { picked } from "../../kit/described";
import { fresh } from "../../kit/form";
import { APPS, type Type } from "./api";
import { NamedForm, NamedList, NamedPage, type Named } from "./named";

const OF: Named<StudioLifecycleConfigDetails> = {
  kind: "StudioLifecycleConfig",
  title: "Start scripts",
  noun: "start script",
  nouns: "start scripts",
  path: "/start-scripts",
  name: (s) => s.StudioLifecycleConfigName!,
  created: (s) => s.CreationTime,
  remove: (StudioLifecycleConfigName) => sagemaker().send(new DeleteStudioLifecycleConfigCommand({ StudioLifecycleConfigName })),
  operation: "CreateStudioLifecycleConfig",
};
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
    <NamedList<StudioLifecycleConfigDetails>
      of={OF}
      add="Create a start script"
      listed="ListStudioLifecycleConfigs"
      width={360}
      description="Lifecycle configurations: what runs in a workspace before its app does."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListStudioLifecycleConfigsCommand(query), { abortSignal });
        return { items: page.StudioLifecycleConfigs, next: page.NextToken };
      }}
      columns={[{ id: "type", header: "For apps of type", width: 180, cell: (s) => s.StudioLifecycleConfigAppType }]}
      teach={{ text: "A start script installs what a team's notebooks need, or clones a repository. It has five minutes; its log stands in the workspace's.", code: TEACH }}
    >
      What still names it in its settings has to let go of it first.
    </NamedList>
  );
}

export function Create() {
  const [draft, setDraft] = useState<CreateStudioLifecycleConfigRequest>(() => ({ StudioLifecycleConfigName: fresh("tools"), StudioLifecycleConfigAppType: "JupyterLab", StudioLifecycleConfigContent: packed(FIRST) }));
  const [text, setText] = useState(FIRST);
  const put = (part: Partial<CreateStudioLifecycleConfigRequest>) => setDraft((d) => ({ ...d, ...part }));
  return (
    <NamedForm<StudioLifecycleConfigDetails, CreateStudioLifecycleConfigRequest>
      of={OF}
      member="StudioLifecycleConfigName"
      heading="What runs"
      title="Create a start script"
      description="It runs as the workspace's user, in its home, before the app starts."
      draft={draft}
      change={setDraft}
      missing={draft.StudioLifecycleConfigContent ? undefined : "It needs a script."}
      label="Create the script"
      make={(made) => sagemaker().send(new CreateStudioLifecycleConfigCommand(made))}
    >
      <FormField label="For apps of type">
        <Select
          selectedOption={{ value: draft.StudioLifecycleConfigAppType ?? "", label: APPS[draft.StudioLifecycleConfigAppType as Type]?.name ?? draft.StudioLifecycleConfigAppType ?? "" }}
          options={Object.entries(APPS).map(([value, { name }]) => ({ value, label: name }))}
          onChange={({ detail }) => put({ StudioLifecycleConfigAppType: detail.selectedOption.value as Type })}
        />
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
    </NamedForm>
  );
}

export function Detail() {
  return (
    <NamedPage<StudioLifecycleConfigDetails, DescribeStudioLifecycleConfigResponse>
      of={OF}
      describe={(StudioLifecycleConfigName, abortSignal) => sagemaker().send(new DescribeStudioLifecycleConfigCommand({ StudioLifecycleConfigName }), { abortSignal })}
      without={["StudioLifecycleConfigName", "StudioLifecycleConfigContent"]}
      tabs={(s) => [{ id: "script", label: "Script", content: <Code label="Script" text={unpacked(s.StudioLifecycleConfigContent)} /> }]}
      asked={(s) => picked(s, ["StudioLifecycleConfigName", "StudioLifecycleConfigAppType", "StudioLifecycleConfigContent"])}
    />
  );
}
