import { DeleteModelCommand, DescribeModelCommand, type DescribeModelOutput } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Described } from "../../kit/described";

export default function Model() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  return (
    <Described<DescribeModelOutput>
      kind="Model"
      name={name}
      parent={{ text: "Models", href: "/models" }}
      describe={(abortSignal) => sagemaker().send(new DescribeModelCommand({ ModelName: name }), { abortSignal })}
      without={["ModelName"]}
      actions={() => <Button variant="primary" onClick={() => void navigate(`/endpoints/create?model=${encodeURIComponent(name)}`)}>Deploy</Button>}
      remove={() => sagemaker().send(new DeleteModelCommand({ ModelName: name }))}
      code={(m) => ({
        calls: [{ service: "sagemaker", operation: "CreateModel", input: { ModelName: name, PrimaryContainer: m.PrimaryContainer, Containers: m.Containers?.length ? m.Containers : undefined, ExecutionRoleArn: m.ExecutionRoleArn } }],
      })}
    />
  );
}
