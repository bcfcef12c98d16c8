/** Small fields that the parts of the form share. */
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";

/** A whole number, or with `step` a finer one, never less than `least`; it may be half typed for a moment. */
export function NumberField({ label, description, value, change, least = 0, step = 1, optional }: { label: string; description?: string; value: number | undefined; change: (value: number | undefined) => void; least?: number; step?: number; optional?: string }) {
  const read = (text: string) => {
    if (text === "") return change(optional === undefined ? least : undefined);
    const number = step === 1 ? Math.floor(Number(text)) : Number(text);
    return change(Math.max(least, number || least));
  };
  return (
    <FormField label={label} constraintText={description}>
      <Input type="number" step={step} value={value === undefined ? "" : String(value)} placeholder={optional ?? ""} onChange={({ detail }) => read(detail.value)} />
    </FormField>
  );
}
