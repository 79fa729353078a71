// What an editor offers in a scenario: node completion.mjs TOOLS SCHEMA. TOOLS is the folder whose node_modules has
// @taplo/lsp, the language server that Visual Studio Code runs for TOML. For each place below, prints what is offered
// there, on a line.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [tools, schema] = process.argv.slice(2);
const { TaploLsp } = createRequire(resolve(tools, "x"))("@taplo/lsp");

// Where something is offered: at each `|`.
const PLACES = ['name = "x"\n|', "[[faults]]\n|", "[[ops]]\n|", "[conversations.team]\n|", "[network]\n|"];

// How often the first place is asked about until the server has its configuration, which nothing tells.
const TRIES = 200;

const awaited = new Map();
const server = await TaploLsp.initialize(
  {
    now: () => new Date(0),
    envVar: () => undefined,
    envVars: () => [],
    stdErrAtty: () => false,
    stdin: async () => new Uint8Array(),
    stdout: async (bytes) => bytes.length,
    stderr: async (bytes) => bytes.length,
    glob: () => [],
    readFile: async (path) => readFileSync(path),
    writeFile: async () => {},
    urlToFilePath: (url) => (url.startsWith("file:") ? fileURLToPath(url) : url),
    isAbsolute: (path) => path.startsWith("/"),
    cwd: () => "/",
    findConfigFile: () => undefined,
    fetch: { fetch, Headers, Request, Response },
  },
  {
    onMessage: ({ id, method, result, error }) => {
      if (method && id !== undefined) {
        // It asks for its configuration, and has none.
        server.send({ jsonrpc: "2.0", id, result: [{}] });
      } else if (id !== undefined) {
        const { resolve, reject } = awaited.get(id);
        error ? reject(new Error(JSON.stringify(error))) : resolve(result);
      }
    },
  },
);

function ask(method, params) {
  const id = awaited.size + 1;
  return new Promise((resolve, reject) => {
    awaited.set(id, { resolve, reject });
    server.send({ jsonrpc: "2.0", id, method, params });
  });
}
const tell = (method, params) => server.send({ jsonrpc: "2.0", method, params });

await ask("initialize", { processId: null, rootUri: null, capabilities: {} });
tell("initialized", {});
for (const [version, place] of PLACES.entries()) {
  const before = `#:schema ${pathToFileURL(schema)}\n${place.slice(0, place.indexOf("|"))}`.split("\n");
  const text = before.join("\n") + place.slice(place.indexOf("|") + 1) + "\n";
  const uri = `file:///scenario-${version}.toml`;
  const position = { line: before.length - 1, character: before.at(-1).length };
  let labels = [];
  for (let tries = version === 0 ? TRIES : 1; tries > 0 && labels.length === 0; tries--) {
    // It looks for the schema of a document that is opened once it has its configuration.
    await new Promise(setImmediate);
    tell("textDocument/didOpen", { textDocument: { uri, languageId: "toml", version, text } });
    const offered = await ask("textDocument/completion", { textDocument: { uri }, position });
    labels = (offered?.items ?? offered ?? []).map(({ label }) => label);
  }
  console.log(`${place.replaceAll("\n", " ")}: ${labels.sort().join(" ")}`);
}
server.dispose();
process.exit(0);
