import { CreateSpaceCommand, DescribeDomainCommand, DescribeUserProfileCommand, type CreateSpaceRequest, type IdleSettings, type ResourceSpec, type SpaceCodeEditorAppSettings, type UserSettings } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { Link } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CreateForm, fresh, NameField } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { useSession } from "../../kit/session";
import { APPS, calls, href, INSTANCES, scripts, typeOf, type Type } from "./api";

const NAME = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;
/** What the API takes, in minutes. */
const IDLE = { least: 60, most: 525_600 };

function missing(d: CreateSpaceRequest): string | undefined {
  if (!NAME.test(d.SpaceName ?? "")) return "The name needs letters and digits, with hyphens between them, 63 at most.";
  const idle = d.SpaceSettings?.[APPS[typeOf(d)].settings]?.AppLifecycleManagement?.IdleSettings?.IdleTimeoutInMinutes;
  if (idle !== undefined && !(idle >= IDLE.least && idle <= IDLE.most)) return `An idle time is ${IDLE.least} minutes or more.`;
  return undefined;
}

export default function CreateWorkspace() {
  const { who } = useSession();
  const [draft, setDraft] = useState<CreateSpaceRequest>(() => ({
    DomainId: who.DomainId,
    SpaceName: fresh("lab"),
    SpaceSettings: { AppType: "JupyterLab" },
    OwnershipSettings: { OwnerUserProfileName: who.UserProfileName },
    SpaceSharingSettings: { SharingType: "Private" },
  }));
  const put = (part: Partial<CreateSpaceRequest>) => setDraft((d) => ({ ...d, ...part }));
  return (
    <CreateForm<CreateSpaceRequest>
      title="Create a workspace"
      description="JupyterLab, or a code editor, with a home that stays. It costs nothing until it is started."
      parent={{ text: "Workspaces", href: "/workspaces" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      label="Create the workspace"
      code={{ calls: calls(who, draft) }}
      submit={async () => {
        await sagemaker().send(new CreateSpaceCommand(draft));
        notify.done(`${draft.SpaceName} is there: start it.`);
        return href(draft.SpaceName!);
      }}
    >
      <Container header={<Header variant="h2">What and whose it is</Header>}>
        <SpaceBetween size="l">
          <NameField value={draft.SpaceName} change={(SpaceName) => put({ SpaceName })} />
          <Which draft={draft} put={put} />
          <FormField label="Who works in it">
            <RadioGroup
              value={draft.SpaceSharingSettings?.SharingType ?? "Shared"}
              items={[
                { value: "Private", label: "I alone", description: "It runs with the role of your profile, and only you can open it." },
                { value: "Shared", label: "Everybody of the domain", description: `${typeOf(draft) === "JupyterLab" ? "Several people edit a notebook at once" : "All have the same files"}. It runs with the domain's role: whoever opens it can do what that role may.` },
              ]}
              onChange={({ detail }) => put({ SpaceSharingSettings: { SharingType: detail.value as "Private" } })}
            />
          </FormField>
        </SpaceBetween>
      </Container>
      <Given draft={draft} put={put} />
    </CreateForm>
  );
}

/** What the space has where it says nothing itself: from its owner's profile and the domain, or for a shared one from the domain's settings for spaces. */
async function inherited(type: Type, who: { DomainId: string; UserProfileName: string }, own: boolean, abortSignal: AbortSignal): Promise<{ instance: string | undefined; idle: IdleSettings }> {
  const { DomainId, UserProfileName } = who;
  const [domain, profile] = await Promise.all([
    sagemaker().send(new DescribeDomainCommand({ DomainId }), { abortSignal }),
    own ? sagemaker().send(new DescribeUserProfileCommand({ DomainId, UserProfileName }), { abortSignal }) : undefined,
  ]);
  const places = [domain.DefaultUserSettings, own ? profile?.UserSettings : domain.DefaultSpaceSettings].map((s?: UserSettings) => s?.[APPS[type].settings]);
  return { instance: places.map((p) => p?.DefaultResourceSpec?.InstanceType).findLast(Boolean), idle: Object.assign({}, ...places.map((p) => p?.AppLifecycleManagement?.IdleSettings)) as IdleSettings };
}

interface Part {
  draft: CreateSpaceRequest;
  put: (part: Partial<CreateSpaceRequest>) => void;
}

/** The space's app, once and for all: a space keeps its type. */
function Which({ draft, put }: Part) {
  const { who } = useSession();
  const lacks = who.AppTypes.find((a) => a.AppType === "CodeEditor")?.Lacks;
  return (
    <FormField label="App">
      <RadioGroup
        value={typeOf(draft)}
        items={[
          { value: "JupyterLab", label: APPS.JupyterLab.name, description: "Notebooks, terminals and files." },
          { value: "CodeEditor", label: APPS.CodeEditor.name, description: lacks || "The code-server or OpenVSCode Server of this machine: files, terminals, extensions." },
        ]}
        onChange={({ detail }) => put({ SpaceSettings: { AppType: detail.value as Type, SpaceStorageSettings: draft.SpaceSettings?.SpaceStorageSettings } })}
      />
    </FormField>
  );
}

type Settings = SpaceCodeEditorAppSettings;

/** What the app is given; both types are asked for it alike. */
function Given({ draft, put }: Part) {
  const { who } = useSession();
  const type = typeOf(draft);
  const { name, settings: member } = APPS[type];
  const found = useLoad((abort) => scripts(type, abort), ["scripts", type]);
  const settings = useLoad((abort) => inherited(type, who, draft.SpaceSharingSettings?.SharingType === "Private", abort), [who.DomainId, type, draft.SpaceSharingSettings?.SharingType]);
  const lab: Settings = draft.SpaceSettings?.[member] ?? {};
  const spec = lab.DefaultResourceSpec ?? {};
  // what says nothing is not sent
  const kept = (one: Settings): Settings | undefined => (Object.values(one).some((v) => v !== undefined) ? one : undefined);
  const set = (part: Settings) => put({ SpaceSettings: { ...draft.SpaceSettings, [member]: kept({ ...lab, ...part }) } });
  const ask = (part: ResourceSpec) => {
    const next = { ...spec, ...part };
    set({ DefaultResourceSpec: Object.values(next).some(Boolean) ? next : undefined });
  };
  const size = draft.SpaceSettings?.SpaceStorageSettings?.EbsStorageSettings?.EbsVolumeSizeInGb;
  const idle = lab.AppLifecycleManagement?.IdleSettings?.IdleTimeoutInMinutes;
  const { instance, idle: shutdown } = settings.value ?? {};
  const stops = shutdown?.LifecycleManagement === "ENABLED";
  return (
    <Container header={<Header variant="h2">What it gets</Header>}>
      <ColumnLayout columns={2}>
        <FormField label="Instance type" description={`Cores and memory; empty: ${instance ?? "ml.t3.medium"}.`}>
          <Autosuggest value={spec.InstanceType ?? ""} placeholder="As the domain says" enteredTextLabel={(v) => `Use ${v}`} ariaLabel="Instance type" options={INSTANCES.map((value) => ({ value }))} onChange={({ detail }) => ask({ InstanceType: (detail.value || undefined) as ResourceSpec["InstanceType"] })} />
        </FormField>
        <FormField label="SageMaker SDK" description="Most notebooks were written for version 2.">
          <Select
            selectedOption={{ value: spec.SageMakerImageVersionAlias ?? "", label: `Version ${spec.SageMakerImageVersionAlias ?? "2"}` }}
            options={[{ value: "", label: "Version 2" }, { value: "3", label: "Version 3" }]}
            onChange={({ detail }) => ask({ SageMakerImageVersionAlias: detail.selectedOption.value || undefined })}
          />
        </FormField>
        <FormField
          label="Stop when idle for, minutes"
          constraintText={stops ? `Empty: ${shutdown.IdleTimeoutInMinutes ?? "as the server says"}.` : type === "CodeEditor" ? "The domain does not stop idle code editors: its CodeEditorAppSettings, by UpdateDomain, turn that on." : <>The domain does not stop idle apps: <Link className="text-link" to="/domain">its settings</Link> turn that on.</>}
        >
          <Input type="number" disabled={!stops} value={idle === undefined ? "" : String(idle)} onChange={({ detail }) => set({ AppLifecycleManagement: detail.value ? { IdleSettings: { IdleTimeoutInMinutes: Number(detail.value) } } : undefined })} />
        </FormField>
        <FormField label="Home, GB" constraintText="Empty: 5, or as the domain says.">
          <Input
            type="number"
            value={size === undefined ? "" : String(size)}
            onChange={({ detail }) => put({ SpaceSettings: { ...draft.SpaceSettings, SpaceStorageSettings: detail.value ? { EbsStorageSettings: { EbsVolumeSizeInGb: Number(detail.value) } } : undefined } })}
          />
        </FormField>
        <FormField label="Start script" description={<>Runs before {name} does. <Link className="text-link" to="/start-scripts">All start scripts</Link></>} errorText={found.error instanceof Error ? found.error.message : undefined}>
          <Select
            selectedOption={{ value: spec.LifecycleConfigArn ?? "", label: spec.LifecycleConfigArn?.split("/").pop() ?? "None of its own" }}
            options={[{ value: "", label: "None of its own" }, ...(found.value ?? []).map((s) => ({ value: s.StudioLifecycleConfigArn!, label: s.StudioLifecycleConfigName! }))]}
            onChange={({ detail }) => ask({ LifecycleConfigArn: detail.selectedOption.value || undefined })}
          />
        </FormField>
      </ColumnLayout>
    </Container>
  );
}
