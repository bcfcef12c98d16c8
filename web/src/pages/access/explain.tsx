/** Why somebody may, or may not: the server's own evaluation, with the statement that decides. */
import { SimulatePrincipalPolicyCommand, type EvaluationResult } from "@aws-sdk/client-iam";
import Alert from "@cloudscape-design/components/alert";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { iam } from "../../kit/aws/iam";
import { here } from "../../kit/clients";
import { CodePanel } from "../../kit/code";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { useView } from "../../kit/view";
import { Waiting } from "../../kit/waiting";
import { principal as whole, principals, speaksOf, type Principal } from "./api";
import { Grant } from "./grant";
import { PolicyCard } from "./statements";

const ACTIONS = [
  "sagemaker:CreateTrainingJob", "sagemaker:CreateProcessingJob", "sagemaker:CreateModel", "sagemaker:CreateEndpoint", "sagemaker:InvokeEndpoint",
  "sagemaker:DeleteEndpoint", "sagemaker:AddTags", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:CreateBucket",
  "logs:GetLogEvents", "cloudwatch:PutMetricData", "iam:PassRole", "iam:CreateRole", "sts:AssumeRole", "cloudtrail:LookupEvents",
];

/** A session's ARN is not one of IAM's: its role is what policies are attached to. */
export function sourceOf(arn: string, known: { arn: string; name: string }[]): string {
  const [, account, role] = /^arn:aws:sts::(\d+):assumed-role\/([^/]+)\//.exec(arn) ?? [];
  return role ? (known.find((p) => p.name === role)?.arn ?? `arn:aws:iam::${account}:role/${role}`) : arn;
}

export default function Explain() {
  const [read, write] = useView();
  const everybody = useLoad(principals, "principals");
  const known = everybody.value?.found ?? [];
  const principal = sourceOf(read("principal", here().SignInRole), known);
  const [action, setAction] = useState(read("action"));
  const [resource, setResource] = useState(read("resource", "*"));
  const asked = { action: read("action"), resource: read("resource", "*") };
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description="Who wants to do what, on what: the server says whether it may, and which statement decides.">Explain a denial</Header>
      <Grant errors={everybody.value?.errors ?? []} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          write({ principal, action, resource });
        }}
      >
        <SpaceBetween size="m">
          <div className="explain">
            <FormField label="Who">
              <Select
                selectedOption={{ value: principal, label: principal.split("/").pop()! }}
                options={[
                  { label: "Roles", options: known.filter((p) => p.kind === "roles").map((p) => ({ value: p.arn, label: p.name })) },
                  { label: "Users", options: known.filter((p) => p.kind === "users").map((p) => ({ value: p.arn, label: p.name })) },
                ]}
                filteringType="auto"
                filteringAriaLabel="Find somebody"
                onChange={({ detail }) => write({ principal: detail.selectedOption.value })}
              />
            </FormField>
            <FormField label="Does">
              <Autosuggest value={action} onChange={({ detail }) => setAction(detail.value)} enteredTextLabel={(v) => `Use ${v}`} options={ACTIONS.map((value) => ({ value }))} placeholder="s3:GetObject" empty="Any action, as service:Operation" />
            </FormField>
            <FormField label="On">
              <Input value={resource} onChange={({ detail }) => setResource(detail.value)} placeholder="An ARN; * is any" />
            </FormField>
          </div>
          <Button variant="primary" disabled={!action.includes(":")}>Explain</Button>
        </SpaceBetween>
      </form>
      {asked.action && everybody.value && <Verdict principal={principal} {...asked} kind={principal.includes(":user/") ? "users" : "roles"} />}
    </SpaceBetween>
  );
}

const SAID: Record<string, [type: "success" | "error", text: string]> = {
  allowed: ["success", "It may"],
  explicitDeny: ["error", "It may not: a statement denies it, and a denial beats every permission"],
  implicitDeny: ["error", "It may not: no statement allows it"],
};

function Verdict({ principal, action, resource, kind }: { principal: string; action: string; resource: string; kind: "roles" | "users" }) {
  const input = { PolicySourceArn: principal, ActionNames: [action], ResourceArns: [resource] };
  const { value, error, reload } = useLoad(
    async (abortSignal): Promise<[EvaluationResult, Principal]> => {
      const [simulated, about] = await Promise.all([iam().send(new SimulatePrincipalPolicyCommand(input), { abortSignal }), whole(kind, principal.split("/").pop()!)]);
      return [simulated.EvaluationResults![0]!, about];
    },
    input,
  );
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="It cannot be explained" />;
  if (!value) return <Waiting />;
  const [result, about] = value;
  const [type, text] = SAID[result.EvalDecision!] ?? ["error", result.EvalDecision!];
  const matched = new Set((result.MatchedStatements ?? []).map((m) => m.SourcePolicyId));
  const effect = result.EvalDecision === "explicitDeny" ? "Deny" : "Allow";
  const limit = result.PermissionsBoundaryDecisionDetail?.AllowedByPermissionsBoundary === false;
  const involved = [...about.policies, ...(about.boundary ? [about.boundary] : [])].filter((p) => matched.has(p.name));
  const near = about.policies.filter((p) => !matched.has(p.name));
  return (
    <SpaceBetween size="l">
      <Alert type={type} header={`${text}.`}>
        <SpaceBetween size="xxs">
          <span><b>{principal.split("/").pop()}</b> · <span className="mono">{action}</span> · <span className="mono">{resource}</span></span>
          {limit && <span>Its permissions boundary does not allow it, whatever its policies say.</span>}
          {result.EvalDecision === "implicitDeny" && !limit && (
            <span>{about.policies.length ? `None of its ${about.policies.length === 1 ? "policy's" : `${about.policies.length} policies'`} statements speaks of it. A policy that allows ${action} would change that.` : "It has no policy at all."}</span>
          )}
          {(result.MissingContextValues ?? []).length > 0 && <span>Some statements depend on {result.MissingContextValues!.join(", ")}, which only a real request has.</span>}
        </SpaceBetween>
      </Alert>
      {involved.map((p) => <PolicyCard key={p.name} policy={p} decides={(s) => s.Effect === effect && speaksOf(s, action, resource)} />)}
      {near.length > 0 && (
        <details>
          <summary>{`${near.length === 1 ? "One policy" : `${near.length} policies`} of it with no say in this`}</summary>
          <SpaceBetween size="m">{near.map((p) => <PolicyCard key={`${p.by} ${p.name}`} policy={p} />)}</SpaceBetween>
        </details>
      )}
      <CodePanel snippet={{ calls: [{ service: "iam", operation: "SimulatePrincipalPolicy", input }] }} />
    </SpaceBetween>
  );
}
