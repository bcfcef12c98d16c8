/** Uploads that a reload or a closed tab has broken off: the same file goes on, or its parts go. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { notify } from "../../kit/notify";
import { size } from "../../kit/sizes";
import { begun, discard, type Begun } from "./upload";

/** @param going the keys that are being uploaded now */
export function Unfinished({ bucket, going, choose }: { bucket: string; going: string[]; choose: () => void }) {
  const [, look] = useState(0);
  const left = begun(bucket).filter((b) => !going.includes(b.key));
  if (left.length === 0) return null;
  const drop = async (one: Begun) => {
    try {
      await discard(one);
    } catch (error) {
      notify.failed("Not discarded", error);
    }
    look((n) => n + 1);
  };
  return (
    <Alert type="info" header={left.length === 1 ? "An upload was not finished" : `${left.length} uploads were not finished`} action={<Button onClick={choose}>Choose the files again</Button>}>
      <SpaceBetween size="xs">
        <span>Choose the same file, in the same folder, and it goes on with what is stored already.</span>
        {left.map((b) => (
          <div className="choices" key={b.id}>
            <span className="mono">{b.key}</span>
            <span className="dim">{size(b.size)}</span>
            <Button variant="inline-link" ariaLabel={`Discard ${b.key}`} onClick={() => void drop(b)}>Discard</Button>
          </div>
        ))}
      </SpaceBetween>
    </Alert>
  );
}
