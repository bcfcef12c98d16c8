/** Files on their way in, each with how far it is; a broken one goes on where it stopped. */
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useCallback, useEffect, useRef, useState } from "react";

import { told } from "../../kit/errors";
import { size } from "../../kit/sizes";
import { upload } from "./upload";

export interface Choice {
  id: string;
  key: string;
  file: File;
}

export function Uploads({ bucket, choices, done, forget }: { bucket: string; choices: Choice[]; done: () => void; forget: (id: string) => void }) {
  if (choices.length === 0) return null;
  return (
    <Container>
      <SpaceBetween size="m">
        {choices.map((c) => (
          <Uploading key={c.id} bucket={bucket} choice={c} done={done} forget={forget} />
        ))}
      </SpaceBetween>
    </Container>
  );
}

function Uploading({ bucket, choice, done, forget }: { bucket: string; choice: Choice; done: () => void; forget: (id: string) => void }) {
  const [share, setShare] = useState(0);
  const [state, setState] = useState<"in-progress" | "success" | "error">("in-progress");
  const [why, setWhy] = useState("");
  const aborter = useRef<AbortController>(undefined);
  const latest = useRef(done);
  latest.current = done;
  const start = useCallback(() => {
    const own = new AbortController();
    aborter.current = own;
    setState("in-progress");
    upload(bucket, choice.key, choice.file, setShare, own.signal).then(
      () => {
        setState("success");
        latest.current();
      },
      (error: unknown) => {
        if (own.signal.aborted) return;
        setState("error");
        setWhy(`${told(error).code}: ${told(error).message}`);
      },
    );
  }, [bucket, choice]);
  useEffect(() => {
    start();
    return () => aborter.current?.abort();
  }, [start]);
  return (
    <div className="uploading">
      <ProgressBar
        value={100 * share}
        status={state}
        label={choice.key.split("/").pop()!}
        additionalInfo={size(choice.file.size)}
        resultText={state === "success" ? "Stored" : why}
        {...(state === "error" && { resultButtonText: "Go on", onResultButtonClick: start })}
      />
      <Button iconName="close" variant="icon" ariaLabel={`${state === "in-progress" ? "Stop uploading" : "Put away"} ${choice.key}`} onClick={() => forget(choice.id)} />
    </div>
  );
}
