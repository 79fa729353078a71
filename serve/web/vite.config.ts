// Builds the front end into `../built`, which the crate includes. The same source and lock file
// give the same bytes: names carry no hash, and nothing of the machine goes in.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../built",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    sourcemap: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: { entryFileNames: "serve.js", assetFileNames: "serve.[ext]" },
    },
  },
  // `npm run dev` beside a `fedsim serve`.
  server: { proxy: { "/api": "http://127.0.0.1:4747" } },
});
