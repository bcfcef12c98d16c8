/** Asks before something cannot be undone, does it, and says how it went. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState, type ReactNode } from "react";

import { ErrorPanel } from "./errors";
import { notify } from "./notify";

export interface ConfirmProps {
  /** On the button that opens the question: "Delete", "Stop". */
  label: string;
  question: string;
  children?: ReactNode;
  /** A word to type first, for what destroys data. */
  type?: string;
  disabled?: boolean;
  run: () => Promise<unknown>;
  /** What to say once it is done. */
  said: string;
  done?: () => void;
}

export function Confirm({ label, question, children, type, disabled = false, run, said, done }: ConfirmProps) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<unknown>();
  const close = () => {
    setOpen(false);
    setTyped("");
    setError(undefined);
  };
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await run();
      close();
      notify.done(said);
      done?.();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button disabled={disabled} onClick={() => setOpen(true)}>
        {label}
      </Button>
      {open && (
        <Modal
          visible
          header={question}
          closeAriaLabel="Close"
          onDismiss={close}
          footer={
            <Box float="right">
              <SpaceBetween direction="horizontal" size="xs">
                <Button variant="link" onClick={close}>
                  Cancel
                </Button>
                <Button variant="primary" loading={busy} disabled={type !== undefined && typed !== type} onClick={() => void go()}>
                  {label}
                </Button>
              </SpaceBetween>
            </Box>
          }
        >
          <SpaceBetween size="m">
            {children}
            {type !== undefined && (
              <FormField label={`Type “${type}” to go on`}>
                <Input value={typed} onChange={({ detail }) => setTyped(detail.value)} autoFocus />
              </FormField>
            )}
            {error !== undefined && <ErrorPanel error={error} />}
          </SpaceBetween>
        </Modal>
      )}
    </>
  );
}
