/** An ARN that leads to the page of what it names, and can be copied whole. */
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";

import { here } from "./clients";
import { PageLink } from "./link";
import { lookup } from "./lookup";
import { dataHref } from "./s3-link";

/** Resources that have pages of their own; every other resource of SageMaker has a model-driven one. */
const PAGES = lookup<(name: string) => string>({
  "training-job": (n) => `/training-jobs/${n}`,
  "processing-job": (n) => `/processing-jobs/${n}`,
  "transform-job": (n) => `/transform-jobs/${n}`,
  "hyper-parameter-tuning-job": (n) => `/tuning-jobs/${n}`,
  endpoint: (n) => `/endpoints/${n}`,
  model: (n) => `/models/${n}`,
  experiment: (n) => `/experiments/${n}`,
  "notebook-instance": (n) => `/notebook-instances/${n}`,
  "studio-lifecycle-config": (n) => `/start-scripts/${n}`,
  "code-repository": (n) => `/code-repositories/${n}`,
});
const KINDS = lookup({ "experiment-trial": "Trial", "experiment-trial-component": "TrialComponent", "edge-deployment": "EdgeDeploymentPlan" });

const noun = (type: string) => KINDS[type] ?? type.split("-").map((w) => w.charAt(0).toUpperCase() + w.slice(1)).join("");

/** Where the thing of this ARN is shown; undefined where nothing shows it: the pages are of one account and one region. */
export function arnHref(arn: string): string | undefined {
  const [, , service, region, account, ...rest] = arn.split(":");
  const [type = "", ...parts] = rest.join(":").split("/");
  const name = encodeURIComponent(parts.at(-1) ?? "");
  if (service === "s3") return dataHref(`s3://${rest.join(":")}`);
  if (!name || (region && region !== here().Region) || (account && account !== "aws" && account !== here().Account)) return undefined;
  if (service === "iam") {
    if (type === "policy") return `/access/policy?arn=${encodeURIComponent(arn)}`;
    return type === "role" || type === "user" ? `/access/${type}s/${name}` : undefined;
  }
  if (service !== "sagemaker") return undefined;
  if (PAGES[type]) return PAGES[type](name);
  if (type === "model-package" && parts.length > 1) return `/resources/ModelPackage/${encodeURIComponent(arn)}`;
  return parts.length === 1 ? `/resources/${noun(type)}/${name}` : undefined;
}

export function Arn({ arn }: { arn: string | undefined }) {
  if (!arn) return <>–</>;
  const href = arnHref(arn);
  return (
    <span className="s3-link">
      {href ? <PageLink href={href} title={arn}>{arn.split("/").pop()}</PageLink> : <span title={arn}>{arn.split("/").pop()}</span>}
      <CopyToClipboard variant="icon" textToCopy={arn} copyButtonAriaLabel="Copy the ARN" copySuccessText="Copied" copyErrorText="Not copied" />
    </span>
  );
}
