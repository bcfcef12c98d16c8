import { CreateSpaceCommand, DescribeDomainCommand, DescribeUserProfileCommand, type CreateSpaceRequest, type IdleSettings, type ResourceSpec } from "@aws-sdk/client-sagemaker";
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
import { Link, useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CreateForm, fresh, NameField } from "../../kit/form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { useSession } from "../../kit/session";
import { calls, href, INSTANCES, scripts } from "./api";

const NAME = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;
/** What the API takes, in minutes. */
const IDLE = { least: 60, most: 525_600 };

function missing(d: CreateSpaceRequest): string | undefined {
  if (!NAME.test(d.SpaceName ?? "")) return "The name needs letters and digits, with hyphens between them, 63 at most.";
  const idle = d.SpaceSettings?.JupyterLabAppSettings?.AppLifecycleManagement?.IdleSettings?.IdleTimeoutInMinutes;
  if (idle !== undefined && !(idle >= IDLE.least && idle <= IDLE.most)) return `An idle time is ${IDLE.least} minutes or more.`;
  return undefined;
}

export default function CreateWorkspace() {
  const { who } = useSession();
  const navigate = useNavigate();
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
      description="JupyterLab with a home that stays. It costs nothing until it is started."
      parent={{ text: "Workspaces", href: "/workspaces" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      label="Create the workspace"
      code={{ calls: calls(who, draft) }}
      submit={async () => {
        await sagemaker().send(new CreateSpaceCommand(draft));
        notify.done(`${draft.SpaceName} is there: start it.`);
        void navigate(href(draft.SpaceName!));
      }}
    >
      <Container header={<Header variant="h2">Whose it is</Header>}>
        <SpaceBetween size="l">
          <NameField value={draft.SpaceName} change={(SpaceName) => put({ SpaceName })} />
          <FormField label="Who works in it">
            <RadioGroup
              value={draft.SpaceSharingSettings?.SharingType ?? "Shared"}
              items={[
                { value: "Private", label: "I alone", description: "It runs with the role of your profile, and only you can open it." },
                { value: "Shared", label: "Everybody of the domain", description: "Several people edit a notebook at once. It runs with the domain's role: whoever opens it can do what that role may." },
              ]}
              onChange={({ detail }) => put({ SpaceSharingSettings: { SharingType: detail.value as "Private" } })}
            />
          </FormField>
        </SpaceBetween>
      </Container>
      <Lab draft={draft} put={put} />
    </CreateForm>
  );
}

/** What the space has where it says nothing itself: from its owner's profile and the domain, or for a shared one from the domain's settings for spaces. */
async function inherited(who: { DomainId: string; UserProfileName: string }, own: boolean, abortSignal: AbortSignal): Promise<{ instance: string | undefined; idle: IdleSettings }> {
  const { DomainId, UserProfileName } = who;
  const [domain, profile] = await Promise.all([
    sagemaker().send(new DescribeDomainCommand({ DomainId }), { abortSignal }),
    own ? sagemaker().send(new DescribeUserProfileCommand({ DomainId, UserProfileName }), { abortSignal }) : undefined,
  ]);
  const places = [domain.DefaultUserSettings, own ? profile?.UserSettings : domain.DefaultSpaceSettings].map((s) => s?.JupyterLabAppSettings);
  return { instance: places.map((p) => p?.DefaultResourceSpec?.InstanceType).findLast(Boolean), idle: Object.assign({}, ...places.map((p) => p?.AppLifecycleManagement?.IdleSettings)) as IdleSettings };
}

type Lab = NonNullable<NonNullable<CreateSpaceRequest["SpaceSettings"]>["JupyterLabAppSettings"]>;

function Lab({ draft, put }: { draft: CreateSpaceRequest; put: (part: Partial<CreateSpaceRequest>) => void }) {
  const { who } = useSession();
  const found = useLoad(scripts, "scripts");
  const settings = useLoad((abort) => inherited(who, draft.SpaceSharingSettings?.SharingType === "Private", abort), [who.DomainId, draft.SpaceSharingSettings?.SharingType]);
  const lab: Lab = draft.SpaceSettings?.JupyterLabAppSettings ?? {};
  const spec = lab.DefaultResourceSpec ?? {};
  // what says nothing is not sent
  const kept = (one: Lab): Lab | undefined => (Object.values(one).some((v) => v !== undefined) ? one : undefined);
  const set = (part: Lab) => put({ SpaceSettings: { ...draft.SpaceSettings, JupyterLabAppSettings: kept({ ...lab, ...part }) } });
  const ask = (part: ResourceSpec) => {
    const next = { ...spec, ...part };
    set({ DefaultResourceSpec: Object.values(next).some(Boolean) ? next : undefined });
  };
  const size = draft.SpaceSettings?.SpaceStorageSettings?.EbsStorageSettings?.EbsVolumeSizeInGb;
  const idle = lab.AppLifecycleManagement?.IdleSettings?.IdleTimeoutInMinutes;
  const { instance, idle: shutdown } = settings.value ?? {};
  const stops = shutdown?.LifecycleManagement === "ENABLED";
  return (
    <Container header={<Header variant="h2">What JupyterLab gets</Header>}>
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
          description={stops ? `Empty: ${shutdown.IdleTimeoutInMinutes ?? "as the server says"}.` : <>The domain does not stop idle apps: <Link className="text-link" to="/domain">its settings</Link> turn that on.</>}
        >
          <Input type="number" disabled={!stops} value={idle === undefined ? "" : String(idle)} onChange={({ detail }) => set({ AppLifecycleManagement: detail.value ? { IdleSettings: { IdleTimeoutInMinutes: Number(detail.value) } } : undefined })} />
        </FormField>
        <FormField label="Home, GB" description="Empty: 5, or as the domain says.">
          <Input
            type="number"
            value={size === undefined ? "" : String(size)}
            onChange={({ detail }) => put({ SpaceSettings: { ...draft.SpaceSettings, SpaceStorageSettings: detail.value ? { EbsStorageSettings: { EbsVolumeSizeInGb: Number(detail.value) } } : undefined } })}
          />
        </FormField>
        <FormField label="Start script" description={<>Runs before JupyterLab does. <Link className="text-link" to="/start-scripts">All start scripts</Link></>} errorText={found.error instanceof Error ? found.error.message : undefined}>
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
