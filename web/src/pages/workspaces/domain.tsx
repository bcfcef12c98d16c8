/** The domain that one is signed in to: what its people's workspaces get where nothing else is said. */
import { DescribeDomainCommand, UpdateDomainCommand, type DescribeDomainResponse, type IdleSettings, type JupyterLabAppSettings, type UserSettings } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CodePanel } from "../../kit/code";
import { picked, Sections } from "../../kit/described";
import { DetailPage } from "../../kit/detail";
import { ErrorPanel, FailureReason, told } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { useSession } from "../../kit/session";
import { INSTANCES, scripts } from "./api";

/** An ARN that says: none, whatever was said before. */
const NONE = "None";
/** What holds where nothing is said: UpdateDomain leaves alone what it is not given, so what is emptied becomes this. */
const DEFAULTS = { InstanceType: "ml.t3.medium", MinIdleTimeoutInMinutes: 60, MaxIdleTimeoutInMinutes: 525_600 } as const;

/** The settings as they are sent: what the domain had and the form has no more gets its default. */
function sent(now: JupyterLabAppSettings, before: JupyterLabAppSettings = {}): JupyterLabAppSettings {
  const idle = now.AppLifecycleManagement?.IdleSettings;
  const had = before.AppLifecycleManagement?.IdleSettings ?? {};
  const kept = (member: "MinIdleTimeoutInMinutes" | "MaxIdleTimeoutInMinutes") => idle?.[member] ?? (had[member] === undefined ? undefined : DEFAULTS[member]);
  const spec = now.DefaultResourceSpec;
  return {
    ...now,
    ...(idle && { AppLifecycleManagement: { IdleSettings: { ...idle, MinIdleTimeoutInMinutes: kept("MinIdleTimeoutInMinutes"), MaxIdleTimeoutInMinutes: kept("MaxIdleTimeoutInMinutes") } } }),
    ...(spec && { DefaultResourceSpec: { ...spec, InstanceType: spec.InstanceType ?? (before.DefaultResourceSpec?.InstanceType && DEFAULTS.InstanceType) } }),
  };
}
const ASKED = ["DomainName", "AuthMode", "DefaultUserSettings", "DefaultSpaceSettings", "DomainSettings", "SubnetIds", "VpcId", "AppNetworkAccessType"];

export default function Domain() {
  const { who } = useSession();
  const navigate = useNavigate();
  const DomainId = who.DomainId;
  const loaded = useLoad((abortSignal) => sagemaker().send(new DescribeDomainCommand({ DomainId }), { abortSignal }) as Promise<DescribeDomainResponse>, DomainId, { kinds: ["Domain"] });
  return (
    <DetailPage<DescribeDomainResponse>
      name={who.DomainName}
      parent={{ text: "All domains", href: "/resources/Domain" }}
      loaded={loaded}
      status={(d) => d.Status}
      first={(d) => <FailureReason reason={d.FailureReason} />}
      actions={() => (
        <>
          <Button onClick={() => void navigate("/people")}>People</Button>
          <Button onClick={() => void navigate("/start-scripts")}>Start scripts</Button>
        </>
      )}
      tabs={(d) => [
        { id: "settings", label: "Workspaces", content: <Defaults key={String(d.LastModifiedTime)} domain={d} done={loaded.reload} /> },
        { id: "overview", label: "Overview", content: <Sections of={{ ...d }} without={["DomainName", "Status", "DefaultUserSettings", "DefaultSpaceSettings"]} /> },
      ]}
      code={(d) => ({ calls: [{ service: "sagemaker", operation: "CreateDomain", input: picked(d, ASKED) }] })}
    />
  );
}

function Defaults({ domain, done }: { domain: DescribeDomainResponse; done: () => void }) {
  const before = domain.DefaultUserSettings ?? {};
  const [role, setRole] = useState(before.ExecutionRole ?? "");
  const [lab, setLab] = useState<JupyterLabAppSettings>(before.JupyterLabAppSettings ?? {});
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const found = useLoad((abort) => scripts("JupyterLab", abort), "scripts");
  const idle = lab.AppLifecycleManagement?.IdleSettings ?? {};
  const spec = lab.DefaultResourceSpec ?? {};
  const put = (part: JupyterLabAppSettings) => setLab((old) => ({ ...old, ...part }));
  const stops = idle.LifecycleManagement === "ENABLED";
  const setIdle = (part: IdleSettings) => put({ AppLifecycleManagement: { IdleSettings: { ...idle, ...part } } });
  const after: UserSettings = { ExecutionRole: role, ...(Object.keys(lab).length && { JupyterLabAppSettings: sent(lab, before.JupyterLabAppSettings) }) };
  const missing = !role ? "It needs an execution role." : stops && idle.IdleTimeoutInMinutes === undefined ? "Say after how many minutes." : undefined;
  const request = { DomainId: domain.DomainId!, DefaultUserSettings: after };
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await sagemaker().send(new UpdateDomainCommand(request));
      notify.done("Kept. Workspaces have it from their next start on.");
      done();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  const minutes = (label: string, description: string, member: "IdleTimeoutInMinutes" | "MinIdleTimeoutInMinutes" | "MaxIdleTimeoutInMinutes") => (
    <FormField label={label} description={description}>
      <Input type="number" disabled={!stops} value={idle[member] === undefined ? "" : String(idle[member])} onChange={({ detail }) => setIdle({ [member]: detail.value ? Number(detail.value) : undefined })} />
    </FormField>
  );
  const listed = lab.LifecycleConfigArns ?? [];
  const short = (arn: string) => ({ value: arn, label: arn.split("/").pop()! });
  const standard = spec.LifecycleConfigArn === NONE ? undefined : spec.LifecycleConfigArn;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!missing) void save();
      }}
    >
      <SpaceBetween size="l">
        <Container header={<Header variant="h2" description="What every profile and workspace of the domain has that says nothing else.">Role and machines</Header>}>
          <SpaceBetween size="l">
            <FormField label="Execution role" description="Of profiles without one of their own, and of shared workspaces." stretch>
              <Input value={role} onChange={({ detail }) => setRole(detail.value)} />
            </FormField>
            <FormField label="Instance type" description={`Empty: ${DEFAULTS.InstanceType}.`}>
              <Autosuggest value={spec.InstanceType ?? ""} placeholder="ml.t3.medium" enteredTextLabel={(v) => `Use ${v}`} ariaLabel="Instance type" options={INSTANCES.map((value) => ({ value }))} onChange={({ detail }) => put({ DefaultResourceSpec: { ...spec, InstanceType: (detail.value || undefined) as typeof spec.InstanceType } })} />
            </FormField>
          </SpaceBetween>
        </Container>
        <Container header={<Header variant="h2" description="No kernel at work, and neither a kernel, a terminal nor a page has done anything. The home stays.">Idle workspaces</Header>}>
          <SpaceBetween size="l">
            <Toggle checked={stops} onChange={({ detail }) => setIdle({ LifecycleManagement: detail.checked ? "ENABLED" : "DISABLED", ...(detail.checked && idle.IdleTimeoutInMinutes === undefined && { IdleTimeoutInMinutes: 120 }) })}>
              Stop JupyterLab that nobody uses
            </Toggle>
            <ColumnLayout columns={3}>
              {minutes("After, minutes", "60 or more.", "IdleTimeoutInMinutes")}
              {minutes("A workspace may say at least", "Empty: 60, the least that the API takes.", "MinIdleTimeoutInMinutes")}
              {minutes("A workspace may say at most", "Empty: 525,600, which is a year.", "MaxIdleTimeoutInMinutes")}
            </ColumnLayout>
          </SpaceBetween>
        </Container>
        <Container header={<Header variant="h2" description="Lifecycle configurations: what runs before JupyterLab does.">Start scripts</Header>}>
          <ColumnLayout columns={2}>
            <FormField label="Offered to everybody" description="Workspaces may name one of them." errorText={found.error !== undefined && `The start scripts cannot be listed: ${told(found.error).message}`}>
              <Multiselect
                selectedOptions={listed.map(short)}
                options={(found.value ?? []).map((s) => short(s.StudioLifecycleConfigArn!))}
                placeholder="None"
                empty="There is no start script yet"
                ariaLabel="Offered to everybody"
                deselectAriaLabel={(o) => `Remove ${o.label}`}
                onChange={({ detail }) => {
                  const arns = detail.selectedOptions.map((o) => o.value!);
                  put({ LifecycleConfigArns: arns, DefaultResourceSpec: { ...spec, LifecycleConfigArn: standard && arns.includes(standard) ? standard : NONE } });
                }}
              />
            </FormField>
            <FormField label="Runs where none is named" description="One of those offered.">
              <Select
                selectedOption={standard ? short(standard) : { value: "", label: "None" }}
                options={[{ value: "", label: "None" }, ...listed.map(short)]}
                onChange={({ detail }) => put({ DefaultResourceSpec: { ...spec, LifecycleConfigArn: detail.selectedOption.value || NONE } })}
              />
            </FormField>
          </ColumnLayout>
        </Container>
        <CodePanel snippet={{ calls: [{ service: "sagemaker", operation: "UpdateDomain", input: request }] }} title="What will be sent, as code" />
        {error !== undefined && <ErrorPanel error={error} doing="Not kept" />}
        <SpaceBetween direction="horizontal" size="s" alignItems="center">
          <Button variant="primary" loading={busy} disabled={missing !== undefined}>Keep these settings</Button>
          {missing && <Box color="text-body-secondary">{missing}</Box>}
        </SpaceBetween>
      </SpaceBetween>
    </form>
  );
}
