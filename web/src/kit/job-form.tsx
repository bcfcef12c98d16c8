/** Fields that the forms of all kinds of jobs share. */
import Autosuggest from "@cloudscape-design/components/autosuggest";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { IMAGES } from "./images";

export const isPlace = (uri: string | undefined) => /^s3:\/\/[^/]+/.test(uri ?? "");

/** The name of a clone: what the original was called before a time was put behind it, and the time now. */
export const stemOf = (name: string) => name.replace(/-\d{8}-\d{6}$/, "").slice(0, 46);

export function ImageField({ value, change, serves = false }: { value: string; change: (uri: string) => void; serves?: boolean }) {
  return (
    <FormField label="Image" description="One that comes with the server, or any other that it knows.">
      <Autosuggest
        value={value}
        enteredTextLabel={(v) => `Use ${v}`}
        options={IMAGES.filter((i) => i.serves || !serves).map((i) => ({ value: i.uri, label: i.label, description: i.description }))}
        onChange={({ detail }) => change(detail.value)}
        filteringType="auto"
        empty="No image has that name"
      />
    </FormField>
  );
}

const TYPES = ["ml.m5.large", "ml.m5.xlarge", "ml.c5.2xlarge", "ml.g5.xlarge"];

export function InstanceTypeField({ value, change }: { value: string; change: (type: string) => void }) {
  return (
    <FormField label="Instance type">
      <Autosuggest value={value} enteredTextLabel={(v) => `Use ${v}`} ariaLabel="Instance type" onChange={({ detail }) => change(detail.value)} options={TYPES.map((value) => ({ value }))} />
    </FormField>
  );
}

/** The words of a command line; quotes hold together what has spaces. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ""));
}

export const lineOf = (words: readonly string[]) => words.map((w) => (/^[^\s"']+$/.test(w) ? w : w.includes("'") ? `"${w}"` : `'${w}'`)).join(" ");

export interface CommandFieldProps {
  label: string;
  description?: string;
  example?: string;
  placeholder?: string;
  value: readonly string[] | undefined;
  change: (words: string[] | undefined) => void;
}

export function CommandField({ label, description, example, placeholder = "", value, change }: CommandFieldProps) {
  // the line as it is typed: its words do not tell of a space at its end
  const [text, setText] = useState(() => lineOf(value ?? []));
  const shown = JSON.stringify(wordsOf(text)) === JSON.stringify(value ?? []) ? text : lineOf(value ?? []);
  return (
    <FormField label={label} {...(description && { description })} {...(example && { constraintText: `Example: ${example}` })} stretch>
      <Input
        value={shown}
        placeholder={placeholder}
        spellcheck={false}
        onChange={({ detail }) => {
          setText(detail.value);
          const words = wordsOf(detail.value);
          change(words.length ? words : undefined);
        }}
      />
    </FormField>
  );
}
