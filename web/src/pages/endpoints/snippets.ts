/** The same request in Python, curl and JavaScript, each whole: pasted where the keys are in the environment, it prints the answer. */
import { here } from "../../kit/clients";
import { python, quoted, type Snippet } from "../../kit/code";

export interface Asked {
  EndpointName: string;
  ContentType: string;
  Accept?: string;
  TargetVariant?: string;
  InferenceId?: string;
  Body: string;
}

const given = (of: object) => Object.entries(of).filter(([, v]) => v !== undefined && v !== "");
const KEYS = `# the keys and the address: eval "$(sagewright env)"`;

function boto(operation: string, input: object, after: string): string {
  return `${KEYS}\nimport boto3\n\nruntime = boto3.client("sagemaker-runtime")\nanswer = runtime.${operation}(\n${given(input).map(([k, v]) => `    ${k}=${python(v, 4)},\n`).join("")})\n${after}`;
}

function script(command: string, input: object, after: string): string {
  const members = given(input).map(([k, v]) => `  ${k}: ${JSON.stringify(v)},\n`).join("");
  return `// npm install @aws-sdk/client-sagemaker-runtime; the keys: eval "$(sagewright env)"\nimport { ${command}, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";\n\nconst runtime = new SageMakerRuntimeClient({ region: "${here().Region}", endpoint: "${location.origin}" });\nconst answer = await runtime.send(new ${command}({\n${members}}));\n${after}`;
}

const HEADERS: Record<string, string> = { ContentType: "Content-Type", Accept: "Accept", TargetVariant: "X-Amzn-SageMaker-Target-Variant", InferenceId: "X-Amzn-SageMaker-Inference-Id" };

function curl(path: string, input: Record<string, string | undefined>, prefix = ""): string {
  const headers = given(input)
    .filter(([k]) => HEADERS[k])
    .map(([k, v]) => `    -H ${quoted(`${prefix && k === "ContentType" ? `${prefix}Content-Type` : prefix && k === "Accept" ? `${prefix}Accept` : HEADERS[k]}: ${v as string}`)} \\\n`);
  return `${KEYS}\ncurl --aws-sigv4 "aws:amz:${here().Region}:sagemaker" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\\n${headers.join("")}    --data-binary ${quoted(input["Body"] ?? "")} \\\n    ${quoted(`${location.origin}/endpoints/${input["EndpointName"]}/${path}`)}`;
}

export function asking(input: Asked): Snippet {
  return {
    calls: [{ service: "sagemaker-runtime", operation: "InvokeEndpoint", input }],
    boto3: boto("invoke_endpoint", input, `print(answer["Body"].read().decode())`),
    sdk: `${KEYS}\nfrom sagemaker.core.resources import Endpoint\n\nendpoint = Endpoint.get(endpoint_name=${python(input.EndpointName)})\nanswer = endpoint.invoke(body=${python(input.Body)}, content_type=${python(input.ContentType)})\nprint(answer.body.read().decode())`,
    curl: curl("invocations", { ...input }),
    js: script("InvokeEndpointCommand", input, `console.log(new TextDecoder().decode(answer.Body));`),
  };
}

/** An asynchronous request says where its answer will be. */
export function askingLater(input: Asked): Snippet {
  return {
    calls: [{ service: "sagemaker-runtime", operation: "InvokeEndpointAsync", input }],
    boto3: boto(
      "invoke_endpoint_async",
      input,
      `bucket, key = answer["OutputLocation"].removeprefix("s3://").split("/", 1)\ns3 = boto3.client("s3")\ns3.get_waiter("object_exists").wait(Bucket=bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 900})\nprint(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())`,
    ),
    curl: curl("async-invocations", { ...input }, "X-Amzn-SageMaker-"),
    js: script("InvokeEndpointAsyncCommand", { ...input, Body: undefined }, `console.log(answer.OutputLocation, answer.FailureLocation);`).replace("}));\n", `  Body: new TextEncoder().encode(${JSON.stringify(input.Body)}),\n}));\n`),
  };
}
