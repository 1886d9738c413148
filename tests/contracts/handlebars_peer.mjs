// Renders with handlebars.js: reads {"template", "data", "escape", "strict"} a line, answers {"output"} or {"error"}.
// The helpers are those of docs/templates.md, written anew in JavaScript, as far as no language data is needed.
import { createInterface } from "node:readline";
import Handlebars from "handlebars";

const plain = (value) => value ?? null;
const isTrue = (value) => Boolean(value) && !Handlebars.Utils.isEmpty(value);
const ordered = (accept) => (left, right) => plain(left) !== null && plain(right) !== null && accept(left, right);
// The last argument is Handlebars' own.
const values = (given) => given.slice(0, -1);
const until = (truth) => (...given) => {
  const all = values(given);
  const found = all.findIndex((value) => isTrue(value) === truth);
  return plain(all.at(found));
};
const text = (value) => String(value ?? "");

Handlebars.registerHelper({
  uppercase: (value) => text(value).toUpperCase(),
  lowercase: (value) => text(value).toLowerCase(),
  capitalize: (value) => {
    const [first = "", ...rest] = text(value);
    return first.toUpperCase() + rest.join("");
  },
  default: (value, fallback) => (plain(value) === null || value === "" ? fallback : value),
  eq: (left, right) => plain(left) === plain(right),
  ne: (left, right) => plain(left) !== plain(right),
  gt: ordered((left, right) => left > right),
  gte: ordered((left, right) => left >= right),
  lt: ordered((left, right) => left < right),
  lte: ordered((left, right) => left <= right),
  and: until(false),
  or: until(true),
  not: (value) => !isTrue(value),
});

for await (const line of createInterface({ input: process.stdin })) {
  const { template, data, escape, strict } = JSON.parse(line);
  let answer;
  try {
    answer = { output: Handlebars.compile(template, { noEscape: !escape, strict })(data) };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  console.log(JSON.stringify(answer));
}
