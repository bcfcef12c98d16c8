/** Parts of forms that edit one request document: what the form has no field for stays as it was. */
import Alert from "@cloudscape-design/components/alert";
import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useEffect, useState, type ReactNode } from "react";
import { useNavigate } from "react-router";

import { CodePanel, type Snippet } from "./code";
import { Crumbs } from "./detail";
import { ErrorPanel } from "./errors";
import { useView } from "./view";
import { Waiting } from "./waiting";

export interface CreateFormProps<T extends object> {
  title: string;
  description: string;
  parent: { text: string; href: string };
  document: T;
  change: (document: T) => void;
  children: ReactNode;
  /** Why it cannot be sent yet. */
  missing?: string | undefined;
  /** What it begins with is on its way. */
  reading?: boolean;
  /** Sends it. Returns the address of what it made, which is shown next unless somebody has gone elsewhere meanwhile. */
  submit: () => Promise<string>;
  label: string;
  /** Over what the server said when it refused. */
  refused?: string;
  code: Snippet;
}

export function CreateForm<T extends object>({ title, description, parent, document, change, children, missing: lacks, reading = false, submit, label, refused = "Not created", code }: CreateFormProps<T>) {
  const [mode, setMode] = useState<"form" | "document">("form");
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const navigate = useNavigate();
  const missing = reading ? "The original is being read." : lacks;
  const send = async () => {
    const here = location.pathname;
    setBusy(true);
    setError(undefined);
    try {
      const next = await submit();
      // not by whether this form still stands: it does until the next page is fetched
      if (location.pathname === here) void navigate(next);
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <SpaceBetween size="l">
      <Crumbs items={[parent, { text: title, href: "#" }]} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing && !fault) void send();
        }}
      >
        <Form
          header={
            <Header
              variant="h1"
              description={description}
              actions={
                <SegmentedControl
                  label="How to edit"
                  selectedId={mode}
                  options={[{ id: "form", text: "Form" }, { id: "document", text: "Document" }]}
                  onChange={({ detail }) => {
                    setText(JSON.stringify(document, null, 2));
                    setFault("");
                    setMode(detail.selectedId as typeof mode);
                  }}
                />
              }
            >
              {title}
            </Header>
          }
          actions={
            <SpaceBetween direction="horizontal" size="s" alignItems="center">
              {missing && <Box color="text-body-secondary">{missing}</Box>}
              <Button variant="primary" loading={busy} disabled={Boolean(missing || fault)}>
                {label}
              </Button>
            </SpaceBetween>
          }
          errorText={undefined}
        >
          <SpaceBetween size="l">
            {reading ? (
              <Waiting size="large" />
            ) : mode === "form" ? (
              children
            ) : (
              <FormField label="The request as a document" description="Every member of the operation is allowed, also those that the form has no field for." errorText={fault} stretch>
                <Textarea
                  value={text}
                  rows={26}
                  spellcheck={false}
                  ariaLabel="The request as JSON"
                  onChange={({ detail }) => {
                    setText(detail.value);
                    try {
                      const parsed: unknown = JSON.parse(detail.value);
                      if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error("A request is an object: {…}.");
                      change(parsed as T);
                      setFault("");
                    } catch (error) {
                      setFault((error as Error).message);
                    }
                  }}
                />
              </FormField>
            )}
            <CodePanel snippet={code} title="What will be sent, as code" />
            {error !== undefined && <ErrorPanel error={error} doing={refused} />}
          </SpaceBetween>
        </Form>
      </form>
    </SpaceBetween>
  );
}

/** Names and values, as hyperparameters, environment variables and tags are. */
export function Pairs({ value, change, what, none }: { value: Record<string, string>; change: (value: Record<string, string>) => void; what: string; none: string }) {
  // an array while it is edited: two names may be the same for a moment
  const [items, setItems] = useState(() => Object.entries(value));
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    if (JSON.stringify(Object.fromEntries(items.filter(([k]) => k))) !== JSON.stringify(value)) setItems(Object.entries(value));
  }
  const put = (next: [string, string][]) => {
    setItems(next);
    change(Object.fromEntries(next.filter(([k]) => k)));
  };
  return (
    <AttributeEditor
      items={items}
      addButtonText={`Add a ${what}`}
      removeButtonText="Remove"
      empty={none}
      onAddButtonClick={() => put([...items, ["", ""]])}
      onRemoveButtonClick={({ detail }) => put(items.filter((_, i) => i !== detail.itemIndex))}
      definition={[
        { label: "Name", control: ([k, v], i) => <Input ariaLabel={`Name of the ${what}`} value={k} onChange={({ detail }) => put(items.map((item, j) => (j === i ? [detail.value, v] : item)))} /> },
        { label: "Value", control: ([k, v], i) => <Input ariaLabel={`Value of ${k || `the ${what}`}`} value={v} onChange={({ detail }) => put(items.map((item, j) => (j === i ? [k, detail.value] : item)))} /> },
      ]}
    />
  );
}

export interface NameFieldProps {
  value: string | undefined;
  change: (name: string) => void;
  /** What a name is made of. */
  constraint?: string;
}

export function NameField({ value, change, constraint }: NameFieldProps) {
  return (
    <FormField label="Name" {...(constraint && { constraintText: constraint })}>
      <Input value={value ?? ""} onChange={({ detail }) => change(detail.value)} />
    </FormField>
  );
}

/** A name that nobody has yet. */
export function fresh(stem: string): string {
  const now = new Date();
  const two = (n: number) => String(n).padStart(2, "0");
  return `${stem}-${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

/**
 * What a form begins with: nothing yet, or what is made of the one that the address names.
 *
 * @param made a function that stays the same; its request has a name of its own
 * @param member of the address: another one of the same kind, unless said
 */
export function useDraft<T extends object>(blank: () => T, made: (from: string) => Promise<T>, member = "from") {
  const [view] = useView();
  const from = view(member);
  const [draft, setDraft] = useState<T>(blank);
  const [fault, setFault] = useState<unknown>();
  const [read, setRead] = useState("");
  useEffect(() => {
    if (!from) return undefined;
    let wanted = true;
    made(from)
      .then((found) => wanted && setDraft(found), (error: unknown) => wanted && setFault(error))
      .finally(() => wanted && setRead(from));
    return () => {
      wanted = false;
    };
  }, [from, made]);
  return { from, draft, setDraft, fault, reading: from !== read };
}

/** Tells why a clone could not be read. */
export function CloneFault({ error }: { error: unknown }) {
  return error === undefined ? null : (
    <Alert type="warning" header="The original cannot be read">
      <ErrorPanel error={error} />
    </Alert>
  );
}
