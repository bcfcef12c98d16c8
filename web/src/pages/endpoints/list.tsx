import { DeleteEndpointCommand, type EndpointStatus, type EndpointSummary } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Each } from "../../kit/each";
import { Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { href, list, STATUSES } from "./api";

const TEACH = `import boto3

sagemaker = boto3.client("sagemaker")
sagemaker.create_endpoint_config(EndpointConfigName="my-endpoint", ProductionVariants=[
    {"VariantName": "AllTraffic", "ModelName": "my-model", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1},
])
sagemaker.create_endpoint(EndpointName="my-endpoint", EndpointConfigName="my-endpoint")
sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="my-endpoint")`;

export default function Endpoints() {
  return (
    <ResourceTable<EndpointSummary, "Name" | "CreationTime" | "Status", EndpointStatus>
      kinds={["Endpoint"]}
      title="Endpoints"
      noun="endpoint"
      description="Each answers requests with one or more models."
      list={list}
      id={(e) => e.EndpointName!}
      statuses={STATUSES}
      sort="CreationTime"
      create={{ label: "Create an endpoint", href: "/endpoints/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 380, cell: (e) => <NameLink href={href(e.EndpointName!)}>{e.EndpointName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 180, cell: (e) => <Status value={e.EndpointStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (e) => <RelativeTime at={e.CreationTime} /> },
        { id: "modified", header: "Last change", width: 180, cell: (e) => <RelativeTime at={e.LastModifiedTime} /> },
        { id: "arn", header: "ARN", hidden: true, cell: (e) => e.EndpointArn },
      ]}
      actions={(chosen, done) => (
        <Each label="Delete" noun="endpoint" chosen={chosen} name={(e) => e.EndpointName!} run={({ EndpointName }) => sagemaker().send(new DeleteEndpointCommand({ EndpointName }))} said="Deleting." done={done}>
          Whoever asks it gets no answer from then on. Its configuration and models stay.
        </Each>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListEndpoints", input }] })}
      teach={{ text: "An endpoint keeps a model in memory and answers requests over HTTP, in milliseconds.", code: TEACH }}
    />
  );
}
