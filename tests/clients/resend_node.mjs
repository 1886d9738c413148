// Reads calls of Resend's Node package, one JSON object a line, and answers each with a line of JSON.
//   {"key": "mg_…", "url": "http://…/api", "verb": "emails.send", "arguments": [{…}, {…}]}
//   {"data": …, "error": …, "headers": …}
// Without "url" the package itself looks for its address, in RESEND_BASE_URL.
import { createInterface } from "node:readline";
import { Resend } from "resend";

// JSON has no bytes: {"bytes": "<base64>"} stands for a Buffer.
const revive = (_name, value) => (value?.bytes === undefined ? value : Buffer.from(value.bytes, "base64"));

for await (const line of createInterface({ input: process.stdin })) {
  const { key, url, verb, arguments: values } = JSON.parse(line, revive);
  const path = verb.split(".");
  const name = path.pop();
  const resource = path.reduce((parent, step) => parent[step], new Resend(key, url ? { baseUrl: url } : undefined));
  console.log(JSON.stringify(await resource[name](...values)));
}
