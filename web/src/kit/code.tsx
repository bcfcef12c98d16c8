/** What a page just showed or did, as code that does the same: boto3, the command line, and an SDK where it has words for it. */
import Box from "@cloudscape-design/components/box";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import { useState } from "react";

import { stored } from "./stored";

export interface Call {
  /** As boto3 names it. */
  service: string;
  /** "CreateTrainingJob" */
  operation: string;
  input: object;
  /** A waiter, as boto3 names it, that has to have seen the thing before the next call. */
  wait?: { until: string; input: Record<string, string> };
  /** Where boto3 has no such waiter: what is described until its Status is no longer this one. */
  whilst?: { operation: string; input: object; status: string };
}

/** A call, or several in order; `sdk` is Python for the SageMaker SDK. */
export interface Snippet {
  calls: Call[];
  /** Where the call alone is not the whole of it: what is made of the answer. */
  boto3?: string;
  sdk?: string;
  curl?: string;
  js?: string;
}

type Plain = string | number | boolean | null | undefined | Date | Uint8Array | Plain[] | { [name: string]: Plain };

/** As boto3 names an operation: "CreateMlflowApp" is create_mlflow_app. */
export const snake = (name: string) => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2").toLowerCase();
const kebab = (name: string) => snake(name).replaceAll("_", "-");

/** A value as a Python literal. */
export function python(value: unknown, indent = 0): string {
  const v = value as Plain;
  const pad = " ".repeat(indent + 4);
  if (v === null || v === undefined) return "None";
  if (typeof v === "boolean") return v ? "True" : "False";
  if (v instanceof Date) return `datetime.fromisoformat("${v.toISOString()}")`;
  if (v instanceof Uint8Array) return `b"…"`;
  if (typeof v !== "object") return JSON.stringify(v);
  const parts = Array.isArray(v)
    ? v.map((e) => python(e, indent + 4))
    : Object.entries(v).filter(([, e]) => e !== undefined).map(([k, e]) => `${JSON.stringify(k)}: ${python(e, indent + 4)}`);
  const [open, close] = Array.isArray(v) ? "[]" : "{}";
  const line = `${open}${parts.join(", ")}${close}`;
  return line.length + indent < 90 && !line.includes("\n") ? line : `${open}\n${parts.map((p) => pad + p).join(",\n")},\n${" ".repeat(indent)}${close}`;
}

function boto3({ calls }: Snippet): string {
  const services = [...new Set(calls.map((c) => c.service))];
  const variable = (service: string) => service.replaceAll("-", "_");
  const lines = calls.map(({ service, operation, input, wait, whilst }) => {
    const given = Object.entries(input).filter(([, v]) => v !== undefined);
    const again = whilst ? `\nwhile ${variable(service)}.${snake(whilst.operation)}(**${python(whilst.input)})["Status"] == ${python(whilst.status)}:\n    time.sleep(1)` : "";
    const call = `${variable(service)}.${snake(operation)}`;
    const waits = wait ? `\n${variable(service)}.get_waiter("${wait.until}").wait(${Object.entries(wait.input).map(([k, v]) => `${k}=${python(v)}`).join(", ")})` : "";
    if (given.length === 0) return `${call}()${waits}${again}`;
    return `${call}(\n${given.map(([k, v]) => `    ${k}=${python(v, 4)},\n`).join("")})${waits}${again}`;
  });
  return [calls.some((c) => c.whilst) ? "import boto3, time" : "import boto3", "", ...services.map((s) => `${variable(s)} = boto3.client("${s}")`), "", ...lines].join("\n");
}

/** An argument quoted for a POSIX shell. */
export const quoted = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

/** Members of a request as options of the command line. */
function flags(input: object): string[] {
  return Object.entries(input).filter(([, v]) => v !== undefined).map(([k, v]) => {
    if (typeof v === "boolean") return `--${v ? "" : "no-"}${kebab(k)}`;
    return `--${kebab(k)} ${quoted(typeof v === "object" ? JSON.stringify(v) : String(v))}`;
  });
}

function cli({ calls }: Snippet): string {
  return calls
    .map(({ service, operation, input, wait, whilst }) => {
      const options = flags(input);
      const again = whilst ? `\n\nwhile [ "$(${[`aws ${service} ${kebab(whilst.operation)}`, ...flags(whilst.input)].join(" ")} --query Status --output text)" = ${quoted(whilst.status)} ]; do sleep 1; done` : "";
      const waits = wait ? [`aws ${service} wait ${wait.until.replaceAll("_", "-")}`, ...Object.entries(wait.input).map(([k, v]) => `--${kebab(k)} ${quoted(v)}`)].join(" ") : "";
      return [`aws ${service === "s3" ? "s3api" : service} ${kebab(operation)}`, ...options].join(" \\\n    ") + (waits && `\n\n${waits}`) + again;
    })
    .join("\n\n");
}

const language = stored("language", "boto3");

export function CodePanel({ snippet, title = "Same in code" }: { snippet: Snippet; title?: string }) {
  const chosen = language.use();
  const texts: Record<string, string | undefined> = {
    boto3: snippet.boto3 ?? boto3(snippet),
    sdk: snippet.sdk,
    cli: cli(snippet),
    curl: snippet.curl,
    js: snippet.js,
  };
  const names: Record<string, string> = { boto3: "boto3", sdk: "SageMaker SDK", cli: "AWS CLI", curl: "curl", js: "JavaScript" };
  const options = Object.keys(names).filter((id) => texts[id]).map((id) => ({ id, text: names[id]! }));
  const [own, setOwn] = useState<string>();
  const wanted = own ?? chosen;
  const shown = texts[wanted] ? wanted : "boto3";
  return (
    <div className="code-panel">
      <div className="code-head">
        <Box variant="awsui-key-label">{title}</Box>
        <SegmentedControl
          label="Language"
          selectedId={shown}
          options={options}
          onChange={({ detail }) => {
            setOwn(detail.selectedId);
            language.set(detail.selectedId);
          }}
        />
      </div>
      <Code text={texts[shown]!} />
    </div>
  );
}

/** Text in a box with a copy button. */
export function Code({ text, label = "Code" }: { text: string; label?: string }) {
  return (
    <div className="code-box">
      <pre tabIndex={0} aria-label={label}>{text}</pre>
      <div className="code-copy">
        <CopyToClipboard variant="icon" textToCopy={text} copyButtonAriaLabel="Copy the code" copySuccessText="Copied" copyErrorText="Not copied" />
      </div>
    </div>
  );
}
