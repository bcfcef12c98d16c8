/** Reading who may what is a right of its own, which jobs' roles rarely have: how whoever holds the operator's keys gives it. */
import Alert from "@cloudscape-design/components/alert";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { here } from "../../kit/clients";
import { Code } from "../../kit/code";
import { told } from "../../kit/errors";

const TRAIL = `'{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cloudtrail:LookupEvents", "Resource": "*"}]}'`;

const denied = (error: unknown) => /AccessDenied/.test(told(error).code);

/** Shown when one of the errors is a denial. */
export function Grant({ errors }: { errors: unknown[] }) {
  if (!errors.some((e) => e !== undefined && denied(e))) return null;
  const role = here().SignInRole.split("/").pop()!;
  return (
    <Alert type="info" header="This profile's role may not read all of this">
      <SpaceBetween size="xs">
        <span>With the operator's keys (sagewright env), these let {role} read users, roles, policies and the audit trail. Jobs that run with that role may then read them too.</span>
        <Code
          label="Commands"
          text={`aws iam attach-role-policy --role-name ${role} \\\n    --policy-arn arn:aws:iam::aws:policy/IAMReadOnlyAccess\naws iam put-role-policy --role-name ${role} --policy-name ReadAuditTrail \\\n    --policy-document ${TRAIL}`}
        />
      </SpaceBetween>
    </Alert>
  );
}

/** A loader whose last error is kept, for what shows its errors itself. */
export function useWatched(): [error: unknown, watch: <A extends unknown[], T>(load: (...given: A) => Promise<T>) => (...given: A) => Promise<T>] {
  const [error, setError] = useState<unknown>();
  return [
    error,
    (load) =>
      async (...given) => {
        try {
          const found = await load(...given);
          setError(undefined);
          return found;
        } catch (failed) {
          if (denied(failed)) setError(failed);
          throw failed;
        }
      },
  ];
}
