/** The request that the form edits, and what the form makes of it: the document is the truth, and the form only a view of it. */
import type { CreateProcessingJobRequest, ProcessingInput, ProcessingOutput } from "@aws-sdk/client-sagemaker";

import { here } from "../../kit/clients";
import { fresh } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { isPlace } from "../../kit/job-form";
import { CODE, CODE_INPUT } from "./api";

export type Draft = CreateProcessingJobRequest;
/** What runs in the container. */
export type Program = "script" | "command" | "own";

const PYTHON = IMAGES.find((i) => i.uri.includes("scikit-learn"))!.uri;

export const input = (InputName: string, LocalPath = `/opt/ml/processing/input/${InputName}`, S3Uri = ""): ProcessingInput => ({
  InputName,
  S3Input: { S3Uri, LocalPath, S3DataType: "S3Prefix", S3InputMode: "File" },
});

export const output = (OutputName: string): ProcessingOutput => ({
  OutputName,
  S3Output: { S3Uri: "", LocalPath: `/opt/ml/processing/output/${OutputName}`, S3UploadMode: "EndOfJob" },
});

export const empty = (): Draft => ({
  ProcessingJobName: fresh("processing"),
  AppSpecification: { ImageUri: PYTHON, ContainerEntrypoint: ["python3", `${CODE}/`] },
  ProcessingInputs: [input(CODE_INPUT, CODE), input("data")],
  ProcessingOutputConfig: { Outputs: [output("result")] },
  ProcessingResources: { ClusterConfig: { InstanceType: "ml.m5.large", InstanceCount: 1, VolumeSizeInGB: 1 } },
  StoppingCondition: { MaxRuntimeInSeconds: 3600 },
  RoleArn: here().ExecutionRole,
});

const isCode = (i: ProcessingInput) => i.InputName === CODE_INPUT && i.S3Input?.LocalPath === CODE;

/** A script is what an input named "code" holds and the entry point calls; that is how the SDK's processors do it, too. */
export function programOf({ AppSpecification: app, ProcessingInputs: inputs = [] }: Draft): Program {
  const words = app?.ContainerEntrypoint;
  if (words?.length === 2 && words[1]!.startsWith(`${CODE}/`) && inputs.some(isCode)) return "script";
  return words ? "command" : "own";
}

export const scriptOf = (draft: Draft) => draft.ProcessingInputs?.find(isCode)?.S3Input?.S3Uri ?? "";

/** The inputs that are no script. */
export const dataOf = (draft: Draft) => (programOf(draft) === "script" ? (draft.ProcessingInputs ?? []).filter((i) => !isCode(i)) : (draft.ProcessingInputs ?? []));

export function withData(draft: Draft, data: ProcessingInput[]): Draft {
  const code = programOf(draft) === "script" ? (draft.ProcessingInputs ?? []).filter(isCode) : [];
  return { ...draft, ProcessingInputs: [...code, ...data] };
}

/** One object is put below the input's path by its own name. */
export function withScript(draft: Draft, uri: string): Draft {
  const [runs = "python3"] = programOf(draft) === "script" ? draft.AppSpecification!.ContainerEntrypoint! : [];
  const data = dataOf(draft).filter((i) => !isCode(i));
  return {
    ...draft,
    AppSpecification: { ...draft.AppSpecification!, ContainerEntrypoint: [runs, `${CODE}/${uri.split("/").slice(3).pop() ?? ""}`] },
    ProcessingInputs: [input(CODE_INPUT, CODE, uri), ...data],
  };
}

export function withProgram(draft: Draft, program: Program): Draft {
  if (program === programOf(draft)) return draft;
  if (program === "script") return withScript(draft, scriptOf(draft));
  return {
    ...draft,
    AppSpecification: { ...draft.AppSpecification!, ContainerEntrypoint: program === "own" ? undefined : [], ContainerArguments: program === "own" ? undefined : draft.AppSpecification!.ContainerArguments },
    ProcessingInputs: dataOf(draft),
  };
}

/** The request as it is sent: lists without items are left out. */
export function request(draft: Draft): Draft {
  const { ContainerArguments: args, ...app } = draft.AppSpecification ?? { ImageUri: "" };
  return {
    ...draft,
    AppSpecification: { ...app, ...(args?.length && { ContainerArguments: args }) },
    ProcessingInputs: draft.ProcessingInputs?.length ? draft.ProcessingInputs : undefined,
    ProcessingOutputConfig: draft.ProcessingOutputConfig?.Outputs?.length ? draft.ProcessingOutputConfig : undefined,
    Environment: draft.Environment && Object.keys(draft.Environment).length ? draft.Environment : undefined,
  };
}

/** What still lacks, in words; undefined when the request can be sent. */
export function missing(draft: Draft): string | undefined {
  const { AppSpecification: app, ProcessingOutputConfig: outputs } = draft;
  const program = programOf(draft);
  if (!draft.ProcessingJobName) return "It needs a name.";
  if (!app?.ImageUri) return "Choose an image.";
  if (program === "script" && !/^s3:\/\/[^/]+\/.*[^/]$/.test(scriptOf(draft))) return "Choose the script: one object in S3.";
  if (program === "command" && !app.ContainerEntrypoint?.length) return "Say which command.";
  if (dataOf(draft).some((i) => i.S3Input && !isPlace(i.S3Input.S3Uri))) return "Every input needs an s3:// place; remove those that it has no use for.";
  if (outputs?.Outputs?.some((o) => o.S3Output && !isPlace(o.S3Output.S3Uri))) return "Say where each output goes.";
  return undefined;
}
