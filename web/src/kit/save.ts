/** Have the browser keep bytes as a file, named as the last part of `path`. */
export function save(path: string, body: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(body);
  link.download = path.split("/").pop()!;
  link.click();
  URL.revokeObjectURL(link.href);
}
