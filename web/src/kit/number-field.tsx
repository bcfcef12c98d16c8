import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

export interface NumberFieldProps {
  label: string;
  description?: string;
  value: number | undefined;
  change: (value: number | undefined) => void;
  least?: number;
  most?: number;
  /** It need not be a whole number. */
  fraction?: boolean;
  /** It may be left out; what stands in the empty field then. */
  optional?: string;
}

/** A number, which is half typed for a while: what is not one yet that may be stays in the field, and the value as it was. */
export function NumberField({ label, description, value, change, least = 1, most = Infinity, fraction = false, optional }: NumberFieldProps) {
  const [typed, setTyped] = useState<{ text: string; of: number | undefined }>();
  // as it was typed, until the value changes by something else
  const text = typed && typed.of === value ? typed.text : value === undefined ? "" : String(value);
  const fits = (of: string) => (of.trim() === "" ? optional !== undefined : Number(of) >= least && Number(of) <= most && (fraction || Number.isInteger(Number(of))));
  const wrong = !fits(text) && typed !== undefined;
  return (
    <FormField label={label} constraintText={description} errorText={wrong && `A ${fraction ? "" : "whole "}number, ${least}${most === Infinity ? " or more" : ` to ${most}`}.`}>
      <Input
        type="number"
        inputMode={fraction ? "decimal" : "numeric"}
        step={fraction ? "any" : 1}
        value={text}
        placeholder={optional ?? ""}
        onChange={({ detail }) => {
          const next = !fits(detail.value) ? value : detail.value.trim() === "" ? undefined : Number(detail.value);
          setTyped({ text: detail.value, of: next });
          if (next !== value) change(next);
        }}
        onKeyDown={(event) => {
          // a form is not sent with another number than the one that stands there
          if (wrong && event.detail.key === "Enter") event.preventDefault();
        }}
        onBlur={() => setTyped(undefined)}
      />
    </FormField>
  );
}
