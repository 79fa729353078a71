// Asks Perfetto's trace processor about a trace: node perfetto.mjs FOLDER TRACE SQL. FOLDER has the processor as its
// web page loads it (engine_bundle.js and the WebAssembly beside it). Prints the strings that the query yields, a line
// each; fails if the trace or the query is refused.
//
// What is asked and answered is protobuf (protos/perfetto/trace_processor/trace_processor.proto, TraceProcessorRpc).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const APPEND_TRACE_DATA = 1;
const FINALIZE_TRACE_DATA = 2;
const QUERY_STREAMING = 3;

const [folder, trace, sql] = process.argv.slice(2);

/** The global scope of a web worker, with as much in it as the processor uses. */
function worker() {
  const scope = vm.createContext({ console, performance, setTimeout, TextDecoder, URL });
  scope.self = scope;
  scope.WorkerGlobalScope = class {};
  scope.location = { href: "https://perfetto.invalid/" };
  scope.XMLHttpRequest = class {
    open(_method, address) {
      this.file = readFileSync(join(folder, new URL(address, scope.location.href).pathname));
    }
    send() {
      this.response = inside("bytes => new Uint8Array(bytes).buffer")(this.file);
    }
  };
  // What is passed in must be of the worker's own classes.
  const inside = (code) => vm.runInContext(code, scope);
  inside(readFileSync(join(folder, "engine_bundle.js"), "utf8"));
  return { scope, inside };
}

function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}
const numberField = (field, value) => Buffer.from([...varint(field * 8), ...varint(value)]);
const bytesField = (field, value) =>
  Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(value.length)]), value]);

/** The fields of a message that hold bytes, as pairs of a field's number and its bytes. */
function bytesFields(message) {
  const found = [];
  let at = 0;
  const read = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = read();
    if (key % 8 === 0) {
      read();
    } else if (key % 8 === 2) {
      const length = read();
      found.push([Math.floor(key / 8), message.subarray(at, at + length)]);
      at += length;
    } else {
      throw new Error(`an answer has a field of the type ${key % 8}`);
    }
  }
  return found;
}
const ofField = (message, number) =>
  bytesFields(message).filter(([field]) => field === number).map(([, bytes]) => Buffer.from(bytes));

const { scope, inside } = worker();
const answers = [];
const port = { postMessage: (answer) => answers.push(Buffer.from(answer)) };
scope.onmessage({ data: port });
// The processor is started by what waits for its code, which is there.
await new Promise(setImmediate);

let asked = 0;
function ask(request, field, content) {
  const body = [numberField(1, ++asked), numberField(2, request)];
  if (field) body.push(bytesField(field, content));
  answers.length = 0;
  const data = inside("bytes => new Uint8Array(bytes)")(bytesField(1, Buffer.concat(body)));
  port.onmessage({ data });
  const messages = answers.flatMap((answer) => ofField(answer, 1));
  const [fatal] = messages.flatMap((message) => ofField(message, 5));
  if (fatal) throw new Error(fatal.toString());
  return messages;
}
function mustSucceed(results) {
  const [error] = results.flatMap((result) => ofField(result, 2));
  if (error?.length) throw new Error(error.toString());
  return results;
}

const appended = ask(APPEND_TRACE_DATA, 101, readFileSync(trace));
mustSucceed(appended.flatMap((message) => ofField(message, 201)));
ask(FINALIZE_TRACE_DATA);
const queried = ask(QUERY_STREAMING, 103, bytesField(1, Buffer.from(sql)));
const batches = mustSucceed(queried.flatMap((message) => ofField(message, 203)));
for (const cells of batches.flatMap((result) => ofField(result, 3)).flatMap((batch) => ofField(batch, 5))) {
  // Each string ends with a zero byte.
  process.stdout.write(cells.toString().replaceAll("\0", "\n"));
}
