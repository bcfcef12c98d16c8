/** How Studio is built: hashed files under /_sagewright/studio/, nothing inline, a shell within its weight. */
import react from "@vitejs/plugin-react";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build, defineConfig, type Plugin, type Rolldown } from "vite";

/** Bytes, compressed, of what the browser loads before the first page's own code. */
const SHELL = 600_000;

/** Our colours as one stylesheet, made here and not in the browser: a strict policy allows no inline style. */
function brand(): Plugin {
  return {
    name: "sagewright-brand",
    resolveId: (id) => (id === "virtual:brand.css" ? "\0brand.css" : null),
    async load(id) {
      if (id !== "\0brand.css") return null;
      // the library is written for bundlers, not for Node's own import: it is bundled, then run
      const made = await build({ configFile: false, logLevel: "error", ssr: { noExternal: true }, build: { ssr: "src/brand/stylesheet.ts", write: false } });
      const [{ code }] = (made as Rolldown.RolldownOutput).output;
      const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { stylesheet: string };
      return module.stylesheet;
    },
    // Cloudscape's global styles carry Open Sans within the stylesheet; our type is Inter, from files of our own
    transform: (code, id) =>
      id.endsWith("global-styles/index.css") ? { code: code.replace(/@font-face\s*{[^}]*}/g, ""), map: null } : null,
  };
}

/** Says what the shell weighs, and ends the build above the limit. */
function weight(): Plugin {
  return {
    name: "sagewright-weight",
    generateBundle(_, bundle) {
      const seen = new Set<string>();
      const visit = (file: string): void => {
        const chunk = bundle[file];
        if (!chunk || seen.has(file)) return;
        seen.add(file);
        if (chunk.type !== "chunk") return;
        chunk.imports.forEach(visit);
        chunk.viteMetadata?.importedCss.forEach(visit);
      };
      Object.values(bundle).forEach((c) => c.type === "chunk" && c.isEntry && visit(c.fileName));
      let total = 0;
      for (const file of seen) {
        const chunk = bundle[file]!;
        total += gzipSync(chunk.type === "chunk" ? chunk.code : chunk.source).length;
      }
      console.log(`Studio's shell: ${seen.size} files, ${Math.round(total / 1000)} KB compressed (limit ${SHELL / 1000} KB)`);
      if (total > SHELL) this.error(`the shell weighs ${total} bytes compressed; ${SHELL} are allowed`);
    },
  };
}

/** Compressed once, here, and not at every request. */
function compressed(): Plugin {
  return {
    name: "sagewright-compressed",
    writeBundle({ dir }) {
      for (const entry of readdirSync(dir!, { recursive: true, withFileTypes: true })) {
        if (!/\.(js|css|svg|json)$/.test(entry.name)) continue;
        const file = join(entry.parentPath, entry.name);
        const whole = readFileSync(file);
        writeFileSync(`${file}.gz`, gzipSync(whole, { level: 9 }));
        writeFileSync(`${file}.br`, brotliCompressSync(whole, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }));
      }
    },
  };
}

export default defineConfig({
  base: "/_sagewright/studio/",
  plugins: [react(), brand(), weight(), compressed()],
  build: {
    outDir: "../src/sagewright/slices/studio/web",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the policy allows no data: scripts, fonts or pictures
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
  },
});
