import { DeleteModelCommand, type ModelSummary } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Each } from "../../kit/each";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { href, list } from "./api";

const TEACH = `import boto3

boto3.client("sagemaker").create_model(
    ModelName="my-model",
    PrimaryContainer={
        "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        "ModelDataUrl": "s3://my-bucket/models/my-first-job/output/model.tar.gz",
    },
    ExecutionRoleArn=role,
)`;

export default function Models() {
  const navigate = useNavigate();
  return (
    <ResourceTable<ModelSummary, "Name" | "CreationTime">
      kinds={["Model"]}
      title="Models"
      noun="model"
      description="An image, and the artifact that it serves."
      list={list}
      id={(m) => m.ModelName!}
      sort="CreationTime"
      create={{ label: "Create a model", href: "/models/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 420, cell: (m) => <NameLink href={href(m.ModelName!)}>{m.ModelName}</NameLink> },
        { id: "created", header: "Created", sort: "CreationTime", width: 200, cell: (m) => <RelativeTime at={m.CreationTime} /> },
        { id: "arn", header: "ARN", hidden: true, cell: (m) => m.ModelArn },
      ]}
      actions={(chosen, done) => (
        <>
          <Button disabled={chosen.length !== 1} onClick={() => void navigate(`/endpoints/create?model=${encodeURIComponent(chosen[0]!.ModelName!)}`)}>
            Deploy
          </Button>
          <Each label="Delete" noun="model" chosen={chosen} name={(m) => m.ModelName!} run={({ ModelName }) => sagemaker().send(new DeleteModelCommand({ ModelName }))} said="Deleted." done={done}>
            Endpoints that already serve it go on; its artifact in S3 stays.
          </Each>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListModels", input }] })}
      teach={{ text: "A model says which image serves which artifact. A finished training job makes one with one click.", code: TEACH }}
    />
  );
}
